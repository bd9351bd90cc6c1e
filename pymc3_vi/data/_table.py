"""Aligned columns that are read by rows."""

from typing import Any, Tuple

import numpy as np

from ..errors import DataError
from ._ahead import read_ahead
from ._columns import ArrayColumn
from ._order import WINDOW

__all__ = ["Table", "spread_rows"]

#: Bytes of a block of rows that are not in memory, and of those that stochastic batches come from.
BLOCK_BYTES, WINDOW_BYTES = 2**23, 2**25


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
        self._window: Tuple[Any, Any, Any] = (None, None, None)

    def __getstate__(self):
        return dict(vars(self), _window=(None, None, None))

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
        return max(BLOCK_BYTES // self._row_bytes(), 1)

    def _row_bytes(self):
        return max(sum(int(np.prod(c.shape[1:])) * c.dtype.itemsize for c in self.columns), 1)

    def window(self):
        """Rows of a block, and blocks, of the windows that batches of a :class:`BatchOrder` come from.

        As many rows as there is room for: files give many at once, and single ones no faster.
        """
        each = self._row_bytes() + 16  # with its number, and its place in the window
        room = max(WINDOW_BYTES // each, 1)
        return min(max(room // WINDOW, 1), -(-len(self) // WINDOW)), min(room, WINDOW)

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

    def part(self, window, rows, inside):
        """Arrays with the rows of the numbers ``rows[inside]``; what is not in memory is read for a whole `window`.

        A batch has rows from all over the data.  Read for it alone they would take as long as all of the window's, in
        some files as all that there are.
        """
        if self.in_memory:
            return self.take(rows[inside])
        kept = self._window  # threads may share a loader
        if kept[0] != window:
            kept = self._window = (None, None, None)  # not two at a time
            order = np.argsort(rows)
            place = np.empty_like(order)
            place[order] = np.arange(len(order))
            kept = self._window = window, place, self.take(rows[order])
        _, place, arrays = kept
        return [array[place[inside]] for array in arrays]

    def subset(self, count, seed):
        """:class:`Table` in memory of `count` rows from all over the data."""
        arrays = self.take(spread_rows(count, len(self), seed))
        return Table([ArrayColumn(a) for a in arrays], self.batch_size)
