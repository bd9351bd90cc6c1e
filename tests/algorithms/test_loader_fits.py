"""Models of a DataLoader: from arrays and memory-mapped files, fitted in passes or by gradients of its batches."""

import pymc3_vi
from pymc3_vi.errors import DataError, ParametrizationError
from pymc3_vi.model import ModelView, model_fingerprint

import numpy as np
import pymc3 as pm
import pytest
import theano.tensor as tt

N, K, BATCH = 9000, 3, 100


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(N, K))
    return x, x @ np.array([1.0, -2.0, 0.5]) + rng.normal(size=N)


def _model(x, y):
    with pymc3_vi.fast_build(), pm.Model() as model:
        pm.Normal("y", tt.dot(x, pm.Normal("b", 0.0, 10.0, shape=K)), 1.0, observed=y, total_size=N)
    return model


def _posterior(x, y):
    precision = x.T @ x + np.eye(K) / 100.0
    return np.linalg.solve(precision, x.T @ y), 1 / np.sqrt(np.diag(precision))


def test_a_memory_mapped_file_is_fitted_without_being_copied(rows, tmp_path):
    x, y = rows
    np.save(tmp_path / "x.npy", x.astype("float32"))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    data = pymc3_vi.DataLoader({"x": mapped, "y": y}, batch_size=BATCH, seed=1)
    read = []
    column = data.table.columns[0]
    assert not column.in_memory
    plain = column.read
    column.read = lambda begin, end: read.append(end - begin) or plain(begin, end)
    data.table.block_rows = lambda: 1000
    approx = pymc3_vi.fit(1000, model=_model(data["x"], data["y"]), random_seed=1, progressbar=False)
    mean, sd = _posterior(x.astype("float32").astype("float64"), y)
    np.testing.assert_allclose(approx.mean.eval() / sd, mean / sd, atol=0.02)
    np.testing.assert_allclose(approx.std.eval(), sd, rtol=0.02)


def test_a_loader_of_one_array_is_a_tensor(rows):
    """Wherever a minibatch stands: observed, and in gradients of batches."""
    _, y = rows
    data = pymc3_vi.DataLoader(y, batch_size=BATCH, seed=1)
    with pymc3_vi.fast_build(), pm.Model() as model:
        pm.Normal("y", pm.Normal("mu", 0.0, 10.0), 2.0, observed=data, total_size=len(data))
    sd = 2 / np.sqrt(N)
    approx = pymc3_vi.fit(500, model=model, random_seed=1, progressbar=False)
    assert approx.mean.eval()[0] == pytest.approx(y.mean(), abs=0.02 * sd)
    both = [pymc3_vi.fit(3000, model=model, random_seed=1, progressbar=False, algorithm="stochastic") for _ in range(2)]
    assert both[0].mean.eval()[0] == pytest.approx(y.mean(), abs=3 * sd)
    assert len(np.unique(both[0].hist)) > 2000


def test_columns_of_two_loaders_are_refused(rows):
    x, y = (pymc3_vi.DataLoader(a, batch_size=BATCH, seed=1) for a in rows)
    with pytest.raises(ParametrizationError, match="'y' reads batches of 2 DataLoaders, .* one pymc3_vi.DataLoader"):
        pymc3_vi.fit(5, model=_model(x, y), progressbar=False)


def test_a_killed_fit_of_a_loader_goes_on_to_the_same_end(rows, tmp_path):
    """In another process: the model and its loader are made again."""
    np.save(tmp_path / "x.npy", rows[0])

    def model():
        x = np.load(tmp_path / "x.npy", mmap_mode="r")
        data = pymc3_vi.DataLoader({"x": x, "y": rows[1]}, batch_size=BATCH, seed=1)
        return _model(data["x"], data["y"])

    def killed(approx, losses, i):
        if i == 151:  # amid a pass of 90 steps
            raise RuntimeError("killed")

    whole = pymc3_vi.fit(300, model=model(), random_seed=1, progressbar=False)
    checkpoint = pymc3_vi.Checkpoint(every=50, path=tmp_path / "fit.npz")
    with pytest.raises(RuntimeError):
        pymc3_vi.fit(300, model=model(), random_seed=1, progressbar=False, callbacks=[checkpoint, killed])
    inference = pymc3_vi.Inference.load(tmp_path / "fit.npz", model())
    inference.resume(progressbar=False)
    np.testing.assert_array_equal(inference.approx.mean.eval(), whole.mean.eval())
    np.testing.assert_array_equal(inference.hist, whole.hist)


def test_other_rows_are_told_from_those_of_the_fit(rows):
    x, y = rows

    def fingerprint(y):
        data = pymc3_vi.DataLoader({"x": x, "y": y}, batch_size=BATCH, seed=1)
        return model_fingerprint(ModelView(_model(data["x"], data["y"])))["observed"]["y"]["data"]

    other = y.copy()
    other[-1] += 1.0
    assert fingerprint(y) == fingerprint(y.copy()) != fingerprint(other)


@pytest.mark.parametrize("wrong", [("x", 7654, np.nan), ("y", 8999, np.inf)])
def test_a_row_that_is_not_finite_is_named(rows, wrong):
    """One of 9,000, which no batch and no part of the rows has met, spoils every pass."""
    name, row, value = wrong
    columns = {"x": rows[0].copy(), "y": rows[1].copy()}
    columns[name][row] = value
    data = pymc3_vi.DataLoader(columns, BATCH, seed=1)
    with pytest.raises(DataError, match=f"Row {row:,} of the data has the value {value} in '{name}'.*'y'"):
        pymc3_vi.fit(1000, model=_model(data["x"], data["y"]), random_seed=1, progressbar=False)
