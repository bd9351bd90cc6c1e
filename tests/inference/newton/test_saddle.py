"""Starts at which values have no gradient, for symmetry alone: fits leave them where a direction leads away."""

import pymc3_vi
from pymc3_vi.algorithms.newton import DrawTarget, WarmStart
from pymc3_vi.algorithms.newton._saddle import STEP, is_saddle
from pymc3_vi.approximations.gaussian import GaussianBlocks
from pymc3_vi.diagnostics import PointDensity

import numpy as np
import pymc3 as pm
import pytest
import theano
import theano.tensor as tt

RNG = np.random.RandomState(1)
X = RNG.normal(size=(100, 2))
SIDES = (X[:, 0] * X[:, 1] > 0).astype(int)
MODE = theano.Mode("py", "fast_compile")
FACTORS = RNG.normal(size=30), RNG.normal(size=21)


def network():
    first, bias = pm.Normal("first", 0.0, 1.0, shape=(2, 15)), pm.Normal("bias", 0.0, 1.0, shape=15)
    second = pm.Normal("second", 0.0, 1.0, shape=15)
    pm.Bernoulli("y", logit_p=tt.dot(tt.tanh(tt.dot(X, first) + bias), second), observed=SIDES)


def factorization(unit=1.0):
    u, v = pm.Normal("u", 0.0, 1.0, shape=30), pm.Normal("v", 0.0, unit, shape=21)
    pm.Normal("y", tt.outer(u, v), 0.1 * unit, observed=unit * np.outer(*FACTORS))


def deep():
    """The weights of two layers stand still; that of the first, whose offsets are not 0, does not."""
    first, second = pm.Normal("first", 0.0, 1.0), pm.Normal("second", 0.0, 1.0, shape=(2, 30))
    third = pm.Normal("third", 0.0, 1.0, shape=30)
    pm.Normal("y", tt.dot(tt.dot(tt.tanh(X * first + 1.0), second), third) + first, 0.5, observed=SIDES)


def centre():
    """Sixty values without data and one with."""
    z = pm.Normal("z", 0.0, 2.0, shape=60)
    pm.StudentT("t", 3.0, shape=3)
    pm.Normal("y", 1.0 + z[0], 1.0, observed=0.0)


def regression():
    pm.Normal("y", tt.dot(X, pm.Normal("b", 0.0, 1.0, shape=2)), 1.0, observed=SIDES)


@pytest.fixture(autouse=True)
def _in_python():
    with theano.config.change_flags(cxx=""):
        yield


def _model(build):
    with pm.Model() as model:
        build()
    return model


def _begun(build, family=pymc3_vi.MeanField):
    """Warm start of a fit, and where it begins."""
    q = family(model=_model(build), random_seed=1)
    blocks = GaussianBlocks(q.groups)
    warm = WarmStart(DrawTarget(PointDensity(q, MODE), blocks), 1, 1000)
    random, limits = str(warm.random.bit_generator.state), (warm.limit, warm.last)
    mu = warm._off_saddle(*blocks.read())
    assert str(warm.random.bit_generator.state) == random  # what follows is as if nothing had been looked at
    spent = warm.target.evaluations
    assert (warm.limit - spent, warm.last - spent) == limits
    return q.bij.rmap(mu)


@pytest.mark.parametrize("family", [pymc3_vi.MeanField, pymc3_vi.FullRank])
@pytest.mark.parametrize("build, still", [
    (network, ["first", "bias", "second"]), (factorization, ["u", "v"]), (deep, ["second", "third"])
])  # fmt: skip
def test_what_stands_still_at_a_saddle_is_moved(build, still, family):
    for name, value in _begun(build, family).items():
        assert np.all(value != 0) if name in still else np.all(value == 0)


@pytest.mark.parametrize("build", [centre, regression])
def test_a_centre_that_is_no_saddle_is_left_alone(build):
    for value in _begun(build).values():
        np.testing.assert_array_equal(value, 0.0)


def test_places_beside_it_have_the_units_of_the_model():
    one, other = _begun(factorization), _begun(lambda: factorization(1e5))
    np.testing.assert_allclose(other["u"], one["u"], rtol=1e-6)
    np.testing.assert_allclose(other["v"], 1e5 * one["v"], rtol=1e-6)


def test_factors_of_a_matrix_are_found():
    q = pymc3_vi.fit(40, model=_model(factorization), random_seed=1, progressbar=False)
    means = q.bij.rmap(q.mean.get_value())
    np.testing.assert_allclose(np.outer(means["u"], means["v"]), np.outer(*FACTORS), atol=0.2)


@pytest.mark.parametrize("lowest, expected", [(-3.0, True), (-0.02, False), (0.5, False)])
@pytest.mark.parametrize("unit", [1e-5, 1.0, 1e5])
def test_the_lowest_curvature_decides(rng, lowest, expected, unit):
    """Of forty values thirty have no gradient; the others would say otherwise."""
    still = np.arange(40) < 30
    turn = np.linalg.qr(rng.normal(size=(30, 30)))[0]
    hessian = -5.0 * np.eye(40)
    hessian[:30, :30] = (turn * np.r_[lowest, np.full(29, 1.0)]).dot(turn.T)
    widths = np.full(40, unit)

    def slopes(eps):
        return 7.0 - (STEP * widths * eps).dot(hessian / unit**2)

    assert is_saddle(slopes, widths, still, 1) == expected


def test_undefined_gradients_are_no_saddle():
    assert not is_saddle(lambda eps: np.full(eps.shape, np.nan), np.ones(3), np.ones(3, dtype=bool), 1)
