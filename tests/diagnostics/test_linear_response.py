"""Linear response: exact for Gaussian posteriors, finite-difference truths elsewhere, error texts."""

import pymc3_vi
from pymc3_vi.errors import (
    ConvergenceWarning,
    HessianError,
    ParametrizationError,
    UnknownNameError,
    VariationalInferenceError,
)

import numpy as np
import pymc3 as pm
import pytest
import theano
import theano.tensor as tt

from tests.fixed_draw_models import GaussianTarget, python_functions


@pytest.fixture(autouse=True, scope="module")
def _no_compiler():
    with python_functions():
        yield


def _set(approx, mean, sd):
    for name, value in (("mu", mean), ("rho", sd + np.log(-np.expm1(-sd)))):
        approx.shared_params[name].set_value(np.asarray(value, dtype=theano.config.floatX))


@pytest.fixture(scope="module")
def target():
    return GaussianTarget()


@pytest.fixture(scope="module")
def fitted(target):
    """Mean field at its optimum, as a converged ADVI would leave it."""
    approx = pymc3_vi.MeanField(model=target.model, random_seed=1)
    _set(approx, target.mean, target.mean_field_sd)
    return approx


@pytest.mark.parametrize("solver", ["dense", "cg"])
def test_covariance_of_a_gaussian_is_exact(target, fitted, solver):
    cov = fitted.lrvb_cov(n_draws=64, solver=solver)
    assert np.allclose(cov / np.outer(target.sd, target.sd), target.cov / np.outer(target.sd, target.sd), atol=1e-7)
    assert np.array_equal(cov, cov.T)


def test_mean_field_itself_has_too_small_deviations(target, fitted):
    assert np.all(fitted.std.eval() < 0.99 * target.sd)


def test_covariance_of_expressions(target, fitted):
    model = target.model
    c = np.array([[3.0, -1.0, 0.5, 0.02], [0.0, 2.0, 1.0, 0.0]])
    with theano.config.change_flags(compute_test_value="off"):
        combined = tt.dot(c[:, 1:], model["b"]) + c[:, 0] * model["a"]
    cov = fitted.lrvb_cov(of=[combined, "a"], n_draws=64)
    rows = np.concatenate([c, [[1.0, 0.0, 0.0, 0.0]]])
    expected = rows.dot(target.cov).dot(rows.T)
    assert np.allclose(cov, expected, rtol=1e-6)


def test_covariance_of_a_transformed_variable():
    """E exp(z) under N(m, s^2) is exp(m + s^2 / 2); the Hessian of a Gaussian target is diag(1, 2) / s^2."""
    m, s = 0.3, 0.4
    with theano.config.change_flags(cxx="", compute_test_value="off"), pm.Model() as model:
        tau = pm.HalfFlat("tau")
        z = model["tau_log__"]
        pm.Potential("density", -0.5 * ((z - m) / s) ** 2 - z)  # takes the Jacobian of the transform out again
    approx = pymc3_vi.MeanField(model=model, random_seed=1)
    _set(approx, np.array([m]), np.array([s]))
    expected = np.exp(2 * m + s**2) * s**2 * (1 + s**2 / 2)
    found = approx.lrvb_cov(of=tau, n_draws=2048)
    assert found.shape == (1, 1)
    assert found[0, 0] == pytest.approx(expected, rel=2e-3)


def test_draws_come_from_the_seed(target):
    approx = pymc3_vi.MeanField(model=target.model, random_seed=1)
    _set(approx, target.mean, target.mean_field_sd)
    with theano.config.change_flags(compute_test_value="off"):
        square = target.model["b"] ** 2
    a, b, c = (approx.lrvb_cov(of=square, n_draws=16, random_seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(a, b) and not np.array_equal(a, c)


def test_a_fit_that_has_not_converged_is_told(target, fitted):
    away = pymc3_vi.MeanField(model=target.model, random_seed=1)
    away._cache = fitted._cache  # the same compiled functions
    mean = target.mean.copy()
    mean[2] += 2 * target.sd[2]
    _set(away, mean, target.mean_field_sd)
    with pytest.warns(ConvergenceWarning, match=r"the mean of b\[1\] is about 2"):
        away.lrvb_cov(n_draws=64)


def test_a_saddle_is_refused():
    with theano.config.change_flags(cxx="", compute_test_value="off"), pm.Model() as model:
        z = pm.Flat("z")
        pm.Potential("density", -((z**2 - 4) ** 2))
    approx = pymc3_vi.MeanField(model=model, random_seed=1)
    _set(approx, np.zeros(1), np.full(1, 0.1))
    for solver in ("dense", "cg"):
        with pytest.raises(HessianError, match="not positive definite"):
            approx.lrvb_cov(n_draws=64, solver=solver)


# -------------------------------------------------------------------- errors
def test_errors_name_what_is_wrong(target, fitted):
    with pytest.raises(ValueError, match="'solver' parameter of lrvb_cov must be one of"):
        fitted.lrvb_cov(solver="magic")
    with pytest.raises(UnknownNameError, match="no variable 'bb'. Did you mean 'b'"):
        fitted.lrvb_cov(of="bb")
    with pytest.raises(TypeError, match="'of' parameter of lrvb_cov must be an expression"):
        fitted.lrvb_cov(of=3)
    with pytest.raises(ValueError, match="'n_draws' parameter"):
        fitted.lrvb_cov(n_draws=0)
    with pytest.raises(VariationalInferenceError, match="frequentist_se needs the fixed draws of a DADVI fit"):
        fitted.frequentist_se()


def test_other_families_are_refused(target):
    flow = pymc3_vi.NormalizingFlow("scale-loc", model=target.model, random_seed=1)
    with pytest.raises(ParametrizationError, match="lrvb_cov needs mean-field or full-rank groups"):
        flow.lrvb_cov()
