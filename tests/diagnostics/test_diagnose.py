"""Diagnoses of approximations whose distance from the posterior is known."""

import pymc3_vi
from pymc3_vi.diagnostics import DensityDraws, diagnose
from pymc3_vi.diagnostics import _density as density_module
from pymc3_vi.diagnostics import _draws as draws_module
from pymc3_vi.errors import ExplicitInferenceError
from pymc3_vi.results import FitReport

import numpy as np
import pymc3 as pm
import pytest
import theano
import theano.tensor as tt

from .conftest import Conjugate


def test_the_posterior_itself(conjugate):
    report = conjugate.gaussian().diagnose(random_seed=1, correct=None)
    assert report.verdict == "use" and report.usable
    assert report.khat == -np.inf or theano.config.floatX == "float32"
    assert report.elbo == pytest.approx(conjugate.log_evidence, abs=1e-4)
    assert report.log_z == pytest.approx(conjugate.log_evidence, abs=1e-4)
    assert report.ess == pytest.approx(4000, rel=1e-3)


@pytest.mark.parametrize("shift, scale, verdict", [
    ([0.05, 0, 0], 1.0, "use"),
    ([0.0, 0, 0], [1.0, 1.6, 1.0], "correct"),
    ([0.4, 0, 0], 1.0, "correct"),
    ([0, 0, 0], [1.0, 1.0, 0.45], "reject"),
])  # fmt: skip
def test_verdicts(conjugate, shift, scale, verdict):
    report = conjugate.gaussian(shift, scale).diagnose(20000, random_seed=2, correct=None)
    assert report.verdict == verdict, str(report)
    assert abs(report.elbo - conjugate.elbo(shift, scale)) < 4 * report.elbo_error + 1e-4
    if verdict != "reject":
        assert abs(report.log_z - conjugate.log_evidence) < 4 * report.log_z_error + 1e-4


def test_changes_are_measured_and_named(conjugate):
    shift, ratio = _changes(conjugate.gaussian([0, 0.4, 0], [1, 1, 1.4]))
    assert shift.name == "mu[1]" and shift.value == pytest.approx(0.4, abs=4 * shift.error)
    assert ratio.name == "mu[2]" and ratio.value == pytest.approx(1.4, abs=4 * ratio.error)


def _changes(approx, draws=10000, seed=3):
    report = approx.diagnose(draws, random_seed=seed, correct=None)
    return report.mean_shift, report.sd_ratio


def test_errors_of_the_changes_cover(conjugate):
    """z-scores of the estimated changes over repeated seeds have standard deviation 1."""
    approx = conjugate.gaussian([0, 0.5, 0], [1, 1, 1.8])
    found = [_changes(approx, 2000, seed) for seed in range(100)]
    for truth, extremes in ((0.5, [f[0] for f in found]), (1.8, [f[1] for f in found])):
        z = [(e.value - truth) / e.error for e in extremes]
        assert abs(np.mean(z)) < 4 / 10 and np.std(z) == pytest.approx(1, abs=4 / np.sqrt(200))


def test_a_khat_near_its_limit_asks_for_more_draws(conjugate):
    report = conjugate.gaussian(scale=[1, 1, 0.58]).diagnose(4000, random_seed=1, correct=None)
    assert abs(report.khat - report.threshold) < 2 * report.khat_error
    assert any("approx.diagnose(draws=100_000) tells more surely" in note for note in report.notes)
    clear = conjugate.gaussian(scale=[1, 1, 1.2]).diagnose(4000, random_seed=1, correct=None)
    assert not any("more surely" in note for note in clear.notes)


def test_same_seed_same_report(conjugate):
    a, b = conjugate.gaussian([0.4, 0, 0]), conjugate.gaussian([0.4, 0, 0])
    assert str(a.diagnose(random_seed=5, correct=None)) == str(b.diagnose(random_seed=5, correct=None))
    assert a.diagnose(random_seed=5, correct=None).khat != a.diagnose(random_seed=6, correct=None).khat


def test_a_second_diagnosis_compiles_nothing_and_sees_new_parameters(conjugate, monkeypatch):
    approx = conjugate.gaussian()
    approx.diagnose(200, random_seed=1, correct=None)
    monkeypatch.setattr(draws_module, "compile_function", None)
    monkeypatch.setattr(density_module, "compile_function", None)
    approx.shared_params["mu"].set_value(approx.shared_params["mu"].get_value() + 10)
    assert approx.diagnose(200, random_seed=1, correct=None).verdict == "reject"


def test_after_a_default_fit_a_diagnosis_compiles_no_log_density(conjugate, monkeypatch):
    approx = pymc3_vi.fit(500, model=conjugate.model, random_seed=1, progressbar=False)
    monkeypatch.setattr(density_module, "compile_function", None)
    assert approx.diagnose(random_seed=1).verdict == "use"
    assert len(approx.sample(100, correct="hmc", random_seed=1)) == 100


@pytest.mark.parametrize("cheap", [True, False])
def test_chunks_change_nothing(conjugate, monkeypatch, cheap):
    monkeypatch.setattr(draws_module, "chains_take_seconds", lambda _: cheap)
    approx = conjugate.gaussian([0.4, 0, 0], 1.2)
    whole = DensityDraws(approx, 1000, np.random.default_rng(1))
    monkeypatch.setattr(draws_module, "KEEP_BUDGET", 0)
    monkeypatch.setattr(draws_module, "draws_in_memory", lambda *_: 300)
    monkeypatch.setattr(draws_module, "CALL_VALUES", 300 * approx.ddim)
    parts = DensityDraws(approx, 1000, np.random.default_rng(1))
    np.testing.assert_allclose(parts.logp, whole.logp, rtol=1e-6)
    np.testing.assert_allclose(parts.logq, whole.logq, rtol=1e-6)
    z = np.concatenate([z for _, z in whole.chunks()])
    np.testing.assert_allclose(np.concatenate([z for _, z in parts.chunks()]), z, rtol=1e-6)
    assert [rows.start for rows, _ in parts.chunks()] == [0, 300, 600, 900]
    index = np.array([999, 0, 500, 500, 301])
    np.testing.assert_array_equal(parts.pick_noise(index)[0], whole.pick_noise(index)[0])
    a, b = diagnose(approx, 1000, random_seed=1), diagnose(approx, 1000, random_seed=1)
    assert a.mean_shift.value == pytest.approx(b.mean_shift.value)


def test_the_generator_moves_on_as_if_nothing_had_been_repeated(conjugate, monkeypatch):
    monkeypatch.setattr(draws_module, "KEEP_BUDGET", 0)
    generator = np.random.default_rng(1)
    source = DensityDraws(conjugate.gaussian(), 500, generator)
    after = generator.bit_generator.state
    list(source.chunks())
    assert generator.bit_generator.state == after


def test_minibatches_are_replaced_by_the_whole_data():
    problem = Conjugate(np.random.RandomState(2).normal(0.5, 1.0, (40, 1)), batch=5)
    report = problem.gaussian().diagnose(500, random_seed=1, correct=None)
    assert report.verdict == "use"
    assert report.log_z == pytest.approx(problem.log_evidence, abs=1e-3)


def test_draws_where_log_p_is_undefined_are_counted(model_fast):
    with model_fast(), pm.Model() as model:
        x = pm.Normal("x", 0.0, 1.0)
        pm.Potential("nan", 1e-9 * tt.sqrt(x + 1.0))
    report = pymc3_vi.MeanField(model=model, random_seed=1).diagnose(2000, random_seed=1, correct=None)
    assert 50 < report.undefined < 300
    assert f"log p is not a number at {report.undefined} of 2000 draws" in str(report)


def test_trend_of_the_fit_is_reported(conjugate):
    approx = conjugate.gaussian(scale=0.3)
    approx.hist = np.linspace(500, 100, 2000)
    report = approx.diagnose(200, random_seed=1, correct=None)
    assert "more steps: the loss was still falling at step 2000" in report.advice[0]
    approx.hist = np.linspace(100, 500, 2000)
    assert "a smaller learning rate" in approx.diagnose(200, random_seed=1, correct=None).advice[0]
    approx.hist = np.empty(0)
    assert any("too short" in note for note in approx.diagnose(200, random_seed=1, correct=None).notes)


def test_why_the_fit_ended_is_reported(conjugate):
    approx = conjugate.gaussian()
    assert approx.diagnose(200, random_seed=1, correct=None).ended is None
    approx.report = FitReport("ADVI", "KL")
    with approx.report.recording(100):
        approx.report.ended("done", "ran all 100 steps")
    report = approx.diagnose(200, random_seed=1, correct=None)
    assert ("fit", "ran all 100 steps") in report.rows() and not any("by itself" in note for note in report.notes)
    with approx.report.recording(100):
        approx.report.ended("interrupted", "interrupted by Ctrl-C at step 7 of 100")
    report = approx.diagnose(200, random_seed=1, correct=None)
    assert "the last fit did not end by itself: interrupted by Ctrl-C at step 7 of 100" in str(report)


def test_printing(conjugate):
    report = conjugate.gaussian([0.4, 0, 0]).diagnose(500, random_seed=1, correct=None)
    text, page = str(report), report._repr_html_()
    assert text.startswith(report.sentence) and repr(report) == text
    for words in ("k-hat", "ELBO", "log evidence", "Why:", "mu[0]"):
        assert words in text and words.rstrip(":") in page
    assert page.count("<tr>") == page.count("</tr>") == len(report.rows())


def test_few_draws_are_refused(conjugate):
    with pytest.raises(ValueError, match="'draws' parameter of diagnose must be an integer of at least 100 .* Got 99"):
        conjugate.gaussian().diagnose(99)


# ---------------------------------------------------------------- particles
def _particles(conjugate, rng, n=300, shift=0.0, scale=1.0):
    values = conjugate.mean + conjugate.sd * (shift + scale * rng.normal(size=(n, 3)))
    return pymc3_vi.Empirical(trace={"mu": values}, model=conjugate.model)


@pytest.mark.parametrize("shift, scale, words", [
    (0.0, 1.0, "Use them as they are"),
    (0.0, 0.5, "variance has collapsed to 0.2"),
    (1.0, 1.0, "the particles have not arrived"),
])  # fmt: skip
def test_particles(conjugate, rng, shift, scale, words):
    report = _particles(conjugate, rng, shift=shift, scale=scale).diagnose()
    assert words in str(report), str(report)
    assert report.usable == (shift == 0 and scale == 1)
    np.testing.assert_allclose(report.particles.variance_ratios, scale**2, rtol=0.4)
    np.testing.assert_allclose(report.particles.offsets, shift, atol=0.3)
    assert "Stein discrepancy" in report._repr_html_()


def test_svgd_at_the_start_is_not_usable(conjugate):
    inference = pymc3_vi.SVGD(n_particles=50, model=conjugate.model, random_seed=1)
    assert not inference.approx.diagnose().usable


def test_mixed_groups_have_no_diagnosis(model_fast):
    with model_fast(), pm.Model() as model:
        a, b = pm.Normal("a", 0, 1), pm.Normal("b", 0, 1)
    groups = [pymc3_vi.Group([a], vfam="mf", model=model), pymc3_vi.Group([b], vfam="empirical", size=10, model=model)]
    with pytest.raises(ExplicitInferenceError, match="mixes particles with densities"):
        pymc3_vi.Approximation(groups, model=model).diagnose()


# ---------------------------------------------------------------- several groups, rows, amortised groups
def test_groups_and_rows_have_labels(model_fast):
    with model_fast(), pm.Model() as model:
        a = pm.Normal("a", 0.0, 1.0, shape=2)
        b = pm.Normal("b", 0.0, 1.0, shape=(2, 3))
        pm.HalfNormal("s", 1.0)
    groups = [
        pymc3_vi.Group([a], vfam="fr", model=model, random_seed=1),
        pymc3_vi.Group([b], vfam="mf", rowwise=True, model=model, random_seed=1),
        pymc3_vi.Group(None, vfam="mf", model=model, random_seed=1),
    ]
    approx = pymc3_vi.Approximation(groups, model=model)
    report = approx.diagnose(500, random_seed=1, correct=None)
    assert {"a[0]", "a[1]", "b[1,2]", "s_log__"} <= set(report.labels)
    assert report.sd_ratio.name in report.labels and np.isfinite(report.khat)


def test_amortised_groups_are_judged_on_the_whole_data(model_fast):
    """z_i ~ N(0, 1), y_i ~ N(z_i, 1): q(z_i) = N(y_i / 2, 1/2) is the posterior."""
    y = np.random.RandomState(3).normal(size=(30, 1)).astype(theano.config.floatX)
    batch = pm.Minibatch(y, 5)
    with model_fast(), pm.Model() as model:
        z = pm.Normal("z", 0.0, 1.0, shape=(5, 1), total_size=(30, 1))
        pm.Normal("y", z, 1.0, observed=batch, total_size=(30, 1))
    rho = tt.zeros_like(batch) + np.log(np.expm1(0.5**0.5)).astype(theano.config.floatX)
    group = pymc3_vi.Group([z], params={"mu": batch / 2, "rho": rho}, local=True, model=model, random_seed=1)
    report = pymc3_vi.Approximation([group], model=model).diagnose(500, random_seed=1, correct=None)
    assert report.log_z == pytest.approx(-0.5 * np.sum(np.log(4 * np.pi) + y**2 / 2), abs=1e-3)
    assert report.verdict == "use"
