"""The KL operator against closed forms, exactly: no Monte Carlo error hides a factor."""

import pymc3_vi
from pymc3_vi.compiler import compile_function, without_test_values
from pymc3_vi.operators import KL

import numpy as np
import pymc3 as pm
import pytest
import theano
import theano.tensor as tt
from scipy import stats

Y = np.random.RandomState(1).normal(1.0, 1.0, 10)
RTOL = 1e-9 if theano.config.floatX == "float64" else 1e-4


@pytest.fixture(scope="module")
def model():
    """y ~ N(mu, 1), mu ~ N(0, 2): log p is quadratic in mu."""
    with theano.config.change_flags(cxx=""), pm.Model() as model:
        pm.Normal("y", pm.Normal("mu", 0.0, 2.0), 1.0, observed=Y)
    return model


def values(nodes):
    """`nodes` evaluated in Python: the maths is the same and takes no compiler."""
    with theano.config.change_flags(cxx="", compute_test_value="off"):
        return compile_function([], nodes, mode=theano.compile.mode.Mode("py", "fast_compile"))()


def negative_elbo(m, s, beta=1.0):
    """Closed form at q = N(m, s^2)."""
    data = stats.norm.logpdf(Y, m, 1.0).sum() - 0.5 * len(Y) * s**2
    kl = np.log(2.0 / s) + (s**2 + m**2) / 8.0 - 0.5
    return beta * kl - data


@without_test_values
def loss_and_slopes(model, m, s, beta, scale=1):
    """Loss and its slopes in mu and rho at the draws m + s and m - s.

    Their base noise has mean 0 and variance 1, as much as the mean of a quadratic depends on.
    """
    approx = pymc3_vi.MeanField(model=model, random_seed=1, cost_part_grad_scale=scale)
    mu, rho = (approx.shared_params[k] for k in ("mu", "rho"))
    mu.set_value(np.array([m], dtype=mu.dtype))
    rho.set_value(np.log(np.expm1([s])).astype(rho.dtype))
    eps = [tt.constant(np.array([[1.0], [-1.0]], dtype=mu.dtype))]
    loss = KL(approx, beta=beta).with_terms(approx.terms(eps, batched=True)).apply(None)
    return values([loss] + tt.grad(loss, [mu, rho]))


@pytest.mark.parametrize("m, s", [(0.0, 0.7), (3.0, 0.2), (-1.5, 2.5)])
@pytest.mark.parametrize("beta", [1.0, 0.0, 3.0])
def test_loss_and_gradient_are_those_of_the_closed_form(model, m, s, beta):
    loss, slope_m, slope_rho = loss_and_slopes(model, m, s, beta)
    assert loss == pytest.approx(negative_elbo(m, s, beta), rel=RTOL)
    step = 1e-5
    expected = (negative_elbo(m + step, s, beta) - negative_elbo(m - step, s, beta)) / (2 * step)
    assert slope_m[0] == pytest.approx(expected, rel=1e-4, abs=1e-4)
    ds = -np.expm1(-s)  # d softplus / d rho at softplus(rho) = s
    expected = ds * (negative_elbo(m, s + step, beta) - negative_elbo(m, s - step, beta)) / (2 * step)
    assert slope_rho[0] == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_a_fit_sees_the_same_loss(model):
    """Losses of a fit that does not move, against the closed form far from the prior, where KL is large."""
    frozen = pymc3_vi.sgd(learning_rate=1e-30)
    approx = pymc3_vi.fit(2000, model=model, start={"mu": 9.0}, random_seed=3, progressbar=False, obj_optimizer=frozen)
    error = approx.hist.std() / np.sqrt(len(approx.hist))
    expected = negative_elbo(9.0, np.log(2.0))
    assert abs(negative_elbo(9.0, np.log(2.0), 3.0) - expected) > 10 * error  # a factor would be seen
    assert abs(approx.hist.mean() - expected) < 4 * error


def test_kl_needs_log_q(model):
    with pytest.raises(pymc3_vi.errors.ExplicitInferenceError, match="needs log q, but Empirical.*SVGD"):
        KL(pymc3_vi.Empirical(size=5, model=model))
