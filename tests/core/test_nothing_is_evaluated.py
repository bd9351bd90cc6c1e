"""Fits and draws run through the package's own compiler alone.

PyMC3's variables compile and run functions in order to write themselves in full, so only errors may write them.
"""

import pymc3_vi

import numpy as np
import pymc3 as pm
import pytest
import theano
from theano.link.c.basic import CLinker

Y = np.array([0.3, 1.1, 2.0, 1.4])


@pytest.fixture
def evaluated(monkeypatch):
    """List of what Theano itself has evaluated or compiled; an exception there would be caught by PyMC3."""
    found, evaluate, make = [], theano.graph.basic.Variable.eval, CLinker.cthunk_factory

    def noted(self, *args, **kwargs):
        found.append(self)
        return evaluate(self, *args, **kwargs)

    def noted_thunk(self, *args, **kwargs):
        found.append(self)
        return make(self, *args, **kwargs)

    monkeypatch.setattr(theano.graph.basic.Variable, "eval", noted)
    monkeypatch.setattr(CLinker, "cthunk_factory", noted_thunk)
    return found


@pytest.fixture
def model(evaluated):
    with pymc3_vi.fast_build(), pm.Model() as model:
        mu = pm.Normal("mu", [0.0, 1.0], 2.0, shape=2)
        sigma = pm.HalfNormal("sigma", 1.5)
        pm.Deterministic("double", 2 * mu)
        pm.Normal("y", mu.sum(), sigma, observed=Y)
        evaluated.clear()
        str(mu)
        assert evaluated
    evaluated.clear()
    return model


@pytest.mark.parametrize("method", ["advi", "fullrank_advi", "svgd", "nfvi", "dadvi"])
def test_fits_draws_and_results(method, model, evaluated):
    n = {} if method == "dadvi" else {"n": 20}
    approx = pymc3_vi.fit(method=method, model=model, random_seed=1, progressbar=False, **n)
    approx.sample(20, random_seed=1)
    approx.sample_node(model.double, size=5)
    approx.to_inference_data(20)
    approx.summary(draws=100)
    str(approx)
    assert evaluated == []


def test_rules_with_rates_and_several_draws(model, evaluated):
    inference = pymc3_vi.ADVI(model=model, random_seed=1)
    inference.fit(20, obj_optimizer=pymc3_vi.adam(learning_rate=0.01), obj_n_mc=3, progressbar=False)
    inference.refine(20, progressbar=False)
    assert evaluated == []
