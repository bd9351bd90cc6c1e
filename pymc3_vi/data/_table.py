"""Aligned columns that are read by rows."""

import numpy as np

__all__ = ["SharedColumn", "Table", "spread_rows"]


def spread_rows(count, length, seed):
    """`count` of `length` row numbers, ascending, one at random in each of as many equal parts of the data.

    Data that lie in some order, by time or by group, are met evenly.
    """
    edges = (np.arange(count + 1) * length) // count
    generator = np.random.Generator(np.random.SFC64(seed))
    return edges[:-1] + (generator.random(count) * np.diff(edges)).astype("int64")


class SharedColumn:
    """Rows of an array that a shared variable holds; always those that it holds now.

    Parameters
    ----------
    shared : theano shared variable
    """

    def __init__(self, shared):
        self.shared = shared

    def _array(self):
        return self.shared.get_value(borrow=True)

    def __len__(self):
        return len(self._array())

    def whole(self):
        """Shared variable of all rows."""
        return self.shared

    def read(self, begin, end):
        """Rows from `begin` to `end`."""
        return self._array()[begin:end]

    def take(self, index):
        """Rows of these numbers, in memory."""
        return self._array()[index]


class Table:
    """Columns of one data set; row i of one belongs to row i of the others.

    Parameters
    ----------
    columns : list
        Objects with ``__len__``, ``read(begin, end)`` and ``take(index)``.
    batch_size : int
        Rows that one stochastic step would take.
    """

    def __init__(self, columns, batch_size):
        self.columns, self.batch_size = list(columns), int(batch_size)

    def __len__(self):
        return len(self.columns[0])

    def blocks(self, begin=0):
        """Iterator of (first row, arrays), from the block with row `begin` on; what is in memory is one block."""
        if begin < len(self):
            yield 0, [column.read(0, len(self)) for column in self.columns]

    def subset(self, count, seed):
        """:class:`Table` in memory of `count` rows from all over the data."""
        index = spread_rows(count, len(self), seed)
        return Table([_Held(column.take(index)) for column in self.columns], self.batch_size)


class _Held:
    """Rows in memory."""

    def __init__(self, array):
        self.array = array

    def __len__(self):
        return len(self.array)

    def read(self, begin, end):
        return self.array[begin:end]

    def take(self, index):
        return self.array[index]
