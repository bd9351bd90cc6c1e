"""Where rows may lie: the same rows come back from each, and pieces that do not fit are refused by name."""

import pymc3_vi
from pymc3_vi.errors import DataError

import numpy as np
import pandas as pd
import pymc3 as pm
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


def test_text_in_a_frame_is_left_out(frame):
    """As in data sets; a frame of nothing else is refused, and so is a column of whole numbers and missing values."""
    _check(pymc3_vi.DataLoader(frame.assign(name="text"), 30, seed=1), frame)
    with pytest.raises(DataError, match="rows of numbers"):
        pymc3_vi.DataLoader(pd.DataFrame({"name": ["u", "v"]}), 2)
    missing = pd.DataFrame({"n": pd.array([1, None], dtype="Int64")})
    if missing["n"].to_numpy().dtype == object:
        with pytest.raises(DataError, match="rows of numbers"):
            pymc3_vi.DataLoader(missing, 2)
    else:  # from pandas 3 on they are NaN, which fits refuse with the row's number
        assert np.isnan(pymc3_vi.DataLoader(missing, 2).table.take(np.array([1]))[0]).all()


def test_a_source_that_has_fewer_rows_than_it_says():
    class Short:
        shape, dtype = (100,), np.dtype("float64")

        def __getitem__(self, rows):
            return np.zeros(90)[rows]

    with pytest.raises(DataError, match="Short of shape.*gave 90 rows for those from 0 to 100"):
        pymc3_vi.DataLoader({"a": Short(), "b": np.ones(100)}, 100, shuffle=False)


def _pieces(frame, count=PIECES):
    return [frame.iloc[rows] for rows in np.array_split(np.arange(len(frame)), count)]


def _batches(frame, count=PIECES):
    return [{n: part[n].to_numpy() for n in frame} for part in _pieces(frame, count)]


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
    for k, part in enumerate(_pieces(frame)):
        columns = ["b", "a"] if k % 2 else ["a", "b"]
        pq.write_table(pa.Table.from_pandas(part[columns], preserve_index=False), folder / f"{k}.parquet")
    _check(pymc3_vi.DataLoader(ds.dataset(folder), 30, seed=1), frame)
    last = _pieces(frame)[-1]
    pq.write_table(pa.Table.from_pandas(last[["b"]], preserve_index=False), folder / "7.parquet")
    with pytest.raises(DataError, match="Piece 7 of the data has no column 'a'"):
        list(pymc3_vi.DataLoader(ds.dataset(folder), 30, seed=1))


def test_hdf5(frame, tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "rows.h5", "w") as file:
        source = {name: file.create_dataset(name, data=frame[name].to_numpy(), chunks=(7,)) for name in frame}
        _check(pymc3_vi.DataLoader(source, 30, seed=1), frame)


def test_zarr(frame, tmp_path):
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(str(tmp_path / "rows.zarr"), mode="w")
    for name in frame:
        group.create_dataset(name, data=frame[name].to_numpy(), shape=(ROWS,), chunks=(7,))
    _check(pymc3_vi.DataLoader({name: group[name] for name in frame}, 30, seed=1), frame)


def test_dask_arrays(frame):
    da = pytest.importorskip("dask.array")
    source = {name: da.from_array(frame[name].to_numpy(), chunks=7) for name in frame}
    _check(pymc3_vi.DataLoader(source, 30, seed=1), frame)
    plain = pymc3_vi.DataLoader(source["a"], 30, seed=1)  # a tensor of its own
    np.testing.assert_array_equal(plain.table.take(np.arange(ROWS))[0], frame["a"])


def test_dask_frames(frame):
    try:
        dd = pytest.importorskip("dask.dataframe")
    except (AttributeError, ImportError) as error:  # a Dask of today on pandas of then
        pytest.skip(str(error))
    _check(pymc3_vi.DataLoader(dd.from_pandas(frame, npartitions=PIECES), 30, seed=1), frame)


def test_a_fit_reads_row_groups(rng, tmp_path):
    """The mean of 9,000 values in eight row groups: one product of passes over the file."""
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    y = rng.normal(3.0, 1.0, 9000)
    pq.write_table(pa.table({"x": np.zeros(9000), "y": y}), tmp_path / "y.parquet", row_group_size=9000 // PIECES)
    data = pymc3_vi.DataLoader(pq.ParquetFile(tmp_path / "y.parquet"), 100, seed=1)
    with pymc3_vi.fast_build(), pm.Model():
        pm.Normal("y", pm.Normal("mu", 0.0, 1e3), 1.0, observed=data["y"], total_size=len(data))
        approx = pymc3_vi.fit(1000, random_seed=1, progressbar=False)
    np.testing.assert_allclose(approx.mean.eval(), y.mean(), atol=0.02 / np.sqrt(9000))
    np.testing.assert_allclose(approx.std.eval(), 1 / np.sqrt(9000), rtol=0.02)


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
    _check(pymc3_vi.DataLoader(lambda: iter(_pieces(frame)), 30, seed=1), frame)
