"""Results with an entry for every row: in memory, or in a temporary file where they are large."""

import mmap
import tempfile

import numpy as np

__all__ = ["RowsArray"]

#: Bytes beyond which results are in a file.
LARGEST_IN_MEMORY = 2**28


class RowsArray:
    """Array (draws, rows, ...) that is filled rows by rows.

    A large one is mapped from a temporary file without a name, which is gone with the array; pages that have been
    written do not stay in memory.

    Parameters
    ----------
    draws, rows : int
    shape : tuple of int
        Of the entries of one row.
    dtype : dtype

    Attributes
    ----------
    array : ndarray (draws, rows, ...)
    """

    def __init__(self, draws, rows, shape, dtype):
        shape, dtype = (rows, draws) + tuple(shape), np.dtype(dtype)
        self._map = None
        # The rows first, so that what is written together lies together.
        if int(np.prod(shape, dtype="int64")) * dtype.itemsize <= LARGEST_IN_MEMORY:
            stored = np.empty(shape, dtype)
        else:
            with tempfile.TemporaryFile(prefix="pymc3_vi_") as file:
                stored = np.memmap(file, dtype, "w+", shape=shape)
            self._map = stored._mmap
        self._stored = stored
        self.array = np.moveaxis(stored, 0, 1)

    def put(self, begin, values):
        """Set the rows from `begin` on to `values` (draws, n, ...)."""
        self._stored[begin : begin + values.shape[1]] = np.moveaxis(values, 0, 1)
        if self._map is not None and hasattr(mmap, "MADV_DONTNEED"):
            self._map.flush()
            self._map.madvise(mmap.MADV_DONTNEED)
