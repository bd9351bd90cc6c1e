"""log p at many draws from a sample of the rows: as exact as it says, and nothing else is changed by it."""

import pymc3_vi
from pymc3_vi.diagnostics import RowValues, _row_values, row_density

import numpy as np
import pymc3 as pm
import pytest
import theano.tensor as tt

N, K, BATCH = 50_000, 3, 250


@pytest.fixture(scope="module")
def approx():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(N, K))
    y = rng.poisson(np.exp(x @ np.array([0.5, -0.3, 0.2])))
    data = pymc3_vi.DataLoader({"x": x, "y": y}, batch_size=BATCH, seed=1)
    with pymc3_vi.fast_build(), pm.Model() as model:
        eta = tt.dot(data["x"], pm.Normal("b", 0.0, 1.0, shape=K))
        pm.Poisson("y", tt.exp(eta), observed=data["y"], total_size=N)
    return pymc3_vi.fit(2000, model=model, random_seed=1, progressbar=False)


def test_sampled_values_are_as_exact_as_they_say(approx, monkeypatch):
    density = row_density(approx)
    z = approx.mean.eval() + approx.std.eval() * np.random.default_rng(1).normal(size=(100, K))
    exact = RowValues(density, approx, len(z))
    assert exact.error == 0.0
    monkeypatch.setattr(_row_values, "EXACT", 1.0)
    monkeypatch.setattr(_row_values, "SAMPLE", 4000)
    sampled = RowValues(density, approx, len(z))
    assert 0 < sampled.error <= _row_values.ACCURATE
    difference = sampled(z) - exact(z)
    assert np.std(difference) < 3 * sampled.error and abs(np.mean(difference)) < 5 * sampled.error


def test_verdicts_and_tables_read_rows_in_blocks(approx):
    """Without the rows as one array: whoever asks a column for all of them is told off."""
    for part in row_density(approx).model.parts:
        for column in part.table.columns:
            column.whole = None
    diagnosis = approx.diagnose(random_seed=1)
    assert diagnosis.khat < 0.7
    table = approx.summary(random_seed=1)
    np.testing.assert_allclose(table["mean"], approx.mean.eval(), atol=0.2 * approx.std.eval().max())
    assert len(approx.sample(50)) == 50
