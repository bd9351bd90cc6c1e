"""Aligned columns that are read by rows."""

import numpy as np

from ..errors import DataError
from ._ahead import read_ahead
from ._columns import ArrayColumn

__all__ = ["Table", "spread_rows"]

#: Bytes of a block of rows that are not in memory.
BLOCK_BYTES = 2**23


def spread_rows(count, length, seed):
    """`count` of `length` row numbers, ascending, one at random in each of as many equal parts of the data.

    Data that lie in some order, by time or by group, are met evenly.
    """
    edges = (np.arange(count + 1) * length) // count
    generator = np.random.Generator(np.random.SFC64(seed))
    return edges[:-1] + (generator.random(count) * np.diff(edges)).astype("int64")


class Table:
    """Columns of one data set; row i of one belongs to row i of the others.

    Parameters
    ----------
    columns : list
        See ``_columns``.
    batch_size : int
        Rows that one stochastic step takes.
    """

    def __init__(self, columns, batch_size):
        self.columns, self.batch_size = list(columns), int(batch_size)

    def __len__(self):
        return len(self.columns[0])

    @property
    def in_memory(self):
        """Whether all columns are."""
        return all(column.in_memory for column in self.columns)

    def check(self):
        """Refuse columns whose numbers of rows differ, as they do when a file grows."""
        lengths = [len(column) for column in self.columns]
        if len(set(lengths)) > 1:
            raise DataError(f"Columns of one data set must have as many rows each. Got {lengths} rows instead.")

    def block_rows(self):
        """Rows of a block."""
        if self.in_memory:
            return max(len(self), 1)
        row = sum(int(np.prod(c.shape[1:])) * c.dtype.itemsize for c in self.columns)
        return max(BLOCK_BYTES // max(row, 1), 1)

    def blocks(self, begin=0):
        """Iterator of (first row, arrays), from the block with row `begin` on; what is in memory is one block.

        Where reading takes time of its own, the next block is read meanwhile.
        """
        length = len(self)
        cuts = [*self.columns[0].cuts(self.block_rows(), self.columns[1:]), length]
        parts = [(first, end) for first, end in zip(cuts[:-1], cuts[1:]) if end > begin]

        def read(part):
            return part, [column.read(*part) for column in self.columns]

        is_slow = len(parts) > 1 and not all(column.maps for column in self.columns)
        for (first, end), arrays in read_ahead(read, parts) if is_slow else map(read, parts):
            for column in self.columns:
                column.expect(end, min(2 * end - first, length))
            yield first, arrays
            for column in self.columns:
                column.release(first, end)

    def take(self, index):
        """Arrays with the rows of these numbers."""
        return self.columns[0].take_with(self.columns[1:], index)

    def subset(self, count, seed):
        """:class:`Table` in memory of `count` rows from all over the data."""
        arrays = self.take(spread_rows(count, len(self), seed))
        return Table([ArrayColumn(a) for a in arrays], self.batch_size)
