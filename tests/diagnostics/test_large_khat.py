"""What a large k-hat can do to the answer: nothing where weights are nearly equal, much where q misses something."""

import warnings

import pymc3_vi
from pymc3_vi.diagnostics import _judged_draws, nearly_equal
from pymc3_vi.errors import UnreliableWeightsWarning

import numpy as np
import pymc3 as pm
import pytest
from scipy import stats

SEEDS = range(4)


def _mean_field(model, mean, sd):
    approx = pymc3_vi.MeanField(model=model, random_seed=1)
    approx.shared_params["mu"].set_value(np.atleast_1d(np.asarray(mean, dtype="float64")))
    approx.shared_params["rho"].set_value(np.log(np.expm1(np.atleast_1d(np.asarray(sd, dtype="float64")))))
    return approx


def _one_variable(model_fast, distribution, *args, mean=0.0, sd=1.0, **kwargs):
    with model_fast(), pm.Model() as model:
        distribution("x", *args, **kwargs)
    return _mean_field(model, mean, sd)


def poisson_rate(model_fast, events):
    """Gamma(a, b) posterior of a Poisson rate; best Gaussian for log r: variance 1 / a, mean log(a / b) - 1 / 2a."""
    with model_fast(), pm.Model() as model:
        pm.Poisson("y", pm.Gamma("r", 2.0, 0.1), observed=np.full(30, events))
    a, b = 2.0 + 30 * events, 30.1
    return _mean_field(model, np.log(a / b) - 0.5 / a, a**-0.5)


def student(model_fast, nu, sd):
    return _one_variable(model_fast, pm.StudentT, nu=nu, mu=0.0, sigma=1.0, sd=sd)


def mixture(model_fast, w, mu, sigma):
    """q is about the larger component; the other one is what it misses."""
    return _one_variable(model_fast, pm.NormalMixture, w=np.array(w), mu=np.array(mu), sigma=np.array(sigma), sd=1.06)


@pytest.fixture(scope="module")
def normal():
    """Mean and standard deviation of fifty values: the first example of the README."""
    y = np.random.RandomState(0).normal(2, 1, 50)
    with pymc3_vi.fast_build(), pm.Model() as model:
        pm.Normal("y", pm.Normal("mu", 0, 10), pm.HalfNormal("s", 5), observed=y)
    return pymc3_vi.fit(5000, model=model, random_seed=1, progressbar=False)


def _reports(approx):
    return [approx.diagnose(draws, random_seed=seed, correct=None) for draws in (None, 4000) for seed in SEEDS]


def test_mean_and_sd_of_normal_data_can_be_used(normal):
    assert (
        max(normal.diagnose(2000, random_seed=seed, correct=None).khat for seed in SEEDS) < 1
    )  # made sure with more draws
    for report in _reports(normal):
        assert report.verdict == "use" and report.ess > 0.9 * report.draws, str(report)


@pytest.mark.parametrize("draws", [500, 1000, 2000])
def test_few_draws_do_not_reject_by_chance(normal, draws):
    """Among 15 judgements one or two of so few draws have a k-hat of 0.85 to 1.1 although q is right."""
    reports = [normal.diagnose(draws, random_seed=seed, correct=None) for seed in range(15)]
    assert {report.verdict for report in reports} == {"use"}


@pytest.mark.parametrize("events", [1, 100])
def test_poisson_rates_can_be_used(model_fast, events):
    for report in _reports(poisson_rate(model_fast, events)):
        assert report.verdict == "use" and report.harmless, str(report)


def test_slightly_heavy_tails_can_be_used(model_fast):
    """The sd of a Student t with 15 degrees of freedom is 1.074."""
    for report in _reports(student(model_fast, 15, 1.06)):
        assert report.verdict == "use", str(report)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda fast: mixture(fast, [0.95, 0.05], [0.0, 0.0], [1.0, 6.0]),  # sd 1.67, not 1
        lambda fast: mixture(fast, [0.97, 0.03], [0.0, 4.0], [1.0, 1.0]),  # sd 1.21, and a mean of 0.12
        lambda fast: _one_variable(fast, pm.Laplace, 0.0, 1.0, sd=1.0),  # sd 1.41
        lambda fast: student(fast, 1, 1.5),  # has no sd at all
    ],
    ids=["contaminated", "small mode", "laplace", "cauchy"],
)
def test_what_is_wrong_stays_so(model_fast, wrong):
    """Four effective draws in five and a k-hat above its limit, both for a good fit and for these: more draws tell."""
    approx = wrong(model_fast)
    assert sum(report.verdict == "use" for report in _reports(approx)) == 0


def test_the_reason_says_why_a_large_khat_does_not_count(model_fast):
    approx = poisson_rate(model_fast, 1)
    report = approx.diagnose(4000, random_seed=1, correct=None)
    assert report.draws == 40_000  # a large k-hat is called noise only after a second look
    found = [r for r in (approx.diagnose(100_000, random_seed=s, correct=None) for s in SEEDS) if r.khat >= 0.5]
    for report in found:
        assert "their tail does not matter" in report.reasons[0]
    weights = np.full(1000, 1e-3)
    assert nearly_equal(weights) and nearly_equal(np.stack([weights, weights])).all()
    weights[0] = 0.021
    assert not nearly_equal(weights / weights.sum())
    assert not nearly_equal(stats.dirichlet(np.full(1000, 0.5)).rvs(random_state=1)[0])


# ---------------------------------------------------------------- one judgement
def _warned(function, *args, **kwargs):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function(*args, **kwargs)
    return any(issubclass(w.category, UnreliableWeightsWarning) for w in caught)


@pytest.mark.parametrize("scale", [[1, 1, 0.55], [1, 1, 0.58], [1, 1, 0.45]])
def test_nothing_contradicts_the_verdict(conjugate, scale):
    """k-hat 0.70, 0.66 and 0.80: near the limit every other set of draws has it on the other side."""
    approx = conjugate.gaussian(scale=scale)
    for seed in SEEDS:
        usable = approx.diagnose(random_seed=seed, correct=None).usable
        for other in SEEDS:
            assert _warned(approx.sample, 200, correct="psis", random_seed=other) != usable
            assert _warned(approx.expectation, "mu", draws=500, random_seed=other) != usable
        assert _warned(approx.to_inference_data, 100, correct="psis", random_seed=7) != usable
        assert approx.summary(200, random_seed=seed).diagnosis.usable == usable


def test_a_judgement_ends_with_its_parameters(conjugate):
    approx = conjugate.gaussian()
    assert approx.diagnose(random_seed=1, correct=None).usable
    approx.shared_params["rho"].set_value(approx.shared_params["rho"].get_value() - 3)
    assert _warned(approx.sample, 10, correct="psis", random_seed=1)


def test_corrected_draws_without_a_diagnosis_judge_as_it_would(normal):
    for seed in SEEDS:
        normal._cache.pop("judgement", None)
        assert not _warned(normal.sample, 1000, correct="psis", random_seed=seed)


def test_large_data_are_judged_on_fewer_draws(conjugate, monkeypatch):
    monkeypatch.setattr(_judged_draws, "BUDGET", 2000 * (30 + 3**2 + 1 + 1))
    draws = conjugate.gaussian(scale=[1, 1, 0.58]).diagnose(random_seed=1, correct=None).draws
    assert 1000 <= draws < 4000


# ---------------------------------------------------------------- advice
def test_a_mean_field_is_told_of_linear_response(model_fast):
    """Two values with correlation 0.95: mean field has 0.31 of the sds, linear response all of them."""
    cov = np.array([[1.0, 0.95], [0.95, 1.0]])
    with model_fast(), pm.Model() as model:
        pm.MvNormal("x", np.zeros(2), cov=cov, shape=2)
    approx = _mean_field(model, [0, 0], np.full(2, np.sqrt(1 - 0.95**2)))
    report = approx.diagnose(random_seed=1, correct=None)
    assert report.verdict == "reject" and any("approx.lrvb_cov()" in advice for advice in report.advice)
    assert any("correct='hmc'" in advice for advice in report.advice)
    np.testing.assert_allclose(approx.lrvb_cov(random_seed=1), cov, rtol=0.06)
    full = pymc3_vi.FullRank(model=model, random_seed=1).diagnose(random_seed=1, correct=None)
    assert not any("lrvb_cov" in advice for advice in full.advice)


def test_a_correctable_mean_field_is_told_as_well(conjugate):
    report = conjugate.gaussian(scale=[1.0, 1.6, 1.0]).diagnose(20_000, random_seed=2, correct=None)
    assert report.verdict == "correct" and any("lrvb_cov" in advice for advice in report.advice)
