"""Trends of loss histories with known truth."""

from pymc3_vi.diagnostics._convergence import MIN_STEPS, batch_means_error, loss_trend

import numpy as np
import pytest


def test_error_of_an_autoregressive_mean(rng):
    """For x_t = a x_(t-1) + e_t the variance of the mean is 1 / ((1 - a)^2 n)."""
    a, n, chains = 0.8, 5000, 200
    noise = rng.normal(size=(chains, n + 100))
    x = np.zeros((chains, n + 100))
    for t in range(1, n + 100):
        x[:, t] = a * x[:, t - 1] + noise[:, t]
    x = x[:, 100:]
    errors = np.array([batch_means_error(row) for row in x])
    truth = 1 / ((1 - a) * np.sqrt(n))
    assert np.std(x.mean(1)) == pytest.approx(truth, rel=4 / np.sqrt(2 * chains))
    assert np.sqrt(np.mean(errors**2)) == pytest.approx(truth, rel=0.1)


def test_flat_history_is_neither_falling_nor_rising(rng):
    trends = [loss_trend(30 + rng.normal(size=2000)) for _ in range(200)]
    assert sum(t.falling or t.rising for t in trends) <= 4
    z = [(t.level - 30) / t.level_error for t in trends]
    assert np.std(z) == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize("sign", [1, -1])
def test_trend_is_seen(rng, sign):
    hist = 30 + sign * np.linspace(0, 20, 5000) + rng.normal(size=5000)
    trend = loss_trend(hist)
    assert trend.falling == (sign < 0) and trend.rising == (sign > 0)
    assert trend.window == 1000
    assert trend.change == pytest.approx(sign * 2, abs=4 * trend.change_error + 0.01)


def test_a_significant_fall_of_no_size_does_not_count(rng):
    trend = loss_trend(30 - np.linspace(0, 0.5, 50000) + 1e-3 * rng.normal(size=50000))
    assert trend.change < -3 * trend.change_error and not trend.falling


def test_short_or_broken_histories_say_nothing():
    assert loss_trend(np.empty(0)) is None
    assert loss_trend(np.zeros(MIN_STEPS - 1)) is None
    assert loss_trend(np.full(1000, np.nan)) is None
