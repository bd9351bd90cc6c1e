"""Blocks that are read ahead: in order, each piece once, errors where they belong, and no thread left."""

import threading

import pymc3_vi
from pymc3_vi.data._ahead import read_ahead
from pymc3_vi.errors import DataError

import numpy as np
import pytest

N = 1000


def _threads():
    return [t for t in threading.enumerate() if t.name.startswith("pymc3_vi")]


def test_one_item_ahead_in_order():
    asked = []

    def read(item):
        asked.append(item)
        return item**2

    items = read_ahead(read, range(5))
    assert next(items) == 0
    for thread in _threads():  # the next one is read without being asked for
        thread.join(5)
    assert len(asked) == 2 and list(items) == [1, 4, 9, 16] and asked == list(range(5))
    assert not _threads() and list(read_ahead(read, [])) == []


def test_what_is_left_leaves_no_thread_and_errors_reach_whoever_asked():
    items = read_ahead(lambda item: item, range(9))
    next(items)
    items.close()
    assert not _threads()

    def read(item):
        if item == 2:
            raise OSError("disk")
        return item

    found = []
    with pytest.raises(OSError, match="disk"):
        for item in read_ahead(read, range(9)):
            found.append(item)
    assert found == [0, 1] and not _threads()


@pytest.mark.parametrize("size", [7, 100, 450])
@pytest.mark.parametrize("rows", [50, 250, 5000])
def test_pieces_are_read_once_for_all_columns(size, rows):
    """Blocks of any size of pieces of any size are the data; a pass is one call of the factory, a sample another."""
    x = np.arange(2.0 * N).reshape(N, 2)
    calls, given = [], []

    def factory():
        calls.append(0)
        for begin in range(0, N, size):
            given.append(begin)
            yield {"x": x[begin : begin + size], "y": x[begin : begin + size, 1].astype("int64")}

    table = pymc3_vi.DataLoader(factory, 10, seed=1).table
    table.block_rows = lambda: rows
    calls.clear(), given.clear()
    blocks = list(table.blocks())
    assert len(calls) <= 1 and len(given) <= -(-N // size)
    np.testing.assert_array_equal(np.concatenate([b[0] for _, b in blocks]), x)
    np.testing.assert_array_equal(np.concatenate([b[1] for _, b in blocks]), x[:, 1])
    firsts = [first for first, _ in blocks]
    assert firsts == np.cumsum([0] + [len(b[0]) for _, b in blocks[:-1]]).tolist()
    assert max(len(b[0]) for _, b in blocks) <= rows
    # from the block that has a row
    first, _ = next(iter(table.blocks(333)))
    assert first == max(f for f in firsts if f <= 333)
    calls.clear(), given.clear()
    index = np.array([0, 3, size, 500, N - 1])
    taken = table.take(index)
    assert len(calls) <= 1
    np.testing.assert_array_equal(taken[0], x[index])
    np.testing.assert_array_equal(taken[1], x[index, 1])
    assert not _threads()


def test_a_factory_that_ends_early_is_refused_in_the_pass():
    short = [False]

    def factory():
        for k in range(2 if short[0] else 4):
            yield {"x": np.ones(10) * k}

    table = pymc3_vi.DataLoader(factory, 10, seed=1).table
    table.block_rows, short[0] = (lambda: 10), True
    with pytest.raises(DataError, match="gave 2 batches, 4 the first time"):
        list(table.blocks())
    assert not _threads()
