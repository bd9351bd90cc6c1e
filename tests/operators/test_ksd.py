"""The Stein gradient against its formula in NumPy."""

import pymc3_vi
from pymc3_vi.compiler import compile_function, without_test_values
from pymc3_vi.operators import KSD

import numpy as np
import pymc3 as pm
import pytest
import theano
import theano.tensor as tt

MEAN, SD, N = np.array([1.0, -2.0]), np.array([0.5, 2.0]), 7
TOLERANCE = dict(rtol=1e-6, atol=1e-8) if theano.config.floatX == "float64" else dict(rtol=1e-3, atol=1e-4)


@pytest.fixture(scope="module")
def model():
    with theano.config.change_flags(cxx=""), pm.Model() as model:
        pm.Normal("x", MEAN, SD, shape=2)
    return model


def values(nodes):
    """`nodes` evaluated in Python: the maths is the same and takes no compiler."""
    with theano.config.change_flags(cxx="", compute_test_value="off"):
        return compile_function([], nodes, mode=theano.compile.mode.Mode("py", "fast_compile"))()


def kernel_and_slopes(X):
    """RBF kernel matrix and grad_{x_j} k(x_j, x_i) as [j, i], with the median bandwidth."""
    differences = X[:, None] - X[None]
    H = (differences**2).sum(-1)
    h = np.median(H) / (2 * np.log(len(X) + 1))
    K = np.exp(-H / (2 * h))
    return K, -K[..., None] * differences / h


def stein_direction(X, temperature=1.0):
    K, slopes = kernel_and_slopes(X)
    score = (MEAN - X) / SD**2
    return (K.T @ score / temperature + slopes.sum(0)) / len(X)


def _particles(model):
    X = np.random.default_rng(1).normal(size=(N, 2))
    approx = pymc3_vi.Empirical(size=N, model=model, random_seed=1)
    approx.histogram.set_value(X.astype(theano.config.floatX))
    return approx, X


@pytest.mark.parametrize("temperature", [1, 3.0])
def test_direction_of_particles(model, temperature):
    approx, X = _particles(model)
    with theano.config.change_flags(compute_test_value="off"):
        stein = pymc3_vi.Stein(approx, "rbf", temperature=temperature)
        nodes = [stein.grad, stein.dlogp, stein.Kxy, stein.dxkxy, KSD(approx, temperature=temperature).apply("rbf")]
        grad, dlogp, K, dK, descent = values(nodes)
    K_twin, slopes = kernel_and_slopes(X)
    np.testing.assert_allclose(dlogp, (MEAN - X) / SD**2, **TOLERANCE)
    np.testing.assert_allclose(K, K_twin, **TOLERANCE)
    np.testing.assert_allclose(dK, slopes.sum(0), **TOLERANCE)
    np.testing.assert_allclose(grad, stein_direction(X, temperature), **TOLERANCE)
    np.testing.assert_allclose(descent, -grad, **TOLERANCE)


def test_a_step_moves_particles_along_the_direction(model):
    approx, X = _particles(model)
    inference = pymc3_vi.ImplicitGradient(approx, temperature=2.0)
    inference.fit(1, progressbar=False, obj_optimizer=pymc3_vi.sgd(learning_rate=0.1))
    np.testing.assert_allclose(approx.histogram.get_value(), X + 0.1 * stein_direction(X, 2.0), **TOLERANCE)
    assert len(approx.hist) == 0


@without_test_values
def test_draws_carry_the_direction_back_to_parameters(model):
    """Amortised: the parameters' gradient is -sum_i (dz_i / d params)^T phi(z_i)."""
    approx = pymc3_vi.MeanField(model=model, random_seed=1)
    objective = KSD(approx)("rbf")
    eps = np.random.default_rng(2).normal(size=(N, 2))
    mu, rho = (approx.shared_params[k] for k in ("mu", "rho"))
    terms = approx.terms([tt.constant(eps.astype(mu.dtype))], batched=True)
    _, grads = objective.loss_and_gradients(terms, terms, [mu, rho], {})
    slope_mu, slope_rho = values(grads)
    phi = stein_direction(mu.get_value() + np.log(2.0) * eps)
    np.testing.assert_allclose(slope_mu, -phi.sum(0), **TOLERANCE)
    np.testing.assert_allclose(slope_rho, -0.5 * (eps * phi).sum(0), **TOLERANCE)


def test_the_score_of_ksd_is_refused(model):
    approx, _ = _particles(model)
    with pytest.raises(NotImplementedError, match="no loss to score"):
        KSD(approx)("rbf").score_function()
