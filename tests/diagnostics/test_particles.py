"""Stein discrepancy and spread of particles against known distributions."""

from pymc3_vi.diagnostics._particles import offsets, stein_discrepancy, variance_ratios

import numpy as np
import pytest
from scipy import stats


def _gaussian(rng, n, d, mean=0.0, sd=1.0):
    """Draws, and the scores of a correlated Gaussian target with unit-free scales."""
    root = rng.normal(size=(d, d)) / np.sqrt(d) + np.eye(d)
    scales = 10.0 ** rng.uniform(-2, 2, d)
    root = scales[:, None] * root
    cov = root @ root.T
    z = (mean + sd * rng.normal(size=(n, d))) @ root.T
    return z, -z @ np.linalg.inv(cov)


def _slow_discrepancy(z, scores):
    """The double sum, one pair at a time, with gradients of the kernel by finite differences."""
    n, d = z.shape
    scale = z.std(0)
    x, s = z / scale, scores * scale

    def kernel(a, b):
        return (1 + np.sum((a - b) ** 2) / d) ** -0.5

    h, total = 1e-4, 0.0
    unit = np.eye(d) * h
    for i in range(n):
        for j in range(n):
            grad_a = [(kernel(x[i] + e, x[j]) - kernel(x[i] - e, x[j])) / (2 * h) for e in unit]
            grad_b = [(kernel(x[i], x[j] + e) - kernel(x[i], x[j] - e)) / (2 * h) for e in unit]
            trace = sum(
                kernel(x[i] + e, x[j] + e)
                - kernel(x[i] + e, x[j] - e)
                - kernel(x[i] - e, x[j] + e)
                + kernel(x[i] - e, x[j] - e)
                for e in unit
            ) / (4 * h**2)
            total += s[i] @ s[j] * kernel(x[i], x[j]) + s[i] @ grad_b + s[j] @ grad_a + trace
    return np.sqrt(total) / n


def test_discrepancy_is_the_double_sum(rng):
    z = rng.normal(size=(9, 3))
    scores = rng.normal(size=(9, 3)) - z**3
    assert stein_discrepancy(z, scores, block=4)[0] == pytest.approx(_slow_discrepancy(z, scores), rel=1e-4)


@pytest.mark.parametrize("d", [1, 5, 30])
def test_ratio_of_independent_draws_is_one(rng, d):
    ratios = [stein_discrepancy(*_gaussian(rng, 200, d))[1] for _ in range(100)]
    assert np.mean(ratios) == pytest.approx(1, abs=4 * np.std(ratios) / 10 + 0.02)


def test_wrong_particles_have_a_large_ratio(rng):
    assert stein_discrepancy(*_gaussian(rng, 500, 5, mean=0.5))[1] > 5
    assert stein_discrepancy(*_gaussian(rng, 1000, 1, sd=2.0))[1] > 5


def test_discrepancy_does_not_depend_on_units(rng):
    z, scores = _gaussian(rng, 50, 3)
    a, b = stein_discrepancy(z, scores), stein_discrepancy(1e6 * z, 1e-6 * scores)
    np.testing.assert_allclose(a, b)


@pytest.mark.parametrize("sd", [0.4, 1.0, 1.5])
def test_variance_ratio_of_a_gaussian_is_exact(rng, sd):
    z, scores = _gaussian(rng, 20000, 4, sd=sd)
    # (z - mean) . score is a product of normals: relative standard error of order sqrt(condition / n)
    np.testing.assert_allclose(variance_ratios(z, scores), sd**2, rtol=0.15)


def test_variance_ratio_of_draws_is_one_beyond_gaussians(rng):
    z = stats.logistic.rvs(size=(50000, 1), random_state=rng)
    score = 1 - 2 / (1 + np.exp(-z))
    np.testing.assert_allclose(variance_ratios(z, score), 1, rtol=0.03)


def test_offset_is_in_posterior_sds(rng):
    z = 0.7 * rng.normal(size=(20000, 2)) * [1, 100] + [0.5, 0]
    scores = -z / np.array([1, 100]) ** 2
    found = offsets(z, scores)
    assert found[0] == pytest.approx(0.5, abs=0.03) and found[1] < 0.03
