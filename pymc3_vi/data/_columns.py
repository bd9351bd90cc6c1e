"""Columns: arrays in memory, memory-mapped files, and whatever else gives rows by slices."""

import mmap

import numpy as np
import theano

from ..errors import DataError

__all__ = ["ArrayColumn", "MappedColumn", "SharedColumn", "SlicedColumn", "column_of"]

#: Bytes of a file that are mapped at once while single rows are taken.
MAPPED_BYTES = 2**25
#: Bytes that are read at once for single rows, at most, and between two rows, so that they are not left out.
STRETCH_BYTES, SKIPPED_BYTES = 2**23, 2**17


class _Column:
    """Rows of one array.

    Attributes
    ----------
    array : array-like
    in_memory : bool
        Whether reading all rows at once costs nothing.
    at_hand : bool
        Whether only this process can read the rows.
    maps : bool
        Whether rows are read when they are used, so that nothing can be read ahead.
    """

    in_memory = at_hand = maps = False

    def __init__(self, array):
        self.array = array

    def __len__(self):
        return int(self.array.shape[0])

    @property
    def shape(self):
        """Shape of all rows."""
        return tuple(int(n) for n in self.array.shape)

    @property
    def dtype(self):
        """Type of the entries as they are stored."""
        return np.dtype(self.array.dtype)

    def read(self, begin, end):
        """Rows from `begin` to `end`."""
        return self.array[begin:end]

    def take(self, index):
        """Rows of these numbers, in memory."""
        return self.array[index]

    def take_with(self, others, index):
        """The same of this column and of others that are aligned with it, as a list."""
        return [column.take(index) for column in [self, *others]]

    def cuts(self, rows, others):
        """First rows of blocks of about `rows` rows of this column and of others that are aligned with it."""
        return range(0, len(self), rows)

    def whole(self, dtype=None):
        """Shared variable of all rows."""
        return theano.shared(np.asarray(self.array, dtype), borrow=True)

    def expect(self, begin, end):
        """Rows that are going to be read next."""

    def release(self, begin, end):
        """Rows that have been read."""


class ArrayColumn(_Column):
    """Rows of an array in memory."""

    in_memory = maps = True


class SharedColumn(_Column):
    """Rows of the array that a shared variable holds; always those that it holds now.

    Parameters
    ----------
    shared : theano shared variable
    """

    in_memory = maps = True

    def __init__(self, shared):
        self.shared = shared

    @property
    def array(self):
        """The array."""
        return self.shared.get_value(borrow=True)

    def whole(self, dtype=None):
        """The shared variable itself."""
        return self.shared


class MappedColumn(_Column):
    """Rows of a memory-mapped file; pages that have been read do not stay in memory.

    Parameters
    ----------
    array : numpy.memmap
        Rows lie one after the other in the file, or it is read without advice to the system.
    """

    maps = True

    def __init__(self, array):
        super().__init__(array)
        self._map = self._offset = None
        base = array
        while base is not None and not isinstance(base, mmap.mmap):
            base = base.obj if isinstance(base, memoryview) else getattr(base, "base", None)
        if base is not None and array.flags.c_contiguous and hasattr(base, "madvise"):
            begin = np.frombuffer(base, dtype=np.uint8, count=1).__array_interface__["data"][0]
            self._map, self._offset = base, array.__array_interface__["data"][0] - begin

    def __getstate__(self):
        raise TypeError("A DataLoader over a memory-mapped file cannot be pickled: open the file again instead.")

    def read(self, begin, end):
        return np.asarray(self.array[begin:end])

    def take(self, index):
        # Ascending numbers piece by piece: the pages around each row are mapped, in the end those of the whole file.
        if self._map is None or not len(index) or np.any(np.diff(index) < 0):
            return np.array(self.array[index])
        found = np.empty((len(index),) + self.shape[1:], dtype=self.dtype)
        rows = max(MAPPED_BYTES // max(self.array.nbytes // len(self), 1), 1)
        for first in range(int(index[0]) // rows * rows, int(index[-1]) + 1, rows):
            begin, end = np.searchsorted(index, (first, first + rows))
            if begin < end:
                found[begin:end] = self.array[index[begin:end]]
                self.release(first, min(first + rows, len(self)))
        return found

    def expect(self, begin, end):
        self._advise("MADV_WILLNEED", begin, end)

    def release(self, begin, end):
        self._advise("MADV_DONTNEED", begin, end)

    def _advise(self, advice, begin, end):
        if self._map is None or not hasattr(mmap, advice) or begin >= end:
            return
        row = self.array.nbytes // len(self)  # the stride of a single row may be anything
        first = (self._offset + begin * row) // mmap.PAGESIZE * mmap.PAGESIZE
        self._map.madvise(getattr(mmap, advice), first, min(self._offset + end * row, len(self._map)) - first)


class SlicedColumn(_Column):
    """Rows of an object that gives them by slices: datasets of HDF5 and zarr, Dask arrays."""

    def read(self, begin, end):
        found = np.asarray(self.array[begin:end])
        if len(found) != end - begin:
            raise DataError(
                f"The 'source' parameter of DataLoader, a {type(self.array).__name__} of shape {self.shape}, gave "
                f"{len(found):,} rows for those from {begin:,} to {end:,}: it has others than it says. Open it again."
            )
        return found

    def take(self, index):
        """Rows of ascending numbers, by reading stretches that have some; those that are near each other at once."""
        row = max(int(np.prod(self.shape[1:])) * self.dtype.itemsize, 1)
        apart = np.diff(index) > max(SKIPPED_BYTES // row, 1)
        apart |= np.diff(index // max(STRETCH_BYTES // row, 1)) > 0
        parts = np.split(index, np.flatnonzero(apart) + 1)
        return np.concatenate([self.read(int(i[0]), int(i[-1]) + 1)[i - i[0]] for i in parts])


def column_of(source, name):
    """Column for an array-like `source`."""
    if isinstance(source, np.memmap):
        return MappedColumn(source)
    if hasattr(source, "to_numpy"):
        source = source.to_numpy()
    if not (hasattr(source, "shape") and hasattr(source, "dtype") and hasattr(source, "__getitem__")):
        source = np.asarray(source)
    if not len(source.shape) or np.dtype(source.dtype).kind not in "fiub":
        raise DataError(
            f"The 'source' parameter of DataLoader must have rows of numbers. Got {name} of shape "
            f"{tuple(source.shape)} and dtype {source.dtype} instead."
        )
    return ArrayColumn(source) if isinstance(source, np.ndarray) else SlicedColumn(source)
