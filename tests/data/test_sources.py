"""Where rows may lie: the same rows come back from each, and pieces that do not fit are refused by name."""

import pymc3_vi
from pymc3_vi.errors import DataError

import numpy as np
import pandas as pd
import pytest

ROWS, PIECES = 80, 8


@pytest.fixture
def frame(rng):
    return pd.DataFrame({"a": rng.normal(size=ROWS), "b": np.arange(ROWS)})


def _check(data, frame):
    assert len(data) == ROWS and data.names == ["a", "b"]
    whole = np.concatenate([arrays[0] for _, arrays in data.table.blocks()])
    np.testing.assert_array_equal(whole, frame["a"])
    index = np.array([3, 30, 31, 79])
    a, b = data.table.take(index)
    np.testing.assert_array_equal(a, frame["a"].to_numpy()[index])
    np.testing.assert_array_equal(b, index)
    for batch in data:
        np.testing.assert_array_equal(batch["a"], frame["a"].to_numpy()[batch["b"]])


def test_pandas(frame):
    _check(pymc3_vi.DataLoader(frame, 30, seed=1), frame)


def _batches(frame, count=PIECES):
    return [{n: part[n].to_numpy() for n in frame} for part in np.array_split(frame, count)]


def test_a_factory_of_batches(frame):
    _check(pymc3_vi.DataLoader(lambda: iter(_batches(frame)), 30, seed=1), frame)
    calls = []

    def shrinking():
        calls.append(1)
        return iter(_batches(frame)[: 8 if len(calls) == 1 else 5])

    with pytest.raises(DataError, match="gave 5 batches, 8 the first time"):
        list(pymc3_vi.DataLoader(shrinking, 30, seed=1))


def test_parquet_of_row_groups_with_shuffled_columns(frame, tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    ds = pytest.importorskip("pyarrow.dataset")
    pq.write_table(pa.Table.from_pandas(frame), tmp_path / "one.parquet", row_group_size=ROWS // PIECES)
    _check(pymc3_vi.DataLoader(pq.ParquetFile(tmp_path / "one.parquet"), 30, seed=1), frame)
    folder = tmp_path / "many"
    folder.mkdir()
    for k, part in enumerate(np.array_split(frame, PIECES)):
        columns = ["b", "a"] if k % 2 else ["a", "b"]
        pq.write_table(pa.Table.from_pandas(part[columns], preserve_index=False), folder / f"{k}.parquet")
    _check(pymc3_vi.DataLoader(ds.dataset(folder), 30, seed=1), frame)
    last = np.array_split(frame, PIECES)[-1]
    pq.write_table(pa.Table.from_pandas(last[["b"]], preserve_index=False), folder / "7.parquet")
    with pytest.raises(DataError, match="Piece 7 of the data has no column 'a'"):
        list(pymc3_vi.DataLoader(ds.dataset(folder), 30, seed=1))


def test_hdf5(frame, tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "rows.h5", "w") as file:
        source = {name: file.create_dataset(name, data=frame[name].to_numpy(), chunks=(7,)) for name in frame}
        _check(pymc3_vi.DataLoader(source, 30, seed=1), frame)


@pytest.mark.parametrize(
    "factory, told",
    [
        (lambda: 0, "gave an object of type int"),
        (lambda: [], "gave none"),
        (lambda: [np.ones(3)], "Got a batch of type ndarray instead"),
        (lambda: [{}], "Got a batch of type dict, empty, instead"),
        (lambda: [{"a": np.array(["x"])}], "must have rows of numbers"),
    ],
)
def test_what_a_factory_must_give(factory, told):
    with pytest.raises(DataError, match=told):
        pymc3_vi.DataLoader(factory)


def test_a_factory_of_frames(frame):
    _check(pymc3_vi.DataLoader(lambda: iter(np.array_split(frame, PIECES)), 30, seed=1), frame)
