"""Nested R-hat and errors of averages over chains."""

from pymc3_vi.core import CorrectedPoints
from pymc3_vi.correct import chain_errors, nested_rhat, tail_shape

import numpy as np
import pytest


def test_nested_rhat_by_hand():
    # two superchains of two chains with two draws: W = 2.25 + 0.5 in both, B = var(1.5, 4.5)
    draws = np.array([[0.5, 2.5, 3.5, 5.5], [1.5, 1.5, 4.5, 4.5]])
    by_chain = np.array([[1.0, 2.0], [4.0, 5.0]])
    within = by_chain.var(axis=1, ddof=1).mean() + draws.var(axis=0, ddof=1).mean()
    between = np.var([1.5, 4.5], ddof=1)
    np.testing.assert_allclose(nested_rhat(draws, 2), np.sqrt(1 + between / within))


def test_nested_rhat_tells_whether_chains_remember(rng):
    draws = rng.normal(size=(20, 64, 2))
    # 320 independent draws a superchain: B / W = 1 / 320
    assert np.all(nested_rhat(draws, 4) < 1.01)
    draws[:, :, 1] += np.repeat(rng.normal(size=4), 16)
    assert nested_rhat(draws, 4)[1] > 1.1


def test_errors_cover_the_truth_whatever_the_autocorrelation(rng):
    # AR(1) chains with variance 1: errors are those of n (1 - phi) / (1 + phi) draws
    phi, n, c, runs = 0.9, 60, 100, 200
    x = rng.normal(size=(c, runs))
    draws = np.empty((n, c, runs))
    for t in range(n):
        draws[t] = x = phi * x + np.sqrt(1 - phi**2) * rng.normal(size=x.shape)
    found = chain_errors(draws)
    for score in (found.mean / found.mean_error, (found.sd - 1) / found.sd_error):
        # 200 independent scores: their mean square is 1 with a standard error of 0.1
        assert 0.7 < np.mean(score**2) < 1.4
    assert np.mean(found.drift_score > 3) < 0.03


@pytest.mark.parametrize("df, shape", [(2.5, 0.4), (3.0, 1 / 3), (10.0, 0.1)])
def test_tail_shape(rng, df, shape):
    values = np.abs(rng.standard_t(df, size=(100_000, 8)))
    # 950 values a tail: a standard error of sqrt((1 + k^2) / 950 / 8) = 0.012, and what is not yet the tail
    assert np.mean(tail_shape(values)) == pytest.approx(shape, abs=0.05)
    np.testing.assert_allclose(tail_shape(1e5 * values), tail_shape(values), rtol=1e-6)


def test_tail_shape_of_few_or_equal_values():
    np.testing.assert_array_equal(tail_shape(np.ones((100, 2))), 0)
    np.testing.assert_array_equal(tail_shape(np.arange(4.0)), 0)


def test_drift_is_seen(rng):
    draws = rng.normal(size=(40, 64)) + np.linspace(0, 1, 40)[:, None]
    found = chain_errors(draws)
    assert 0.4 < found.drift < 0.6 and found.drift_score > 8


def test_error_of_an_average_sums_over_chains(rng):
    values, chains = rng.normal(size=(9, 2)), np.array([0, 1, 2, 0, 1, 2, 2, 0, 5])
    influence = (values - values.mean(0)) / 9
    sums = np.array([influence[chains == c].sum(0) for c in (0, 1, 2, 5)])
    points = CorrectedPoints(np.zeros((9, 1)), chains)
    np.testing.assert_allclose(points.error(influence), np.sqrt((sums**2).sum(0)))
