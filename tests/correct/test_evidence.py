"""Log evidence by bridge sampling, and diagnoses that rest on corrected draws."""

import pymc3_vi
from pymc3_vi.correct._evidence import GaussianMixture, bridge

import numpy as np
import pytest
from scipy import stats

from .models import PoissonRate, Trend


@pytest.fixture(scope="module")
def rate():
    return PoissonRate()


def test_bridge_between_known_densities(rng):
    # p = 5 N(0, 1), g = N(0.5, 1.5): log 5; the stated error covers it
    scores = []
    for _ in range(60):
        z, y = rng.normal(size=400), 0.5 + 1.5 * rng.normal(size=400)
        ratio = [np.log(5) + stats.norm.logpdf(x) - stats.norm(0.5, 1.5).logpdf(x) for x in (z, y)]
        value, error = bridge(*ratio, np.arange(400), 400.0)
        scores.append((value - np.log(5)) / error)
    # 60 independent scores with mean square 1, standard error 0.18
    assert 0.4 < np.mean(np.square(scores)) < 1.7


def test_mixtures_integrate_to_one(rng):
    groups = [rng.normal(size=(300, 2)) @ [[1.0, 0.5], [0.0, 0.2]], 4 + rng.normal(size=(100, 2))]
    g = GaussianMixture.fitted(groups)
    np.testing.assert_allclose(g.weights, [0.75, 0.25])
    wide = stats.multivariate_normal([1, 1], 16 * np.eye(2))
    x = wide.rvs(20000, random_state=1)
    ratio = np.exp(g.logpdf(x) - wide.logpdf(x))
    assert abs(ratio.mean() - 1) < 4 * ratio.std() / np.sqrt(len(x))
    y = g.sample(20000, rng)
    assert np.mean(y[:, 1] > 2) == pytest.approx(0.25 * stats.norm.cdf(2), abs=0.02)


def test_evidence_of_a_skewed_posterior(rate):
    report = rate.gaussian().diagnose(correct="hmc", random_seed=1)
    assert abs(report.log_evidence - rate.log_evidence) < 4 * report.log_evidence_error < 0.1


def test_evidence_where_mean_field_is_far_off():
    trend = Trend()
    report = trend.mean_field().diagnose(random_seed=1)
    assert abs(report.log_evidence - trend.log_evidence) < 4 * report.log_evidence_error < 0.1
    assert report.verdict == "correct" and "correct='hmc'" in report.sentence
    # q's sds are 1 / sqrt of the precision's diagonal
    exact = np.sqrt(1 / np.diag(np.linalg.inv(trend.cov))) / trend.sd
    assert report.chains.sd_ratio.value == pytest.approx(exact.min(), rel=0.1)
    assert 1 <= report.nested_rhat <= 1.05 and "log evidence, bridge" in str(report)  # beyond doubt before 1.01


def test_verdicts(rate):
    narrow = rate.gaussian(shift=0.0, scale=0.5).diagnose(correct="hmc", random_seed=1)
    assert narrow.verdict == "correct" and narrow.chains.sd_ratio.value == pytest.approx(0.5, abs=0.05)
    shifted = rate.gaussian(shift=1.0, scale=1.0).diagnose(correct="hmc", random_seed=1)
    lognormal = np.exp(rate.log_mean + rate.log_sd + 0.5 * rate.log_sd**2)  # on the log scale the shift is 1 sd
    assert shifted.chains.mean_shift.name == "rate"
    assert shifted.chains.mean_shift.value == pytest.approx((lognormal - rate.mean) / rate.sd, abs=0.1)
    good = rate.gaussian(shift=0.0, scale=1.0).diagnose(correct="hmc", random_seed=1)
    assert good.verdict == "use" and good.usable
    plain = rate.gaussian().diagnose(random_seed=1, correct=None)
    assert plain.log_evidence is None and plain.nested_rhat is None


def test_what_has_not_converged_is_no_proof(rate):
    correct = pymc3_vi.HMC(tolerance=1e-4, budget=1e-3)
    report = rate.gaussian(shift=0.0, scale=1.0).diagnose(correct=correct, random_seed=1)
    assert report.verdict != "use"
    assert any("have not converged: Monte Carlo errors are too large (rate_log__)" in note for note in report.notes)


@pytest.mark.slow
def test_the_stated_error_of_the_evidence_covers(rate):
    q = rate.gaussian()
    reports = [q.diagnose(draws=100, correct="hmc", random_seed=seed) for seed in range(100)]
    inside = [abs(r.log_evidence - rate.log_evidence) < 1.96 * r.log_evidence_error for r in reports]
    assert sum(inside) >= 88
