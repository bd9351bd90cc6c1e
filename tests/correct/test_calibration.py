"""Simulation-based calibration of a fit and its corrected draws."""

from pymc3_vi.model import ModelView, simulated

import numpy as np
import pytest
from scipy import stats

from benchmarks import calibration


@pytest.mark.slow
def test_corrected_draws_are_calibrated():
    n, names = 30, ["mu", "sigma"]
    model = calibration.build("normal")
    truths, data = simulated(ModelView(model), names, n, 1)
    rows = [
        calibration.ranks(model, names, {v: truths[v][k] for v in names}, data["y"][k], seed=k + 1) for k in range(n)
    ]
    levels = (np.array([row["hmc"] for row in rows]) + 0.5) / (calibration.DRAWS + 1)
    assert levels.shape == (n, 2) and not any(row["flagged"] for row in rows)
    for column in levels.T:
        assert stats.kstest(column, "uniform").pvalue > 1e-3
        assert abs(column.std() * np.sqrt(12) - 1) < 4 * 0.45 / np.sqrt(n)
    # Draws in place of the data's own posterior are seen: ranks of the next simulation's values.
    others = [
        calibration.ranks(model, names, {v: truths[v][k - 1] for v in names}, data["y"][k], k + 1) for k in range(6)
    ]
    wrong = np.array([row["hmc"] for row in others]) / calibration.DRAWS
    assert np.mean((wrong < 0.01) | (wrong > 0.99)) > 0.5
