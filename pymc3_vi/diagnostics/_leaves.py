"""Sums over rows in a fixed order: a binary tree over parts of the data, whoever adds which of them."""

import numpy as np

from ..data import part_of

__all__ = ["Leaves"]

#: Rows of a leaf at least, and leaves of a table at most.
LEAF_ROWS, MOST_LEAVES = 4096, 512


def _power_of_two(n):
    """The largest one that is at most `n`."""
    return 1 << (int(n).bit_length() - 1)


class Leaves:
    """Parts of all tables, numbered; they follow from the numbers of rows alone.

    The sum of the leaves from `a` to `b` is that of `a` to `m` plus that of `m` to `b`, with ``m - a`` the largest
    power of two below ``b - a``.  So every worker may add up leaves that are next to each other, and the result is
    the same to the last bit for any number of workers.

    Parameters
    ----------
    lengths : list of int
        Rows of each table.

    Attributes
    ----------
    places : list of (table, begin, end)
    """

    def __init__(self, lengths):
        self.lengths = [int(n) for n in lengths]
        self.places = []
        for number, length in enumerate(self.lengths):
            count = _power_of_two(np.clip(length // LEAF_ROWS, 1, MOST_LEAVES))
            edges = [k * length // count for k in range(count + 1)]
            self.places += [(number, begin, end) for begin, end in zip(edges[:-1], edges[1:])]

    def __len__(self):
        return len(self.places)

    def rows(self, begin, end):
        """Rows of the leaves from `begin` to `end`."""
        return sum(last - first for _, first, last in self.places[begin:end])

    def ranges(self, begin, end):
        """List of (table, first row, last row) of the leaves from `begin` to `end`, one for each table."""
        found = {}
        for number, first, last in self.places[begin:end]:
            found[number] = (found.get(number, (first,))[0], last)
        return [(number, first, last) for number, (first, last) in found.items()]

    # ---------------------------------------------------------------- who does what
    def shares(self, workers, pieces):
        """(worker, begin, end) of tasks, `pieces` for each of `workers`, that consist of few branches of the tree."""
        blocks = _power_of_two(workers * pieces)
        if blocks < workers * pieces or workers & (workers - 1):
            blocks *= 8  # uneven numbers of blocks for each
        size = max(1, _power_of_two(max(len(self) // blocks, 1)))
        count = -(-len(self) // size)
        edges = [min(k * count // (workers * pieces) * size, len(self)) for k in range(workers * pieces + 1)]
        cut = zip(range(workers * pieces), edges[:-1], edges[1:])
        return [(k // pieces, begin, end) for k, begin, end in cut if end > begin]

    def branches(self, begin, end, low=0, high=None):
        """The largest branches (low, high) of the tree that make up the leaves from `begin` to `end`."""
        high = len(self) if high is None else high
        if begin <= low and high <= end:
            return [(low, high)]
        if end <= low or high <= begin:
            return []
        middle = _middle(low, high)
        return self.branches(begin, end, low, middle) + self.branches(begin, end, middle, high)

    # ---------------------------------------------------------------- sums
    def total(self, known, low=0, high=None):
        """Sum of the branch (low, high) from those in the dict `known`."""
        high = len(self) if high is None else high
        if (low, high) in known:
            return known[low, high]
        middle = _middle(low, high)
        return self.total(known, low, middle) + self.total(known, middle, high)

    def sums(self, begin, end, evaluate):
        """Array with a sum for each of :meth:`branches`, from ``evaluate(leaf number)``."""
        return np.stack([self._sum(low, high, evaluate) for low, high in self.branches(begin, end)])

    def _sum(self, low, high, evaluate):
        if high - low == 1:
            return evaluate(low)
        middle = _middle(low, high)
        return self._sum(low, middle, evaluate) + self._sum(middle, high, evaluate)

    def evaluate(self, density, columns, batch_size, z, with_slopes):
        """Function of the number of a leaf: log p of its rows at points z (s, d), and gradients, as (s, 1 + d).

        Parameters
        ----------
        density : RowDensity
        columns : callable
            ``columns(table, begin, end)`` gives the columns as ``data.part_of`` takes them.
        batch_size : list of int
            Of each table.
        z : ndarray (s, d)
        with_slopes : bool
            Without, the result is (s, 1).
        """

        def of_leaf(number):
            part, begin, end = self.places[number]
            table = part_of(columns(part, begin, end), batch_size[part], begin, end)
            found = np.zeros((len(z), 1 + (density.d if with_slopes else 0)))
            for _, block in table.blocks():
                length = density.slice_length(part, block, len(z))
                for first in range(0, len(block[0]), length):
                    piece = [c[first : first + length] for c in block]
                    logp, grad = density.of_slice(part, piece, z, with_slopes)
                    found[:, 0] += logp
                    found[:, 1:] += grad
            return found

        return of_leaf


def _middle(low, high):
    return low + _power_of_two(high - low - 1)
