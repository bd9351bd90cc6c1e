"""One model and many data sets, against posteriors that are known and against single fits.

Fits end within 0.01 sd of the optimum, and much closer where the posterior is normal.
"""

import pymc3_vi
from pymc3_vi.errors import DataError, NonFiniteError, ParametrizationError, UnknownNameError

import numpy as np
import pandas as pd
import pymc3 as pm
import pytest
from scipy import stats

from .conftest import normal_model, normal_posterior, regression_data, regression_model, regression_posterior

QUIET = dict(random_seed=3, progressbar=False)


def _ragged(rng, count):
    return [rng.normal(5.0, 2.0, size=rng.integers(2, 6)) for _ in range(count)]


def test_conjugate_posteriors_of_data_of_any_length(rng):
    data = _ragged(rng, 20)
    fits = pymc3_vi.fit_many(normal_model(), {"y": data}, **QUIET)
    wanted = np.array([normal_posterior(y) for y in data])
    np.testing.assert_allclose(fits.mu[:, 0], wanted[:, 0], atol=2e-3)
    np.testing.assert_allclose(fits.scale[:, 0], wanted[:, 1], rtol=2e-3)
    table = fits.table
    assert list(table.index) == list(range(20)) and (table["verdict"] == "use").all() and not fits.failed
    # The table's moments are those of 1,024 points of a Sobol sequence.
    np.testing.assert_allclose(table["mean"]["mu"], wanted[:, 0], atol=0.01)
    np.testing.assert_allclose(table["sd"]["mu"], wanted[:, 1], rtol=0.01)
    evidence = [stats.multivariate_normal.logpdf(y, np.ones(len(y)), 4 * np.eye(len(y)) + 9.0) for y in data[:3]]
    np.testing.assert_allclose(table["log_evidence"][:3], evidence, atol=0.05)
    assert fits.compiled == 2


@pytest.mark.parametrize("method", ["advi", "fullrank_advi"])
def test_a_correlated_posterior(rng, method):
    data = regression_data(rng, 5)
    fits = pymc3_vi.fit_many(regression_model(), data, method=method, **QUIET)
    for b, (x, y) in enumerate(zip(data["x"], data["y"])):
        mean, cov = regression_posterior(x, y)
        np.testing.assert_allclose(fits.mu[b], mean, atol=2e-3)
        if method == "advi":  # the optimum of mean field has the precisions of the conditionals
            np.testing.assert_allclose(fits.scale[b], np.diag(np.linalg.inv(cov)) ** -0.5, rtol=3e-3)
            np.testing.assert_allclose(fits.table["response_sd"].iloc[b], np.sqrt(np.diag(cov)), rtol=0.01)
        else:
            np.testing.assert_allclose(fits.scale[b].dot(fits.scale[b].T), cov, rtol=5e-3, atol=1e-4)
        np.testing.assert_allclose(fits.table["corrected_sd"].iloc[b], np.sqrt(np.diag(cov)), rtol=0.1)
        narrow = method == "advi" and fits.scale[b, 0] < 0.8 * np.sqrt(cov[0, 0])
        assert fits.table["verdict"][b] in (["correct"] if narrow else ["use", "correct"])


def test_every_form_of_data_gives_the_same(rng):
    y = rng.normal(size=(4, 3))
    model = normal_model()
    stacked = pymc3_vi.fit_many(model, {"y": y}, **QUIET)
    frame = pd.DataFrame({"shop": np.repeat(list("abcd"), 3), "y": y.ravel()})
    by_label = {label: {"y": row} for label, row in zip("abcd", y)}

    def build(y):
        with pm.Model() as model:
            pm.Normal("obs", pm.Normal("mu", 1.0, 3.0), 2.0, observed=y)
        return model

    others = [
        pymc3_vi.fit_many(model, ({"y": row} for row in y), **QUIET),
        pymc3_vi.fit_many(model, frame, by="shop", **QUIET),
        pymc3_vi.fit_many(model, by_label, **QUIET),
        pymc3_vi.fit_many(build, by_label, **QUIET),
        pymc3_vi.fit_many(build, iter([{"y": row} for row in y]), **QUIET),
    ]
    for other in others:
        np.testing.assert_allclose(other.mu, stacked.mu, rtol=1e-10)
    assert others[1].labels == others[2].labels == list("abcd")
    np.testing.assert_array_equal(others[1].arrays["draws"], others[2].arrays["draws"])


def test_a_fit_does_not_depend_on_the_others(rng):
    data = dict(enumerate({"y": y} for y in _ragged(rng, 8)))
    model = normal_model()
    forwards = pymc3_vi.fit_many(model, data, **QUIET)
    backwards = pymc3_vi.fit_many(model, dict(reversed(list(data.items()))), **QUIET)
    alone = pymc3_vi.fit_many(model, {5: data[5]}, **QUIET)
    for name in ("mu", "scale", "mean", "draws", "corrected_draws"):
        np.testing.assert_allclose(backwards.arrays[name][::-1], forwards.arrays[name], rtol=1e-9)
        np.testing.assert_allclose(alone.arrays[name][0], forwards.arrays[name][5], rtol=1e-9)


def test_what_cannot_be_fitted_is_a_row_with_its_error(rng):
    data = regression_data(rng, 9)
    sets = [{"x": x, "y": y} for x, y in zip(data["x"], data["y"])]
    sets[1]["y"] = np.full(12, np.nan)
    sets[3]["y"] = sets[3]["y"][:7]
    sets[4]["x"] = sets[4]["x"][:, :1]
    del sets[5]["y"]
    sets[6]["y"] = sets[6]["y"][:, None]
    sets[7]["z"] = 1.0
    fits = pymc3_vi.fit_many(regression_model(), sets, **QUIET)
    assert {k: type(error) for k, error in fits.failed.items()} == {
        1: NonFiniteError, 3: DataError, 4: DataError, 5: DataError, 6: DataError, 7: DataError,
    }  # fmt: skip
    assert "'y' has 12 of 12" in str(fits.failed[1]) and "'y' (7,)" in str(fits.failed[3])
    table = fits.table
    assert table["verdict"].isna().sum() == 6 and table["mean"].isna().all(axis=1).sum() == 6
    assert table["failure"][5].startswith("DataError: The data set has no 'y'")
    good = pymc3_vi.fit_many(regression_model(), {k: sets[k] for k in (0, 2, 8)}, **QUIET)
    np.testing.assert_allclose(fits.mu[[0, 2, 8]], good.mu, rtol=1e-9)


def test_an_index_beyond_the_groups_is_the_fault_of_its_own_data_set(rng):
    with pymc3_vi.fast_build(), pm.Model() as model:
        group, y = pm.Data("group", np.zeros(6, dtype=int)), pm.Data("y", np.zeros(6))
        theta = pm.Normal("theta", 0.0, 1.0, shape=3)
        pm.Normal("obs", theta[group], 1.0, observed=y)
    group, y = rng.integers(0, 3, (4, 6)), rng.standard_normal((4, 6))
    group[2, 1] = 3
    fits = pymc3_vi.fit_many(model, {"group": group, "y": y}, **QUIET)
    assert list(fits.failed) == [2] and isinstance(fits.failed[2], DataError)
    for b in (0, 1, 3):
        count = np.bincount(group[b], minlength=3)
        total = np.bincount(group[b], weights=y[b], minlength=3)
        np.testing.assert_allclose(fits.mu[b], total / (1 + count), atol=2e-3)
        np.testing.assert_allclose(fits.scale[b], (1.0 + count) ** -0.5, rtol=3e-3)
    floats = pymc3_vi.fit_many(model, {"group": group[:2] + 0.5, "y": y[:2]}, **QUIET)
    assert "whole numbers" in str(floats.failed[0])


def _scaled_model(unit):
    with pymc3_vi.fast_build(), pm.Model() as model:
        y = pm.Data("y", np.zeros(8))
        mu, sigma = pm.Normal("mu", 0.0, 10 * unit), pm.HalfNormal("sigma", 5 * unit)
        pm.Normal("obs", mu, sigma, observed=y)
    return model


def test_units_do_not_matter_and_single_fits_agree(rng):
    y = rng.normal(3.0, 2.0, size=(3, 8))
    plain, large = (pymc3_vi.fit_many(_scaled_model(u), {"y": u * y}, **QUIET) for u in (1.0, 1e5))
    np.testing.assert_allclose(large.mu[:, 0] / 1e5, plain.mu[:, 0], rtol=1e-3)
    np.testing.assert_allclose(large.mu[:, 1] - np.log(1e5), plain.mu[:, 1], atol=2e-3)
    np.testing.assert_allclose(large.scale / [1e5, 1.0], plain.scale, rtol=5e-3)
    model = _scaled_model(1.0)
    with model:
        pm.set_data({"y": y[1]})
        single = pymc3_vi.fit(random_seed=1, progressbar=False)
    sd = single.std.eval()
    assert np.all(np.abs(single.mean.eval() - plain.mu[1]) < 0.02 * sd)
    np.testing.assert_allclose(plain.scale[1], sd, rtol=0.01)
    seen = pymc3_vi.fit_many(model, {"y": y}, var_names=["sigma"], draws=5, **QUIET)
    assert list(seen.table["mean"].columns) == ["sigma"] and seen.draws()["sigma"].shape == (3, 5)
    # Means of q on the scale that users see: exp of a normal.
    wanted = np.exp(seen.mu[:, 1] + 0.5 * seen.scale[:, 1] ** 2)
    np.testing.assert_allclose(seen.table["mean"]["sigma"], wanted, rtol=0.01)


def test_bad_arguments_are_refused_by_name(rng):
    model = normal_model()
    with pytest.raises(UnknownNameError, match="'z'.*y"):
        pymc3_vi.fit_many(model, {"z": np.zeros((2, 3))}, **QUIET)
    with pytest.raises(ValueError, match="by"):
        pymc3_vi.fit_many(model, pd.DataFrame({"y": [1.0]}), by="shop", **QUIET)
    with pytest.raises(ValueError, match="at least one data set"):
        pymc3_vi.fit_many(model, [], **QUIET)
    with pytest.raises(TypeError, match="returned int"):
        pymc3_vi.fit_many(lambda y: 3, {"y": np.zeros((2, 3))}, **QUIET)
    with pymc3_vi.fast_build(), pm.Model() as fixed:
        pm.Normal("obs", pm.Normal("mu", 0, 1), 1.0, observed=np.zeros(3))
    with pytest.raises(ParametrizationError, match="pm.Data"):
        pymc3_vi.fit_many(fixed, {"y": np.zeros((2, 3))}, **QUIET)


def test_draws_of_several_variables_are_each_ones_own(rng):
    with pymc3_vi.fast_build(), pm.Model() as model:
        y = pm.Data("y", np.zeros(3))
        far = pm.Normal("far", 50.0, 0.1, shape=2)
        near = pm.Normal("near", 0.0, 0.1)
        pm.Normal("obs", near + 0.0 * far.sum(), 1.0, observed=y)
    draws = pymc3_vi.fit_many(model, {"y": np.zeros((2, 3))}, draws=20, **QUIET).draws()
    assert draws["far"].shape == (2, 20, 2) and draws["near"].shape == (2, 20)
    assert np.all(np.abs(draws["far"] - 50.0) < 1.0) and np.all(np.abs(draws["near"]) < 1.0)
