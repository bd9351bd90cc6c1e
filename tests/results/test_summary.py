"""Tables of known distributions."""

import pickle

import pymc3_vi
from pymc3_vi.errors import ExplicitInferenceError, UnknownNameError, UnreliableWeightsWarning
from pymc3_vi.results import _model_draws

import numpy as np
import pandas as pd
import pymc3 as pm
import pytest
import theano
from scipy import stats


def test_moments_and_interval_of_the_approximation(conjugate, biased):
    table = biased.summary(20000, round_to=None, random_seed=1)
    mean, sd = conjugate.mean + [0.5 * conjugate.sd[0], 0, 0], conjugate.sd * [1, 1.3, 1]
    assert list(table.columns) == ["mean", "sd", "hdi_3%", "hdi_97%", "mcse_mean", "mcse_sd", "response_sd"]
    assert list(table.index) == ["mu[0]", "mu[1]", "mu[2]"]
    assert np.all(np.abs(table["mean"] - mean) < 4 * table["mcse_mean"])
    assert np.all(np.abs(table["sd"] - sd) < 4 * table["mcse_sd"])
    np.testing.assert_allclose(table["mcse_mean"], sd / np.sqrt(20000), rtol=0.05)
    np.testing.assert_allclose(table["mcse_sd"], sd / np.sqrt(40000), rtol=0.05)
    half = stats.norm.ppf(0.97) * sd
    np.testing.assert_allclose(table["hdi_97%"] - table["hdi_3%"], 2 * half, rtol=0.04)


def test_a_plain_table_reads_no_data(conjugate, monkeypatch):
    """log p of its draws, which only importance weights need, took half of the time at 1,000,000 rows."""
    approx, seen = conjugate.gaussian([0.0, 0.0, 0.0], [1.0, 1.0, 1.0]), []
    result_function = _model_draws._result_function

    def spy(approx, names, with_data, with_densities, *others):
        seen.append(with_densities)
        return result_function(approx, names, with_data, with_densities, *others)

    monkeypatch.setattr(_model_draws, "_result_function", spy)
    plain, weighted = (approx.summary(4000, correct=correct, random_seed=1) for correct in (None, "psis"))
    assert seen == [False, True]
    # q is the posterior: the draws and their moments are the same.
    np.testing.assert_allclose(plain["mean"], weighted["mean"], atol=1e-3)


def test_corrected_table_is_that_of_the_posterior(conjugate, biased):
    table = biased.summary(20000, correct="psis", round_to=None, hdi_prob=0.8, random_seed=1)
    assert np.all(np.abs(table["mean"] - conjugate.mean) < 4 * table["mcse_mean"])
    assert np.all(np.abs(table["sd"] - conjugate.sd) < 4 * table["mcse_sd"])
    assert np.all(table["mcse_mean"] < 0.03 * conjugate.sd)
    half = stats.norm.ppf(0.9) * conjugate.sd
    np.testing.assert_allclose(table["hdi_90%"] - table["hdi_10%"], 2 * half, rtol=0.06)


def test_errors_of_the_corrected_table_cover(conjugate, biased):
    tables = [biased.summary(1000, correct="psis", round_to=None, random_seed=seed) for seed in range(60)]
    for column, error, truth in (("mean", "mcse_mean", conjugate.mean), ("sd", "mcse_sd", conjugate.sd)):
        z = np.array([(table[column] - truth) / table[error] for table in tables])
        assert z.std() == pytest.approx(1, abs=4 / np.sqrt(2 * 60))


def test_verdict_is_below_the_table(biased, conjugate):
    table = biased.summary(random_seed=1)
    assert table.diagnosis.verdict == "correct"
    assert str(table).endswith(table.note) and table.note in table._repr_html_().replace("&#x27;", "'")
    assert table.note.startswith(f"k-hat {table.diagnosis.khat:.2f} (usable below 0.70). Use the importance-corrected")
    assert "summary(correct='psis')" in table.note
    assert biased.summary(correct="psis", random_seed=1).note.startswith("Importance-corrected. k-hat")
    with pytest.warns(UnreliableWeightsWarning, match="the corrected results are not reliable") as caught:
        bad = conjugate.gaussian(scale=0.3).summary(correct="psis", random_seed=1)
    assert "Do not use it" in bad.note
    assert [w.filename for w in caught if w.category is UnreliableWeightsWarning] == [__file__]
    assert type(table.loc[["mu[0]"]]) is pd.DataFrame
    back = pickle.loads(pickle.dumps(table))
    assert back.note == table.note and back.equals(table)


def test_rounding_and_names(model_fast):
    with model_fast(), pm.Model() as model:
        a = pm.HalfNormal("a", 1.0)
        b = pm.Normal("b", 0.0, 1.0, shape=(2, 2))
        pm.Deterministic("c", a + b[0, 0])
    approx = pymc3_vi.MeanField(model=model, random_seed=1)
    table = approx.summary(200, var_names=["c", "b"], round_to=1, random_seed=1)
    assert list(table.index) == ["c", "b[0, 0]", "b[0, 1]", "b[1, 0]", "b[1, 1]"]
    np.testing.assert_array_equal(table.values, np.round(table.values, 1))
    assert set(approx.summary(200, random_seed=1).index) == {"a"} | set(table.index)
    with pytest.raises(UnknownNameError, match="no variable 'cc'. Did you mean 'c'"):
        approx.summary(200, var_names="cc")
    with pytest.raises(ValueError, match="'hdi_prob' parameter of summary must be"):
        approx.summary(200, hdi_prob=1.5)
    with pytest.raises(ValueError, match="'draws' parameter of summary must be an integer of at least 100"):
        approx.summary(10)


def test_particles(conjugate, rng):
    values = (conjugate.mean + conjugate.sd * rng.normal(size=(300, 3))).astype(theano.config.floatX)
    particles = pymc3_vi.Empirical(trace={"mu": values}, model=conjugate.model)
    table = particles.summary(20000, round_to=None, random_seed=1)
    assert np.all(np.abs(table["mean"] - values.mean(0)) < 4 * table["mcse_mean"])
    assert table.note == table.diagnosis.sentence
    with pytest.raises(ExplicitInferenceError, match=r"summary\(correct='psis'\) needs importance weights"):
        particles.summary(correct="psis")


def test_mean_field_has_the_sds_of_its_linear_response(rng):
    """Exact for a Gaussian posterior; deterministics, transforms and shapes are those of the other columns."""
    x = rng.standard_normal((30, 2))
    x[:, 1] += 2 * x[:, 0]
    with pymc3_vi.fast_build(), pm.Model() as model:
        w = pm.Normal("w", 0.0, 3.0, shape=2)
        pm.Deterministic("twice", 2 * w[0])
        pm.Normal("obs", pm.math.dot(x, w), 1.0, observed=x.sum(axis=1))
    approx = pymc3_vi.fit(model=model, random_seed=1, progressbar=False)
    table = approx.summary(20000, round_to=None, random_seed=2)
    exact = np.sqrt(np.diag(np.linalg.inv(x.T @ x + np.eye(2) / 9)))
    error = 4 / np.sqrt(2 * 20000)
    np.testing.assert_allclose(table["response_sd"], [*exact, 2 * exact[0]], rtol=error + 0.01)
    assert np.all(table["sd"] < 0.7 * table["response_sd"]) and "response_sd: with the correlations" in table.note
    full = pymc3_vi.fit(method="fullrank_advi", model=model, random_seed=1, progressbar=False)
    assert "response_sd" not in full.summary(random_seed=2)


def test_no_response_where_q_is_not_at_its_optimum(conjugate, biased):
    table = biased.summary(random_seed=1)
    assert table["response_sd"].isna().all() and "not at its optimum" in table.note
    assert "response_sd" not in biased.summary(correct="psis", random_seed=1)
