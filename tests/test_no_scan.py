"""Whatever evaluates the model at several points does so in one batched graph."""

import pymc3_vi

import numpy as np
import pytest
import theano
from theano.scan.op import Scan

from tests.zoo import ZOO


@pytest.fixture(autouse=True)
def no_scan(monkeypatch):
    """Making a Scan is an error, and nothing is compiled."""

    def refuse(self, *args, **kwargs):
        raise AssertionError("a theano.scan was built")

    monkeypatch.setattr(Scan, "__init__", refuse)
    with theano.config.change_flags(cxx=""):
        yield


@pytest.fixture
def model():
    with ZOO["schools_noncentred"]() as model:
        yield model


def test_the_guard_guards():
    with pytest.raises(AssertionError, match="a theano.scan was built"):
        theano.scan(lambda x: 2 * x, sequences=[theano.tensor.arange(3)])


def test_fits(model):
    advi = pymc3_vi.ADVI(random_seed=1)
    assert len(advi.fit(2, obj_n_mc=3, progressbar=False, obj_optimizer=pymc3_vi.adam()).hist) == 2
    pymc3_vi.SVGD(n_particles=60, jitter=0.1, random_seed=1).fit(2, progressbar=False)
    with pytest.warns(UserWarning, match="experimental"):
        pymc3_vi.ASVGD(random_seed=1).fit(2, obj_n_mc=4, progressbar=False)
    assert np.isfinite(advi.objective.score_function(sc_n_mc=5)())


def test_fits_on_fixed_draws(model):
    assert np.isfinite(pymc3_vi.ADVI(random_seed=1).fit(50, progressbar=False).mean.eval()).all()


def test_draws(model):
    approx = pymc3_vi.MeanField(random_seed=1)
    assert approx.sample_arrays(7)["theta"].shape == (7, 8)  # a deterministic
    for size in (4, theano.shared(np.int64(4))):
        draws = approx.sample_node(model["theta"], size=size)
        assert theano.function([], draws)().shape == (4, 8)
    assert approx.expectation("theta", draws=300, correct=None).value.shape == (8,)
    assert approx.diagnose(draws=300, random_seed=1).khat is not None


def test_particles(model):
    approx = pymc3_vi.Empirical(size=11, jitter=0.1, random_seed=1)
    assert theano.function([], approx.evaluate_over_trace(model["theta"]))().shape == (11, 8)
    assert np.isfinite(approx.diagnose(random_seed=1).particles.ksd)
