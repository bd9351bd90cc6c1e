"""Rows in batches: every row once an epoch, columns aligned, bad columns refused by name."""

import copy
import pickle

import pymc3_vi
from pymc3_vi.data import Table, _columns
from pymc3_vi.data._columns import MappedColumn, SlicedColumn
from pymc3_vi.data._order import WINDOW, BatchOrder
from pymc3_vi.data._table import WINDOW_BYTES, spread_rows
from pymc3_vi.errors import DataError, UnknownNameError

import numpy as np
import pytest
import theano


@pytest.mark.parametrize("length", [7, 1000, 35 * 2048 + 11])
@pytest.mark.parametrize("shuffle", [True, False])
def test_every_row_comes_once_an_epoch(length, shuffle):
    order = BatchOrder(length, min(length, 600), shuffle, 3, 2048)
    size = order.batch_size
    rows = np.concatenate([order.rows(i) for i in range(-(-2 * length // size))])[: 2 * length]
    for epoch in rows.reshape(2, length):
        np.testing.assert_array_equal(np.sort(epoch), np.arange(length))
    if shuffle and length > 7:
        assert not np.array_equal(rows[:length], rows[length:]) and np.abs(np.diff(rows)).mean() > length / 10
    np.testing.assert_array_equal(order.rows(1), BatchOrder(length, size, shuffle, 3, 2048).rows(1))


def test_columns_stay_aligned_and_the_remainder_comes():
    x = np.arange(30.0).reshape(10, 3)
    data = pymc3_vi.DataLoader({"x": x, "y": x[:, 0]}, batch_size=4, seed=1)
    batches = list(data)
    assert [len(b["y"]) for b in batches] == [4, 4, 2] and len(data) == 10
    assert all(np.array_equal(b["x"][:, 0], b["y"]) for b in batches)
    np.testing.assert_array_equal(np.sort(np.concatenate([b["y"] for b in batches])), x[:, 0])
    function = theano.function([], [data["x"][:, 0], data["y"]])
    for i in range(5):
        first, second = function()
        np.testing.assert_array_equal(first, second)
        np.testing.assert_array_equal(second, data.batch(i)[1])


def test_types_are_those_of_a_minibatch():
    data = pymc3_vi.DataLoader((np.zeros((4, 2), "float32"), np.arange(4, dtype="int16"), np.ones(4, bool)), 2)
    assert [data[i].dtype for i in range(3)] == [theano.config.floatX, "int16", "int8"]


@pytest.mark.parametrize(
    "source, message",
    [
        ({"x": np.zeros(3), "y": np.zeros(4)}, "Got 4 rows of 'y' and 3 of 'x'"),
        ({"x": np.array(["a", "b"])}, "must have rows of numbers. Got 'x' of shape"),
        (np.zeros((0, 2)), "must have rows"),
        ({}, "must have columns"),
    ],
)
def test_bad_columns_are_named(source, message):
    with pytest.raises(DataError, match=message):
        pymc3_vi.DataLoader(source)


def test_an_unknown_column_is_named():
    with pytest.raises(UnknownNameError, match="no column 'price'.*Did you mean 'prices'"):
        pymc3_vi.DataLoader({"prices": np.zeros(3)})["price"]


def test_blocks_begin_where_they_always_do():
    column = SlicedColumn(np.arange(100.0))
    table = Table([column], 10)
    table.block_rows = lambda: 30
    assert [(b, len(a[0])) for b, a in table.blocks()] == [(0, 30), (30, 30), (60, 30), (90, 10)]
    assert [b for b, _ in table.blocks(65)] == [60, 90]
    index = spread_rows(10, 100, 1)
    assert np.array_equal(index // 10, np.arange(10))
    np.testing.assert_array_equal(column.take(index), np.arange(100.0)[index])


class _Counted:
    """An array that gives rows by slices and counts those that were read."""

    def __init__(self, array):
        self.array, self.shape, self.dtype, self.read, self.calls = array, array.shape, array.dtype, 0, 0

    def __getitem__(self, index):
        found = self.array[index]
        self.read, self.calls = self.read + len(found), self.calls + 1
        return found


@pytest.mark.parametrize("shuffle", [True, False])
def test_batches_read_every_row_once_an_epoch(shuffle):
    """A batch has rows from all over the data: read for it alone, those were the whole data for every batch."""
    n = 12_345
    x = _Counted(np.arange(1000.0 * n).reshape(n, 1000))
    data = pymc3_vi.DataLoader({"x": x}, 100, shuffle=shuffle, seed=1)
    assert n > 2 * WINDOW * data.order.block
    kept = pymc3_vi.DataLoader({"x": x.array}, 100, shuffle=shuffle, seed=1)
    x.read = x.calls = 0
    for i in range(n // 100):
        np.testing.assert_array_equal(data.batch(i)[0], kept.batch(i)[0])
    assert x.read < 1.05 * n and x.calls < 1.2 * n / data.order.block
    x.read = 0
    assert sum(len(batch["x"]) for batch in data) == n and x.read < 1.05 * n


@pytest.mark.parametrize("width", [1, 50, 5000, 500_000])
def test_windows_fit_into_memory(width):
    """Of wide rows fewer neighbours, but from as many places."""
    n = 20_000 if width < 10_000 else 400
    data = pymc3_vi.DataLoader(np.lib.stride_tricks.as_strided(np.zeros(1), (n, width), (0, 0)), 100, seed=1)
    rows = data.order.window(0, 0)
    assert rows.size * width * 8 <= WINDOW_BYTES and len(np.unique(rows // data.order.block)) == min(
        WINDOW, WINDOW_BYTES // (8 * width)
    )
    assert len(rows) == n or rows.size * width * 8 > WINDOW_BYTES / 2
    found = np.concatenate([data.order.rows(i) for i in range(n // 100)])
    np.testing.assert_array_equal(np.sort(found), np.arange(n))


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda loader: pickle.loads(pickle.dumps(loader))])
def test_copies_give_the_same_batches(copied):
    """Copying or pickling a loader, and so a model with one, was a TypeError."""
    x = np.arange(60.0).reshape(20, 3)
    for source in ({"x": x}, x):
        data = pymc3_vi.DataLoader(source, 7, seed=1)
        other = copied(data)
        assert type(other) is type(data)
        for i in range(5):
            np.testing.assert_array_equal(other.batch(i)[0], data.batch(i)[0])


def test_one_mapped_row_may_lie_backwards(tmp_path):
    """The stride of a single row, which is any number, was taken for its bytes."""
    np.save(tmp_path / "x.npy", np.arange(3.0).reshape(1, 3))
    data = pymc3_vi.DataLoader(np.load(tmp_path / "x.npy", mmap_mode="r")[::-1], 10, seed=1)
    np.testing.assert_array_equal(data.batch(0)[0], [[0.0, 1.0, 2.0]])


def test_rows_far_apart_are_read_alone():
    x = _Counted(np.arange(1_000_000.0))
    column = SlicedColumn(x)
    index = np.r_[np.arange(500, 700), 400_000, 999_999]
    np.testing.assert_array_equal(column.take(index), x.array[index])
    assert x.read == 202 and x.calls == 3


def test_rows_of_a_mapped_file_are_taken_piece_by_piece(tmp_path, monkeypatch):
    x = np.arange(3000.0).reshape(1000, 3)
    np.save(tmp_path / "x.npy", x)
    column = MappedColumn(np.load(tmp_path / "x.npy", mmap_mode="r"))
    monkeypatch.setattr(_columns, "MAPPED_BYTES", 24 * 70)
    index = np.array([0, 69, 70, 71, 500, 999])
    np.testing.assert_array_equal(column.take(index), x[index])
    np.testing.assert_array_equal(column.take(index[::-1]), x[index[::-1]])
