"""Verdicts by default: what q misses altogether, and where there are no chains to go by."""

from types import SimpleNamespace

import pymc3_vi
from pymc3_vi.diagnostics import _cost, _diagnose
from pymc3_vi.diagnostics._against_chains import differ, moments, own_moments
from pymc3_vi.errors import StartError

import numpy as np
import pymc3 as pm
import pytest
from scipy import special


def _at(model, mean, sd):
    approx = pymc3_vi.MeanField(model=model, random_seed=1)
    approx.shared_params["mu"].set_value(np.asarray(mean, dtype=approx.shared_params["mu"].dtype))
    approx.shared_params["rho"].set_value(np.log(np.expm1(np.asarray(sd, dtype=approx.shared_params["rho"].dtype))))
    return approx


def _two_modes():
    pm.NormalMixture("x", w=np.array([0.3, 0.7]), mu=np.array([0.0, 12.0]), sigma=np.ones(2), testval=0.0)
    return [0.0], [1.0]


def _three_modes():
    pm.NormalMixture("x", w=np.full(3, 1 / 3), mu=np.array([-15.0, 0.0, 15.0]), sigma=np.ones(3), testval=0.0)
    return [0.0], [1.0]


def _exchanged_labels():
    mu = pm.Normal("mu", 0.0, 5.0, shape=2)
    y = np.repeat([-4.0, 4.0], 20) + np.tile(np.linspace(-1, 1, 20), 2)
    pm.NormalMixture("y", w=np.full(2, 0.5), mu=mu, sigma=np.ones(2), observed=y)
    sd = (20 + 1 / 25) ** -0.5
    return np.array([-80.0, 80.0]) * sd**2, np.full(2, sd)


@pytest.mark.parametrize("make", [_two_modes, _three_modes, _exchanged_labels])
def test_a_mode_that_q_misses_is_seen(model_fast, make):
    """Importance weights cannot tell: q is the posterior around one of its modes, and never leaves it."""
    with model_fast(), pm.Model() as model:
        mean, sd = make()
    approx = _at(model, mean, sd)
    assert approx.diagnose(random_seed=1, correct=None).verdict == "use"
    report = approx.diagnose(random_seed=1)
    assert report.verdict == "correct" and "correct='hmc'" in report.sentence, str(report)
    assert any("separate parts" in note for note in report.notes)
    assert not any("NUTS" in advice or "more surely" in advice for advice in report.advice + report.notes)
    if "x" in model.named_vars:  # a density, which integrates to one
        assert abs(report.log_evidence) < 4 * report.log_evidence_error < 0.05
    table = approx.summary(200, random_seed=1)
    assert table.diagnosis is report and "summary(correct='hmc')" in table.note


def test_a_step_that_costs_much_is_not_made_unasked(model_fast):
    """The rows are few; the covariance of a Gaussian process is not."""
    x = np.linspace(0.0, 1.0, 100)[:, None]
    taken = []
    for size in (20, 100):
        with model_fast(), pm.Model() as model:
            process = pm.gp.Marginal(cov_func=pm.gp.cov.Matern52(1, ls=pm.Gamma("length", 2.0, 2.0)))
            process.marginal_likelihood("y", X=x[:size], y=np.cos(x[:size, 0]), noise=0.1)
        taken.append(_cost.chains_take_seconds(pymc3_vi.MeanField(model=model)))
    assert taken == [True, False]


def test_large_data_are_judged_by_weights(conjugate, monkeypatch):
    monkeypatch.setattr(_cost, "MOST_BYTES", 1e4)
    report = conjugate.gaussian().diagnose(200, random_seed=1)
    assert report.verdict == "use" and report.chains is None
    assert any("correct='hmc' does it" in note for note in report.notes)


def test_chains_that_nobody_asked_for_end(conjugate, monkeypatch):
    """Without steps there is one look, which finds no proof where nothing counts as converged."""
    monkeypatch.setattr(_cost, "FEWEST_STEPS", 1)
    monkeypatch.setattr(_cost, "MOST_STEPS", 1)
    monkeypatch.setattr("pymc3_vi.correct._hmc.LARGEST_RHAT", 0.5)
    report = conjugate.gaussian().diagnose(200, random_seed=1)
    assert report.verdict == "correct" and not report.chains.reliable
    assert any("the chains have not converged" in note for note in report.notes)


def test_without_chains_the_verdict_says_why(conjugate, monkeypatch):
    def refuse(*_):
        raise StartError("nowhere to begin")

    monkeypatch.setattr(_diagnose, "find_correction", lambda *_: refuse)
    report = conjugate.gaussian().diagnose(200, random_seed=1)
    assert report.chains is None and any("nowhere to begin" in note for note in report.notes)
    with pytest.raises(StartError, match="nowhere to begin"):
        conjugate.gaussian().diagnose(200, random_seed=1, correct="hmc")


def test_moments_are_compared_on_the_scale_of_users_too(model_fast):
    """q has the exact mean and sd of log x; of x its mean and sd are 2.11 and 2.00, the posterior's 2 and 1.41."""
    with model_fast(), pm.Model() as model:
        pm.Gamma("x", 2.0, 1.0)
    report = _at(model, [special.digamma(2.0)], [special.polygamma(1, 2) ** 0.5]).diagnose(random_seed=1)
    assert report.verdict == "correct" and report.chains.sd_ratio.name == "x"
    assert report.chains.sd_ratio.value == pytest.approx(2.00 / 2**0.5, abs=4 * report.chains.sd_ratio.error)


def test_chains_end_when_q_is_shown_to_be_wrong(conjugate):
    def steps(**kwargs):
        approx = conjugate.gaussian(**kwargs)
        correction = _diagnose._bounded(approx, own_moments(approx, None))
        correction.tolerance = 1e-6  # never reached
        return correction(approx, 1000, np.random.default_rng(1)).run

    wrong, right = steps(scale=0.7), steps()
    assert wrong.ended == "decided" and right.ended == "steps" and wrong.sweeps < right.sweeps
    report = conjugate.gaussian(scale=0.7).diagnose(random_seed=1)
    assert report.verdict == "correct" and report.chains.sd_ratio.value == pytest.approx(0.7, abs=0.05)


def test_chains_go_on_while_q_may_be_right_or_wrong(conjugate):
    def largest_error(**kwargs):
        approx = conjugate.gaussian(**kwargs)
        correction = _diagnose._bounded(approx, own_moments(approx, None))
        run = correction(approx, 1000, np.random.default_rng(1)).run
        assert run.ended == "converged"
        return run.largest_error

    assert largest_error(scale=0.9) <= 0.02 < largest_error() <= 0.04
    assert largest_error(shift=0.1) <= 0.02
    verdicts = [conjugate.gaussian(scale=0.82).diagnose(random_seed=seed).verdict for seed in range(1, 11)]
    assert verdicts == ["correct"] * 10


@pytest.mark.parametrize("method", ["advi", "fullrank_advi"])
def test_moments_of_a_gaussian_are_exact(conjugate, method):
    """Those of its draws have errors that no chain can mend, and chains go on for them."""
    q = pymc3_vi.fit(300, method=method, model=conjugate.model, random_seed=1, progressbar=False)
    own = own_moments(q, None)
    np.testing.assert_allclose(own.mean, q.mean.eval(), rtol=1e-12)
    np.testing.assert_allclose(own.sd, q.std.eval(), rtol=1e-12)
    assert not np.any(own.mean_error) and not np.any(own.sd_error)
    particles = pymc3_vi.fit(2, method="svgd", model=conjugate.model, random_seed=1, progressbar=False)
    assert own_moments(particles, np.random.default_rng(1).standard_normal((100, 1))).mean_error == pytest.approx(
        0.1, rel=0.2
    )


def test_heavy_tails_say_nothing_about_an_sd_that_seems_too_large():
    errors = SimpleNamespace(
        mean=np.zeros(1), sd=np.ones(1), mean_error=np.full(1, 0.01), sd_error=np.full(1, 0.01), tails=np.full(1, 0.6)
    )
    z = np.random.default_rng(1).standard_normal((4000, 1))
    assert [differ(moments(scale * z), errors) for scale in (0.5, 1.0, 1.5)] == [True, False, False]
    errors.tails = np.zeros(1)
    assert differ(moments(1.5 * z), errors)
