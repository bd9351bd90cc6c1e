"""The order of sums over rows follows from the rows alone."""

from pymc3_vi.diagnostics._leaves import Leaves

import numpy as np
import pytest


@pytest.mark.parametrize("lengths", [[100], [2_000_000], [300_000, 70_001, 5000]])
@pytest.mark.parametrize("workers, pieces", [(1, 1), (2, 1), (3, 2), (4, 1), (7, 4), (64, 1)])
def test_any_sharing_gives_the_same_sum(lengths, workers, pieces, rng):
    leaves = Leaves(lengths)
    values = rng.normal(size=(len(leaves), 2, 3)) * 10.0 ** rng.integers(-8, 8, size=(len(leaves), 1, 1))
    wanted = leaves.sums(0, len(leaves), values.__getitem__)[0]
    shares = leaves.shares(workers, pieces)
    edges = [begin for _, begin, _ in shares] + [len(leaves)]
    assert edges[0] == 0 and [end for _, _, end in shares] == edges[1:]
    assert [w for w, _, _ in shares] == sorted(w for w, _, _ in shares) and shares[-1][0] < workers
    known = {}
    for _, begin, end in shares:
        known.update(zip(leaves.branches(begin, end), leaves.sums(begin, end, values.__getitem__)))
        if not workers & (workers - 1) and len(lengths) == 1:
            assert len(leaves.branches(begin, end)) == 1  # one sum is all that is sent
    np.testing.assert_array_equal(leaves.total(known), wanted)


@pytest.mark.parametrize("length", [1, 4095, 10_000, 10_000_000])
def test_leaves_have_all_rows_once(length):
    leaves = Leaves([length, 7])
    ends = [end for number, _, end in leaves.places if number == 0]
    begins = [begin for number, begin, _ in leaves.places if number == 0]
    assert begins == [0] + ends[:-1] and ends[-1] == length and leaves.rows(0, len(leaves)) == length + 7
    assert leaves.ranges(0, len(leaves)) == [(0, 0, length), (1, 0, 7)]
    work = [leaves.rows(begin, end) for _, begin, end in leaves.shares(5, 1)]
    assert length < 1_000_000 or max(work) < 1.3 * length / 5
