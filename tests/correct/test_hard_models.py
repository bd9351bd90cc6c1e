"""Posteriors that no Gaussian fits: right, or flagged with the variable's name."""

import warnings

import pymc3_vi

import numpy as np
import pytest
import theano

from benchmarks import corrected, development_set, hard_models, sampled_models
from examples.references import load_reference

REFERENCES = [name for name in sampled_models.SAMPLED_MODELS if sampled_models.stored(name)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["two_modes", "poisson_rate", "few_trials", "pumps", "strong_prior_scale", "eight_schools"]
)
def test_right_or_flagged(name):
    model, truth = hard_models.build(name)
    q = pymc3_vi.fit(method="fullrank_advi", model=model, random_seed=1, progressbar=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        points = pymc3_vi.HMC(progressbar=False)(q, 1000, np.random.default_rng(1))
    mean, sd = corrected.errors(q.ordering, points.run.errors.mean, points.run.errors.sd, truth)
    assert (mean < 0.1 and sd < np.log(1.1)) or not points.reliable


def test_moments_of_the_references_agree_with_closed_forms():
    # quadrature against the formula that gives the same posterior: a gamma rate with one pump
    grid = np.linspace(-12, 6, 20001)
    mean, sd = hard_models.moments(grid, 1.5 * grid - 4.1 * np.exp(grid))
    _, truth = hard_models.build("poisson_rate")
    np.testing.assert_allclose((mean, sd), truth["rate_log__"], rtol=1e-5)


@pytest.mark.parametrize("name", REFERENCES)
def test_stored_runs_are_of_these_models_and_good(name):
    model, nuts = sampled_models.build(name), sampled_models.stored(name)["nuts"]
    values = [v.logpt for v in model.basic_RVs + model.potentials]
    with theano.config.change_flags(cxx="", mode="FAST_COMPILE"):
        logp = float(sum(model.fn(v)(model.test_point) for v in values))
    assert logp == pytest.approx(nuts["_run"]["logp_at_test_point"], rel=1e-5)
    for variable in model.free_RVs:
        found = nuts[variable.name]
        assert np.shape(found["mean"]) == np.shape(model.test_point[variable.name])
        assert np.max(found["rhat"]) < 1.01
        assert np.max(np.array(found["mcse_mean"]) / found["sd"]) < 0.04


def test_moments_of_radon_are_those_of_a_run_that_adapts():
    # a long run of NUTS on this posterior, of which errors are known, against the sums over a grid
    exact = development_set.stored("radon")["nuts"]
    for name in ("county_sd", "sigma"):
        run = load_reference("radon")[name]
        assert abs(exact[name]["mean"] - run["mean"]) < 4 * run["mcse_mean"]
        assert abs(exact[name]["sd"] - run["sd"]) < 4 * run["mcse_sd"]
