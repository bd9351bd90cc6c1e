"""Columns in another process: opened there where that can be done, and parts of them."""

import importlib
import mmap
import os
import socket
from collections import namedtuple

import numpy as np

from ..errors import DataError
from ._columns import ArrayColumn, MappedColumn, SlicedColumn, _Column
from ._table import Table

__all__ = ["part_of", "way_to"]


class FileRows(namedtuple("FileRows", "path, dtype, offset, shape, strides, ends")):
    """Where the rows of a memory-mapped array lie in a file, and its first and last row, by which it is known again."""

    __slots__ = ()

    @classmethod
    def of(cls, array):
        """None where another process would not see the same rows."""
        base = array
        while base is not None and not isinstance(base, mmap.mmap):
            base = base.obj if isinstance(base, memoryview) else getattr(base, "base", None)
        path = getattr(array, "filename", None)
        if base is None or path is None or array.mode == "c" or min(array.strides, default=0) < 0:
            return None
        path = os.path.abspath(os.fspath(path))
        if not (len(array) and os.path.exists(path)):
            return None
        begin = np.frombuffer(base, dtype=np.uint8, count=1).__array_interface__["data"][0]
        offset = array.offset - array.offset % mmap.ALLOCATIONGRANULARITY
        offset += array.__array_interface__["data"][0] - begin
        return cls(path, array.dtype, offset, array.shape, array.strides, _ends(array))

    def open(self):
        """The column."""
        where = f"the worker on {socket.gethostname()}"
        if not os.path.isfile(self.path):
            raise DataError(
                f"The file {self.path} of the data does not exist for {where}. Put it where every worker finds it "
                "under the same path, for example on a shared file system."
            )
        span = int(sum((n - 1) * step for n, step in zip(self.shape, self.strides))) + self.dtype.itemsize
        if os.path.getsize(self.path) < self.offset + span:
            raise DataError(
                f"The file {self.path} of the data has {os.path.getsize(self.path):,} bytes for {where}, too few for "
                f"rows of shape {self.shape}. Copy the whole file to the worker."
            )
        if _is_dense(self):
            array = np.memmap(self.path, self.dtype, "r", self.offset, self.shape)
        else:
            stored = np.memmap(self.path, np.uint8, "r", self.offset, (span,))
            array = np.ndarray(self.shape, self.dtype, stored, strides=self.strides)
        if _ends(array) != self.ends:
            raise DataError(
                f"The file {self.path} of the data has other rows for {where} than here. Copy the same file to all."
            )
        return MappedColumn(array)


def _is_dense(rows):
    return rows.strides == np.lib.stride_tricks.as_strided(np.empty(1, rows.dtype), rows.shape).strides


def _ends(array):
    return np.asarray(array[0]).tobytes() + np.asarray(array[-1]).tobytes()


class DatasetRows(namedtuple("DatasetRows", "path, name, shape")):
    """A dataset in an HDF5 file."""

    __slots__ = ()

    def open(self):
        """The column."""
        try:
            found = importlib.import_module("h5py").File(self.path, "r")[self.name]
        except (OSError, KeyError) as error:
            where = f"the worker on {socket.gethostname()}"
            raise DataError(f"The dataset {self.name} of {self.path} cannot be read by {where}: {error}") from None
        if found.shape != self.shape:
            raise DataError(f"The dataset {self.name} of {self.path} has shape {found.shape}, not {self.shape}.")
        return SlicedColumn(found)


class AsItIs(namedtuple("AsItIs", "column")):
    """A column that can be pickled, because it holds no rows itself."""

    __slots__ = ()

    def open(self):
        """The column."""
        return self.column


def way_to(column):
    """What gives a column in another process, by ``open()``; None where its rows themselves have to go there."""
    if isinstance(column, MappedColumn):
        return FileRows.of(column.array)
    if isinstance(column, SlicedColumn) and type(column.array).__module__.split(".")[0] == "h5py":
        return DatasetRows(os.path.abspath(column.array.file.filename), column.array.name, column.shape)
    return None if column.in_memory or column.at_hand else AsItIs(column)


class Stretch(_Column):
    """Rows from `begin` to `end` of another column."""

    def __init__(self, column, begin, end):
        self.column, self.begin, self.end = column, begin, end
        self.in_memory = column.in_memory

    def __len__(self):
        return self.end - self.begin

    @property
    def array(self):
        """The rows in memory."""
        return self.read(0, len(self))

    @property
    def shape(self):
        """Shape of all rows."""
        return (len(self),) + self.column.shape[1:]

    @property
    def dtype(self):
        """Type of the entries as they are stored."""
        return self.column.dtype

    def read(self, begin, end):
        return self.column.read(self.begin + begin, self.begin + end)

    def take(self, index):
        return self.column.take(np.asarray(index) + self.begin)

    def expect(self, begin, end):
        self.column.expect(self.begin + begin, self.begin + end)

    def release(self, begin, end):
        self.column.release(self.begin + begin, self.begin + end)


def part_of(columns, batch_size, begin, end):
    """:class:`Table` of the rows from `begin` to `end` of `columns`, each a column or (first row, array of some)."""
    return Table([_stretch(column, begin, end) for column in columns], batch_size)


def _stretch(column, begin, end):
    if not isinstance(column, tuple):
        return Stretch(column, begin, end)
    first, array = column
    return ArrayColumn(array[begin - first : end - first])
