"""``fit(method='auto')``: what it takes, what it says, and that draws follow the verdict."""

import pickle
import warnings

import pymc3_vi
from pymc3_vi.diagnostics import diagnose
from pymc3_vi.diagnostics._moments import Extreme
from pymc3_vi.errors import FileFormatError, ParameterTypeError, RejectedFitWarning, UnconvergedChainsWarning
from pymc3_vi.inference._auto import choose_method
from pymc3_vi.model import ModelView

import numpy as np
import pymc3 as pm
import pytest

OPTIONS = dict(method="auto", random_seed=1, progressbar=False)


@pytest.fixture(scope="module")
def gaussian():
    """A mean with known noise; posterior N(20 m / 20.01, 1 / 20.01)."""
    y = np.random.RandomState(3).normal(2.0, 1.0, 20)
    with pm.Model() as model:
        mu = pm.Normal("mu", 0.0, 10.0)
        pm.Normal("y", mu, 1.0, observed=y)
    return model, 20 * y.mean() / 20.01, 20.01**-0.5


@pytest.fixture(scope="module")
def skewed():
    """Gamma(0.5, 1): its logarithm has a long left tail, which no Gaussian has."""
    with pm.Model() as model:
        pm.Gamma("x", 0.5, 1.0)
    return model


@pytest.fixture(scope="module")
def funnel():
    with pm.Model() as model:
        v = pm.Normal("v", 0.0, 3.0)
        pm.Normal("x", 0.0, pm.math.exp(v / 2), shape=9)
    return model


def test_a_gaussian_posterior_is_used_as_it_is(gaussian, capsys):
    model, mean, sd = gaussian
    approx = pymc3_vi.fit(2000, model=model, **OPTIONS)
    assert approx.recommended is None
    options = approx.report.options
    assert options["chosen"] == "fullrank_advi: 1 values, whose covariance costs little"
    assert options["verdict"] == "Use it as it is." and options["draws"] == "of q, by default"
    assert abs(float(approx.mean.eval()[0]) - mean) < 0.02 * sd
    assert abs(float(approx.std.eval()[0]) / sd - 1) < 0.02
    assert capsys.readouterr() == ("", "")
    # the table's note is that verdict, not one by other draws
    table = approx.summary(draws=200)
    assert table.diagnosis is approx.verdict and table.note.endswith("Use it as it is.")
    approx.params[0].set_value(approx.params[0].get_value() + 1.0)
    assert approx.verdict is None and "Use it as it is." not in approx.summary(draws=200).note


@pytest.mark.parametrize(
    "measured, value, recommended",
    [
        ("sd_ratio", 1.12, "hmc"),
        ("sd_ratio", 0.88, "hmc"),
        ("sd_ratio", 0.92, "hmc"),  # less a standard error: a mixture's sd was 13 % short where 9 % was measured
        ("mean_shift", 0.12, "hmc"),
        ("mean_shift", 0.08, "hmc"),
        ("mean_shift", 0.06, None),
        ("sd_ratio", 1.06, None),
    ],
)
def test_draws_are_of_chains_where_q_may_be_off_but_is_not_shown_to_be(
    gaussian, monkeypatch, measured, value, recommended
):
    def measure(approx, correct):
        diagnosis = diagnose(approx, correct=correct)
        setattr(diagnosis.chains, measured, Extreme("mu", value, 0.03))
        return diagnosis

    monkeypatch.setattr("pymc3_vi.inference._auto.diagnose", measure)
    approx = pymc3_vi.fit(2000, model=gaussian[0], **OPTIONS)
    assert approx.report.options["verdict"] == "Use it as it is." and approx.recommended == recommended
    assert ("q may be off" in approx.report.options["draws"]) == (recommended is not None)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_draws_and_tables_are_those_of_the_posterior_where_q_is_not(skewed, seed):
    approx = pymc3_vi.fit(2000, model=skewed, **dict(OPTIONS, random_seed=seed))
    assert approx.recommended == "hmc"
    assert approx.report.options["draws"] == "of chains, by default"
    corrected = np.log(approx.sample(4000, random_seed=5)["x"])
    of_q = np.log(approx.sample(4000, random_seed=5, correct=False)["x"])
    # digamma(1/2) and its derivative; the left tail lies where the best Gaussian has nothing
    assert abs(corrected.mean() + 1.9635) < 0.15 and abs(corrected.std() / 4.9348**0.5 - 1) < 0.08
    assert of_q.std() < 0.85 * 4.9348**0.5
    table = approx.summary(var_names="x", random_seed=6)
    assert abs(table.loc["x", "mean"] - 0.5) < 5 * table.loc["x", "mcse_mean"] + 0.01
    assert approx.to_inference_data(100).posterior.attrs["correct"] == "hmc"
    expected = approx.expectation("x", correct=None, random_seed=7)
    assert abs(expected.value - 0.5) < 5 * expected.error


def test_a_rejected_fit_says_so_and_so_do_its_draws(funnel, monkeypatch):
    monkeypatch.setattr("pymc3_vi.correct._hmc.MOST_STEPS", 1000)
    with pytest.warns(RejectedFitWarning, match="Do not use it.*k-hat.*Try: "):
        approx = pymc3_vi.fit(2000, model=funnel, **OPTIONS)
    assert approx.recommended == "hmc"
    with pytest.warns(UnconvergedChainsWarning, match="v"):
        approx.sample(200, random_seed=1)


def test_the_recommendation_ends_with_the_parameters_it_was_made_for(skewed, tmp_path):
    approx = pymc3_vi.fit(1000, model=skewed, **OPTIONS)
    assert pickle.loads(pickle.dumps(approx)).recommended == "hmc"
    approx.save(tmp_path / "fit.npz")
    assert pymc3_vi.load(tmp_path / "fit.npz", model=skewed).recommended == "hmc"
    approx.params[0].set_value(approx.params[0].get_value() + 0.1)
    assert approx.recommended is None


def test_a_file_that_recommends_what_nobody_knows(skewed, tmp_path):
    approx = pymc3_vi.MeanField(model=skewed)
    approx.recommend("magic")
    approx.save(tmp_path / "fit.npz")
    with pytest.raises(FileFormatError, match="'magic'"):
        pymc3_vi.load(tmp_path / "fit.npz", model=skewed)


def test_the_same_seed_gives_the_same_draws(skewed):
    first, second = (pymc3_vi.fit(500, model=skewed, **OPTIONS) for _ in range(2))
    np.testing.assert_array_equal(first.sample(50)["x"], second.sample(50)["x"])


def test_an_interrupted_fit_has_no_verdict(skewed):
    def interrupt(approx, losses, i):
        if i == 100:
            raise KeyboardInterrupt

    with warnings.catch_warnings():
        warnings.simplefilter("error", RejectedFitWarning)
        approx = pymc3_vi.fit(1000, model=skewed, callbacks=[interrupt], **OPTIONS)
    assert approx.recommended is None and "verdict" not in approx.report.options
    assert approx.report.options["chosen"].startswith("fullrank_advi")


@pytest.mark.parametrize("correct", [True, 1, 0.0])
def test_only_false_turns_correction_off(gaussian, correct):
    approx = pymc3_vi.MeanField(model=gaussian[0])
    with pytest.raises(ParameterTypeError, match="'correct' parameter"):
        approx.sample(10, correct=correct)


@pytest.mark.parametrize(
    "values, data, method",
    [(100, 1, "fullrank_advi"), (200, 1, "advi"), (200, 20_100, "fullrank_advi"), (1001, 10**6, "advi")],
)
def test_full_rank_is_taken_where_its_covariance_costs_no_more_than_the_data(values, data, method):
    with pm.Model() as model:
        x = pm.Normal("x", shape=values)
        pm.Normal("y", x.sum(), 1.0, observed=np.zeros(data))
    assert choose_method(ModelView(model), None)[0] == method


def test_amortised_variables_take_mean_field(gaussian):
    assert choose_method(ModelView(gaussian[0]), {gaussian[0]["mu"]: {}}) == ("advi", "amortised variables")
