"""Posteriors that no Gaussian fits: right, or flagged with the variable's name."""

import warnings

import pymc3_vi

import numpy as np
import pytest

from benchmarks import corrected, hard_models


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
