"""Rows in batches: every row once an epoch, columns aligned, bad columns refused by name."""

import pymc3_vi
from pymc3_vi.data import Table, _columns
from pymc3_vi.data._columns import MappedColumn, SlicedColumn
from pymc3_vi.data._order import BLOCK, WINDOW, BatchOrder
from pymc3_vi.data._table import spread_rows
from pymc3_vi.errors import DataError, UnknownNameError

import numpy as np
import pytest
import theano


@pytest.mark.parametrize("length", [7, 1000, BLOCK * WINDOW + 3 * BLOCK + 11])
@pytest.mark.parametrize("shuffle", [True, False])
def test_every_row_comes_once_an_epoch(length, shuffle):
    order = BatchOrder(length, min(length, 600), shuffle, 3)
    size = order.batch_size
    rows = np.concatenate([order.rows(i) for i in range(-(-2 * length // size))])[: 2 * length]
    for epoch in rows.reshape(2, length):
        np.testing.assert_array_equal(np.sort(epoch), np.arange(length))
    if shuffle and length > 7:
        assert not np.array_equal(rows[:length], rows[length:]) and np.abs(np.diff(rows)).mean() > length / 10
    np.testing.assert_array_equal(order.rows(1), BatchOrder(length, size, shuffle, 3).rows(1))


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
    np.testing.assert_array_equal(column.take(index, block=7), np.arange(100.0)[index])


def test_rows_of_a_mapped_file_are_taken_piece_by_piece(tmp_path, monkeypatch):
    x = np.arange(3000.0).reshape(1000, 3)
    np.save(tmp_path / "x.npy", x)
    column = MappedColumn(np.load(tmp_path / "x.npy", mmap_mode="r"))
    monkeypatch.setattr(_columns, "MAPPED_BYTES", 24 * 70)
    index = np.array([0, 69, 70, 71, 500, 999])
    np.testing.assert_array_equal(column.take(index), x[index])
    np.testing.assert_array_equal(column.take(index[::-1]), x[index[::-1]])
