"""Stopping by test: what is stationary passes, what drifts or is too noisy does not."""

import re

import pymc3_vi
from pymc3_vi.diagnostics import check_iterates
from pymc3_vi.errors import ConvergenceWarning

import numpy as np
import pymc3 as pm
import pytest
import theano.tensor as tt


def test_independent_iterates_pass(rng):
    """The error of the mean of n values is sd / sqrt n."""
    check = check_iterates(rng.normal(5.0, 0.3, (2500, 30)))
    assert check.rhat < check.rhat_limit and check.window == 2500
    assert check.mcse == pytest.approx(0.3 / 50, rel=0.35)  # the largest of 30; one has a relative error of a tenth
    assert 1000 < check.ess <= 2500


def test_correlated_iterates_have_their_effective_size(rng):
    """An autoregression with coefficient 0.9 has (1 - 0.9) / (1 + 0.9) as many effective values."""
    noise, values = rng.normal(size=(40000, 1)), np.zeros((40000, 1))
    for t in range(1, len(values)):
        values[t] = 0.9 * values[t - 1] + noise[t]
    assert check_iterates(values).ess == pytest.approx(40000 / 19, rel=0.25)


@pytest.mark.parametrize("size", [20, 40, 400])
def test_a_drift_is_seen_however_slow(rng, size):
    """R-hat of a line is sqrt(1 + 6): the halves' means are 6 within-variances apart."""
    line = np.linspace(0, 1e-3, size)[:, None] + rng.normal(0, 1e-6, (size, 1))
    check = check_iterates(line)
    assert check.rhat == pytest.approx(np.sqrt(7), rel=0.05) and check.rhat > check.rhat_limit
    # ... unless it is a drift of rounding size
    assert check_iterates(1e-6 * line, floor=1e-5).rhat < check.rhat_limit


@pytest.fixture(scope="module")
def model():
    with pymc3_vi.fast_build(), pm.Model() as model:
        x = pm.Flat("x", shape=2)
        pm.Potential("target", tt.sum(3.0 * x - tt.exp(x)))
    model.sigma = np.sqrt(1 / 3.0)
    model.mu = np.log(3.0) - model.sigma**2 / 2
    return model


@pytest.mark.parametrize("options", [{}, {"obj_optimizer": pymc3_vi.adam(learning_rate=0.05)}], ids=["default", "adam"])
def test_a_fit_stops_at_the_optimum(model, options):
    approx = pymc3_vi.fit(50000, model=model, tol=0.02, random_seed=1, progressbar=False, **options)
    assert len(approx.hist) < 50000
    if options:
        assert approx.report.reason == "stopped" and "converged: R-hat" in approx.report.message
    else:  # Newton steps tell by themselves how far they are
        assert approx.report.reason == "done" and re.match("the optimum is known to 0.0", approx.report.message)
    assert np.abs(approx.mean.eval() - model.mu).max() < 0.06 * model.sigma
    np.testing.assert_allclose(approx.std.eval(), model.sigma, rtol=0.06)


def test_full_rank_and_other_families_are_tested_too(model):
    check = pymc3_vi.Converged(0.02)
    pymc3_vi.fit(50000, "fullrank_advi", model=model, callbacks=[check], random_seed=1, progressbar=False)
    assert check.converged and check.check.mcse <= 0.02
    flow = pymc3_vi.Converged(1e-9)
    pymc3_vi.fit(1000, "nfvi", model=model, callbacks=[flow], random_seed=1, progressbar=False)
    assert not flow.converged and np.isfinite(flow.check)[:-1].all()


def test_a_gaussian_target_converges(rng):
    """The default rule has no noise there at all."""
    with pymc3_vi.fast_build(), pm.Model() as model:
        pm.Normal("x", 2.0, 3.0)
    approx = pymc3_vi.fit(50000, model=model, tol=0.01, random_seed=1, progressbar=False)
    assert "known to 0.0001 sd after" in approx.report.message and approx.mean.eval() == pytest.approx(2.0)


def test_a_slow_optimizer_is_not_taken_for_a_converged_one(model):
    with pytest.warns(ConvergenceWarning, match=r"without converging to tol=0.02: R-hat .* refine\(n\)"):
        approx = pymc3_vi.fit(
            3000,
            model=model,
            start={"x": np.full(2, -5.0)},
            tol=0.02,
            random_seed=1,
            progressbar=False,
            obj_optimizer=pymc3_vi.adagrad_window(learning_rate=1e-5),
        )
    assert len(approx.hist) == 3000 and any("without converging" in w for w in approx.report.warnings)


def test_short_fits_say_that_they_are_short(model):
    with pytest.warns(ConvergenceWarning, match="without converging to tol=0.02: too few steps to tell"):
        pymc3_vi.fit(100, model=model, tol=0.02, random_seed=1, progressbar=False)
    with pytest.warns(ConvergenceWarning, match="too few iterates"):
        adam = pymc3_vi.adam(learning_rate=0.05)
        pymc3_vi.fit(100, model=model, tol=0.02, random_seed=1, progressbar=False, obj_optimizer=adam)
    with pytest.raises(ValueError, match="'tol' parameter of fit must be a finite number greater than 0"):
        pymc3_vi.fit(100, model=model, tol=-1.0)
