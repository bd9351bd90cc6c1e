"""Simulation-based calibration finds what is wrong, and only that."""

import pymc3_vi
from pymc3_vi.errors import ParametrizationError
from pymc3_vi.plots import plot_ranks

import numpy as np
import pymc3 as pm
import pytest

QUIET = dict(random_seed=5, progressbar=False)


def _regression(x):
    with pymc3_vi.fast_build(), pm.Model() as model:
        w = pm.Normal("w", 0.0, 2.0, shape=2)
        pm.Normal("obs", pm.math.dot(x, w), 0.7, observed=np.zeros(len(x)))
    return model


@pytest.fixture(scope="module")
def narrow():
    """Mean field of two coefficients that are correlated by -0.8: its sds are 0.6 of the posterior's."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((12, 2))
    x[:, 1] = 0.8 * x[:, 0] + 0.6 * x[:, 1]
    return pymc3_vi.sbc(_regression(x), n=400, **QUIET)


def test_a_family_that_is_too_narrow_is_found_and_corrected_draws_pass(narrow):
    assert narrow.miscalibrated() == ["w[0]", "w[1]"]
    assert narrow.miscalibrated(corrected=True) == []
    table = narrow.table
    assert (table["q"]["spread"] > 1.15).all()
    # The spread of 400 uniform levels has a standard error of 0.022, their mean one of 0.014.
    assert (abs(table["corrected"]["spread"] - 1) < 0.09).all()
    assert (abs(table["corrected"]["mean"] - 0.5) < 0.06).all()
    assert "w[0], w[1] miscalibrated" in repr(narrow) and repr(narrow).endswith("corrected draws: calibrated>")


def test_ranks_are_those_of_the_true_values(narrow):
    ranks = narrow.ranks()["w"]
    assert ranks.shape == narrow.truths["w"].shape == (400, 2) and narrow.draws == 99
    assert ranks.min() >= 0 and ranks.max() <= 99
    draws = narrow.fits.draws()["w"]
    assert ranks[7, 1] == np.sum(draws[7, :, 1] < narrow.truths["w"][7, 1])
    levels = narrow.levels()
    np.testing.assert_array_equal(np.floor(levels * 100), ranks)
    axes = plot_ranks(narrow)
    assert len(axes) == 2 and len(axes[0].lines) == 2
    # Where the posterior is too narrow, too many true values lie below its low levels and above its high ones.
    line = axes[0].lines[0].get_ydata()
    assert line[:100].max() > 0.08 and line[-100:].min() < -0.08


def test_the_right_family_passes_and_a_seed_repeats_it():
    model = _regression(np.array([[1.0, 0.5], [0.3, -1.0], [2.0, 1.0]]))
    found = pymc3_vi.sbc(model, n=200, method="fullrank_advi", draws=19, **QUIET)
    assert found.miscalibrated() == [] and not found.fits.failed
    again = pymc3_vi.sbc(model, n=200, method="fullrank_advi", draws=19, **QUIET)
    np.testing.assert_array_equal(again.ranks()["w"], found.ranks()["w"])
    assert np.all(model.observed_RVs[0].eval() == 0)  # the model keeps its own data


def test_models_that_data_cannot_be_simulated_from_are_refused():
    with pymc3_vi.fast_build(), pm.Model() as potential:
        mu = pm.Normal("mu", 0.0, 1.0)
        pm.Potential("penalty", -(mu**2))
        pm.Normal("obs", mu, 1.0, observed=np.zeros(3))
    with pytest.raises(ParametrizationError, match="the potential 'penalty'"):
        pymc3_vi.sbc(potential, n=20, **QUIET)
    with pymc3_vi.fast_build(), pm.Model() as flat:
        pm.Normal("obs", pm.Flat("mu"), 1.0, observed=np.zeros(3))
    with pytest.raises(ParametrizationError, match="cannot be simulated"):
        pymc3_vi.sbc(flat, n=20, **QUIET)
    with pymc3_vi.fast_build(), pm.Model() as scaled:
        pm.Normal("obs", pm.Normal("mu", 0.0, 1.0), 1.0, observed=np.zeros(3), total_size=10)
    with pytest.raises(ParametrizationError, match="total_size"):
        pymc3_vi.sbc(scaled, n=20, **QUIET)
