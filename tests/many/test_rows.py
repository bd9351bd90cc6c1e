"""Bootstrap and cross-validation, against what is known of normal data."""

import pymc3_vi
from pymc3_vi.errors import ParametrizationError

import numpy as np
import pymc3 as pm
import pytest
from scipy import stats

from .conftest import normal_posterior

QUIET = dict(random_seed=5, progressbar=False)


def _normal(y):
    """Observed values that are no container."""
    with pymc3_vi.fast_build(), pm.Model() as model:
        pm.Normal("obs", pm.Normal("mu", 1.0, 3.0), 2.0, observed=y)
    return model


def _regression(x, y):
    with pymc3_vi.fast_build(), pm.Model() as model:
        rows = pm.Data("x", x)
        w = pm.Normal("w", 0.0, 2.0)
        pm.Normal("obs", w * rows, 0.7, observed=y)
    return model


def test_folds_predict_what_is_left_out(rng):
    y = rng.normal(2.0, 2.0, 11)
    found = pymc3_vi.kfold(_normal(y), k=4, **QUIET)
    assert sorted(np.bincount(found.folds)) == [2, 3, 3, 3]
    for i, fold in enumerate(found.folds):
        mean, sd = normal_posterior(y[found.folds != fold])
        wanted = stats.norm.logpdf(y[i], mean, np.sqrt(sd**2 + 4))
        np.testing.assert_allclose(found.pointwise[i], wanted, atol=0.01)
    np.testing.assert_allclose(found.elpd, found.pointwise.sum())
    np.testing.assert_allclose(found.se, np.sqrt(11) * np.std(found.pointwise))
    assert repr(found).endswith("by 4 folds of 11 rows>")
    assert np.array_equal(pymc3_vi.kfold(_normal(y), k=4, **QUIET).pointwise, found.pointwise)


def test_bootstrap_has_the_sampling_error_of_the_mean(rng):
    x = rng.standard_normal(40)
    y = x + 1.5 * rng.standard_normal(40)  # more noise than the model has
    fits = pymc3_vi.bootstrap(_regression(x, y), n=300, draws=10, **QUIET)
    weight = 1 / (0.7**2 / 4 + np.sum(x**2))
    residuals = y - x * weight * np.sum(x * y)
    sandwich = weight * np.sqrt(np.sum((x * residuals) ** 2))  # the robust standard error
    spread = fits.table["mean"]["w"].std()
    # Relative standard error of an sd of 300 samples 4 %, and the sandwich itself is asymptotic.
    assert abs(spread / sandwich - 1) < 0.25
    assert spread > 1.5 * fits.table["sd"]["w"].mean()
    assert not fits.failed and len(fits) == 300


@pytest.mark.parametrize("function", [pymc3_vi.bootstrap, pymc3_vi.kfold])
def test_what_else_belongs_to_single_rows_is_refused(rng, function):
    y = rng.standard_normal(6)
    with pymc3_vi.fast_build(), pm.Model() as covariate:
        pm.Normal("obs", pm.Normal("mu", 0.0, 1.0) * np.arange(6.0), 1.0, observed=y)
    with pytest.raises(ParametrizationError, match="another order"):
        function(covariate, **QUIET)
    with pymc3_vi.fast_build(), pm.Model() as latent:
        pm.Normal("obs", pm.Normal("theta", 0.0, 1.0, shape=6), 1.0, observed=y)
    with pytest.raises(ParametrizationError, match="another order"):
        function(latent, **QUIET)
    with pymc3_vi.fast_build(), pm.Model() as two:
        mu = pm.Normal("mu", 0.0, 1.0)
        pm.Normal("a", mu, 1.0, observed=y)
        pm.Normal("b", mu, 1.0, observed=y[:3])
    with pytest.raises(ParametrizationError, match="'b' has shape \\(3,\\)"):
        function(two, **QUIET)


def test_more_folds_than_rows_are_refused():
    with pytest.raises(ValueError, match="at most the number of rows \\(3\\)"):
        pymc3_vi.kfold(_normal(np.zeros(3)), k=4, **QUIET)
