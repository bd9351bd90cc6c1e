"""Fits end when the optimum is known: no sooner, and what they say of it is true."""

import pymc3_vi
from pymc3_vi.algorithms import Newton
from pymc3_vi.algorithms.newton._known import Targets, bound, smallest_curvature
from pymc3_vi.algorithms.newton._lbfgs import InverseHessian
from pymc3_vi.errors import ConvergenceWarning

import numpy as np
import pymc3 as pm
import pytest
import theano
import theano.tensor as tt

from benchmarks import hard_models
from tests.zoo import ZOO

QUIET = dict(progressbar=False)


@pytest.fixture(scope="module")
def skewed():
    """Log of a Gamma(30, 1) variable, whose optimum is known: E_q[e^x] = 30 and sigma^2 = 1 / 30."""
    with pymc3_vi.fast_build(), pm.Model() as model:
        x = pm.Flat("x")
        pm.Potential("target", 30.0 * x - tt.exp(x))
    model.sigma = np.sqrt(1 / 30.0)
    model.mu = np.log(30.0) - model.sigma**2 / 2
    return model


# ---------------------------------------------------------------- the arithmetic
@pytest.mark.parametrize("count", [8, 15, 16, 24, 31, 100])
def test_blocks_are_means_over_consecutive_batches(rng, count):
    values, targets = rng.normal(size=(count, 3)), Targets.none()
    for row in values:
        targets = targets.and_(row)
    m, per = len(targets.blocks), targets.per
    assert targets.rows == count and m < 16 and m * per + targets.count == count
    expected = values[: m * per].reshape(m, per, 3).mean(axis=1)
    np.testing.assert_allclose(targets.blocks / per, expected)
    np.testing.assert_allclose(targets.mean(), expected.mean(axis=0))
    np.testing.assert_allclose(targets.error(), expected.std(axis=0, ddof=1) / np.sqrt(m))
    assert targets.can_tell == (m >= 8 and targets.count == 0)


@pytest.mark.parametrize("count", [8, 12, 64])
def test_all_values_are_within_the_bound(rng, count):
    """Means of 20 values in sds and 20 log sds, all 40 at once, in 300 fits."""
    d, sd, fits = 20, np.geomspace(1e-5, 1e5, 20), 300
    inside, ratio = 0, []
    for _ in range(fits):
        targets = Targets.none()
        for row in 0.1 * rng.normal(size=(count, 2 * d)):
            targets = targets.and_(row * np.append(sd, np.ones(d)))
        off = targets.mean() / np.append(sd, np.ones(d))
        found = bound(targets, targets.mean(), sd)
        inside += np.abs(off).max() <= found
        ratio.append(found / np.abs(off).max())
    assert inside >= fits * 0.95 and np.median(ratio) < 5  # it is no empty promise either


def test_what_is_not_finite_is_not_known():
    targets = Targets.none()
    for _ in range(8):
        targets = targets.and_(np.array([1.0, np.nan]))
    assert bound(targets, np.ones(2), np.ones(1)) == np.inf


@pytest.mark.parametrize("least", [2.0, 0.5, 0.05, 1e-4])
def test_a_direction_in_which_steps_are_too_short_is_found(rng, least):
    """One eigenvalue apart from 200 between 0.8 and 2, in a direction of which nothing is known."""
    root = np.linalg.qr(rng.normal(size=(201, 201)))[0]
    hessian = (root * np.append(np.linspace(0.8, 2.0, 200), least)).dot(root.T)
    found = smallest_curvature(lambda x: hessian.dot(x - 1.0), np.zeros(201), InverseHessian(), rng)
    expected = min(least, 0.8)
    assert expected * 0.9 < found + 1e-3 and found < max(1.15 * expected, 0.02)


def test_a_saddle_is_no_optimum(rng):
    hessian = np.append(np.ones(20), -0.5)
    assert smallest_curvature(lambda x: hessian * x, np.zeros(21), InverseHessian(), rng) == 0


# ---------------------------------------------------------------- from the front door
@pytest.mark.parametrize("method", ["advi", "fullrank_advi"])
def test_a_fit_ends_at_the_optimum_and_says_so(skewed, method):
    approx = pymc3_vi.fit(20000, method, model=skewed, random_seed=1, **QUIET)
    steps = len(approx.hist)
    assert 500 < steps < 10000 and np.isfinite(approx.hist).all()
    assert abs(approx.mean.eval()[0] - skewed.mu) < 0.01 * skewed.sigma
    assert approx.std.eval()[0] == pytest.approx(skewed.sigma, rel=0.01)
    run = approx.report.runs[-1]
    assert (run.asked, run.steps, run.reason) == (20000, steps, "done")
    assert f"sd after {steps:,} of 20,000 steps (tol=None makes all steps)" in run.message
    assert "the optimum is known to 0.0" in str(approx.report) and not run.warnings


def test_it_is_the_beginning_of_the_whole_fit_whatever_the_chunks(skewed, monkeypatch):
    ended, whole = (pymc3_vi.fit(20000, model=skewed, random_seed=1, tol=tol, **QUIET) for tol in ("auto", None))
    assert len(whole.hist) == 20000 and whole.report.message == "ran all 20,000 steps"
    np.testing.assert_array_equal(ended.hist, whole.hist[: len(ended.hist)])
    monkeypatch.setattr("pymc3_vi.inference._loop.MAX_CHUNK", 37)
    again = pymc3_vi.fit(20000, model=skewed, random_seed=1, **QUIET)
    np.testing.assert_array_equal(again.hist, ended.hist)
    np.testing.assert_array_equal(again.mean.eval(), ended.mean.eval())


def test_who_looks_at_steps_or_chooses_them_gets_all(skewed):
    seen = []
    options = [
        dict(callbacks=[lambda approx, losses, i: seen.append(i)]),
        dict(tol=None),
        dict(obj_optimizer=pymc3_vi.sgd(learning_rate=1e-3)),
    ]
    for option in options:
        approx = pymc3_vi.fit(3000, model=skewed, random_seed=1, **QUIET, **option)
        assert len(approx.hist) == 3000 and approx.report.message == "ran all 3,000 steps"
    assert seen[-1] == 3000
    assert len(pymc3_vi.fit(999, model=skewed, random_seed=1, **QUIET).hist) == 999


def test_a_tolerance_of_ones_own(skewed):
    rough, fine = (pymc3_vi.fit(50000, model=skewed, random_seed=1, tol=tol, **QUIET) for tol in (0.05, 1e-3))
    assert len(rough.hist) < len(fine.hist) and "(tol=0.05)" in rough.report.message
    with pytest.warns(ConvergenceWarning, match=r"without converging to tol=1e-07: known to .* sd|not known"):
        pymc3_vi.fit(2000, model=skewed, random_seed=1, tol=1e-7, **QUIET)


def test_more_steps_after_an_end(skewed):
    inference = pymc3_vi.ADVI(model=skewed, random_seed=1)
    inference.fit(20000, **QUIET)
    steps = len(inference.hist)
    mean = inference.approx.mean.eval()
    inference.refine(5000, **QUIET)
    assert "after 0 of 5,000 steps" in inference.report.message and len(inference.hist) == steps
    inference.resume(**QUIET)
    assert len(inference.hist) == steps and inference.report.reason == "done"
    np.testing.assert_array_equal(inference.approx.mean.eval(), mean)
    inference.fit(3000, tol=None, **QUIET)
    assert len(inference.hist) == inference.state.i == steps + 3000
    inference.refine(500, **QUIET)
    assert len(inference.hist) == steps + 3500 and inference.report.message == "ran all 500 steps"


def test_an_end_is_kept_in_files(skewed, tmp_path, monkeypatch):
    """Of a fit that was interrupted, and of one that has ended."""
    inference, part = (pymc3_vi.ADVI(model=skewed, random_seed=1) for _ in range(2))
    inference.fit(20000, **QUIET)
    run = Newton.run

    def interrupted(self, k):
        if self.steps_done >= 300:
            raise KeyboardInterrupt
        return run(self, k)

    monkeypatch.setattr(Newton, "run", interrupted)
    monkeypatch.setattr("pymc3_vi.inference._loop.MAX_CHUNK", 100)
    part.fit(20000, **QUIET)
    assert part.report.reason == "interrupted" and 300 <= len(part.hist) < len(inference.hist)
    part.save(tmp_path / "part.npz")
    monkeypatch.undo()
    loaded = pymc3_vi.Inference.load(tmp_path / "part.npz", skewed)
    for which in (part, loaded):
        which.resume(**QUIET)
        np.testing.assert_array_equal(which.hist, inference.hist)
        np.testing.assert_array_equal(which.approx.mean.eval(), inference.approx.mean.eval())
        assert which.report.message == inference.report.message
    inference.save(tmp_path / "whole.npz")
    loaded = pymc3_vi.Inference.load(tmp_path / "whole.npz", skewed)
    loaded.refine(5000, **QUIET)
    assert "after 0 of 5,000 steps" in loaded.report.message
    np.testing.assert_array_equal(loaded.approx.mean.eval(), inference.approx.mean.eval())
    loaded.fit(2000, tol=None, **QUIET)
    inference.fit(2000, tol=None, **QUIET)
    np.testing.assert_array_equal(loaded.hist, inference.hist)


def test_other_data_are_not_taken_for_known():
    with pymc3_vi.fast_build(), pm.Model() as model:
        y = theano.shared(np.array([1.0, 2.0, 3.0]))
        mu = pm.Normal("mu", 0.0, 10.0)
        pm.Normal("y", mu, 1.0, observed=y)
    inference = pymc3_vi.ADVI(model=model, random_seed=1)
    inference.fit(2000, **QUIET)
    assert "is known" in inference.report.message
    y.set_value(np.array([11.0, 12.0, 13.0]))
    inference.fit(2000, **QUIET)
    assert inference.approx.mean.eval()[0] == pytest.approx(36 / 3.01, rel=1e-4)


def test_units_do_not_matter():
    """The same fit in another unit ends after the same steps."""
    steps = []
    for unit in (1e-5, 1e5):
        with pymc3_vi.fast_build(), pm.Model() as model:
            rate = pm.Gamma("rate", 3.0, 1.0 / unit)
            pm.Exponential("y", 1.0 / rate, observed=unit * np.array([1.0, 2.0, 4.0, 3.0, 2.5]))
        steps.append(len(pymc3_vi.fit(20000, model=model, random_seed=1, **QUIET).hist))
    assert steps[0] == steps[1] < 20000


def test_the_bar_ends(skewed, capsys):
    pymc3_vi.fit(20000, model=skewed, random_seed=1, progressbar=True)
    assert "100.00%" in capsys.readouterr().out


# ---------------------------------------------------------------- whole posteriors
def _hard(name):
    return lambda: hard_models.build(name)[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["funnel", "eight_schools", "pumps"])
def test_hard_posteriors_get_all_their_steps(name):
    approx = pymc3_vi.fit(5000, model=_hard(name)(), random_seed=1, **QUIET)
    assert len(approx.hist) == 5000


CASES = [
    ("advi", ZOO["logistic"]),
    ("fullrank_advi", ZOO["logistic"]),
    ("advi", ZOO["poisson"]),
    ("advi", ZOO["normal_mixture"]),
    ("fullrank_advi", ZOO["negative_binomial"]),
    ("advi", _hard("poisson_rate")),
    ("advi", _hard("strong_prior_scale")),
    ("fullrank_advi", _hard("near_modes")),
    ("advi", _hard("student_t3")),
    ("advi", _hard("banana")),
]


@pytest.mark.slow
@pytest.mark.parametrize("case", range(len(CASES)))
def test_what_ends_early_is_as_close_as_it_says(case):
    method, build = CASES[case]
    model = build()
    best = pymc3_vi.fit(40000, method, model=model, random_seed=101, tol=None, **QUIET)
    sd = best.std.eval()
    for seed in (1, 2, 3):
        inference = pymc3_vi.inference.METHODS.get(method)(model=model, random_seed=seed)
        approx = inference.fit(20000, **QUIET)
        if len(approx.hist) < 20000:
            claim = inference.algorithm.known.distance
            assert claim <= 0.01
            # The optimum itself has an error, of the same kind.
            assert np.abs((approx.mean.eval() - best.mean.eval()) / sd).max() < claim + 0.005
            assert np.abs(np.log(approx.std.eval() / sd)).max() < claim + 0.005
