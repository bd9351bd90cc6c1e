"""Batches of rows in a graph, and rows by number."""

from collections import OrderedDict
from copy import copy

import numpy as np
import theano
import theano.tensor as tt
from theano.graph.basic import Apply
from theano.graph.op import Op

from ..compiler import flags
from ..errors import DataError, UnknownNameError
from ..parameters import checked
from ..validation import did_you_mean
from ._columns import column_of
from ._order import BatchOrder
from ._sources import frame_columns
from ._table import Table

__all__ = ["DataLoader", "RowsVariable"]


class NextBatch(Op):
    """Batch number `i` of a loader, one output for each of its columns."""

    __props__ = ("loader",)

    def __init__(self, loader):
        self.loader = loader

    def make_node(self, i):
        return Apply(self, [tt.as_tensor_variable(i)], [t() for t in self.loader.types])

    def perform(self, node, inputs, outputs):
        for cell, array in zip(outputs, self.loader.batch(int(inputs[0]))):
            cell[0] = array

    def grad(self, inputs, output_grads):
        return [theano.gradient.grad_undefined(self, 0, inputs[0])]


class RowsVariable(tt.TensorVariable):
    """Rows of one column of a :class:`DataLoader`, a new batch in every step.

    Attributes
    ----------
    loader : DataLoader
    position : int
        Of the column in the loader.
    """

    def _join_graph(self, loader, position, name):
        self.loader, self.position = loader, position
        batch = loader.node.outputs[position]
        tt.TensorVariable.__init__(self, batch.type, None, None, name=name)
        Apply(theano.compile.view_op, inputs=[batch], outputs=[self])
        self.tag.test_value = batch.tag.test_value

    def clone(self):
        """A plain variable of the same type."""
        variable = self.type()
        variable.name, variable.tag = self.name, copy(self.tag)
        return variable


class DataLoader:
    """Rows of data that need not fit into memory, as batches in a model.

    A loader of one array is a tensor itself and stands wherever a ``pm.Minibatch`` does; one of several columns gives
    them by name or position, and their rows stay aligned.  Give the likelihood ``total_size=len(loader)``.

    Parameters
    ----------
    source : array, dict or tuple of arrays, data frame, Parquet or Arrow data set, or callable
        Arrays may be those of NumPy, memory-mapped files, datasets of HDF5 or zarr, or Dask arrays, with rows as first
        axis; frames those of pandas or Dask; data sets those of ``pyarrow.dataset.dataset(path)``, files those of
        ``pyarrow.parquet.ParquetFile(path)``.  All pieces of a data set must have the columns of the first, in any
        order.  A callable gives an iterable of batches (dicts of arrays), the same ones each time it is called.
    batch_size : int
        Rows of a batch.
    shuffle : bool
        Whether batches have rows from all over the data, in another order in each epoch; else they come in order.
    seed : int, optional
        Of the order; by default from NumPy's global generator.

    Attributes
    ----------
    names : list
        Names or positions of the columns.

    Raises
    ------
    DataError
        For columns of other lengths than the first, without rows, or not of numbers, by name.

    Examples
    --------
    >>> data = pymc3_vi.DataLoader({"x": np.memmap(...), "y": y}, batch_size=500)  # doctest: +SKIP
    >>> with pm.Model():  # doctest: +SKIP
    ...     b = pm.Normal("b", 0, 10, shape=20)
    ...     pm.Bernoulli("y", logit_p=tt.dot(data["x"], b), observed=data["y"], total_size=len(data))
    ...     approx = pymc3_vi.fit()
    """

    def __new__(cls, source=None, *args, **kwargs):
        if source is None:  # a copy
            return object.__new__(cls)
        names = ("columns", "column_names", "get_fragments", "num_row_groups", "__call__")
        is_table = isinstance(source, (dict, tuple, list)) or any(hasattr(source, name) for name in names)
        return object.__new__(cls if is_table or cls is not DataLoader else _TensorLoader)

    @checked
    def __init__(self, source, batch_size=128, shuffle=True, seed=None):
        columns = _columns(source)
        self.names = list(columns)
        self.table = Table(columns.values(), batch_size)
        self._check_rows()
        seed = int(np.random.randint(0, 2**31 - 1)) if seed is None else seed
        seed = int(np.random.SeedSequence(seed).generate_state(1)[0]) if isinstance(seed, list) else seed
        self.order = BatchOrder(len(self), min(batch_size, len(self)), shuffle, seed, *self.table.window())
        self.types = [_type_of(column) for column in self.table.columns]
        self.counter = theano.shared(np.int64(0), "batch_number")
        self.counter.default_update = self.counter + np.int64(1)
        with flags(compute_test_value="off"):
            self.node = NextBatch(self)(self.counter, return_list=True)[0].owner
        for output, array in zip(self.node.outputs, self.batch(0)):
            output.tag.test_value = array
        self._make_variables()

    def _make_variables(self):
        self._variables = OrderedDict()
        for position, name in enumerate(self.names):
            variable = RowsVariable.__new__(RowsVariable)
            variable._join_graph(self, position, str(name))
            self._variables[name] = variable

    def _check_rows(self):
        lengths = OrderedDict((name, len(column)) for name, column in zip(self.names, self.table.columns))
        first = next(iter(lengths.values()))
        for name, length in lengths.items():
            if length != first:
                raise DataError(
                    f"The columns of a DataLoader must have as many rows each. Got {length:,} rows of {name!r} and "
                    f"{first:,} of {self.names[0]!r} instead."
                )
        if not first:
            raise DataError("The 'source' parameter of DataLoader must have rows. Got none.")

    def __len__(self):
        return len(self.table)

    @property
    def batch_size(self):
        """Rows of a batch."""
        return self.order.batch_size

    def __getitem__(self, name):
        try:
            return self._variables[name]
        except KeyError:
            raise UnknownNameError(f"The DataLoader has no column {name!r}.{did_you_mean(name, self.names)}") from None

    def __iter__(self):
        """Batches of one epoch, in the form of the source; the last one has the rows that are left."""
        for parts in self.order.epoch():
            yield self._like_source(self._read(parts))

    def _like_source(self, arrays):
        if self.names == list(range(len(self.names))):
            return tuple(arrays)
        return OrderedDict(zip(self.names, arrays))

    def batch(self, i):
        """Arrays, one for each column, of batch number `i` since the first."""
        return self._read(self.order.parts(i))

    def _read(self, parts):
        found = zip(*(self.table.part(window, self.order.window(*window), inside) for window, inside in parts))
        return [
            np.ascontiguousarray(arrays[0] if len(arrays) == 1 else np.concatenate(arrays), dtype=t.dtype)
            for arrays, t in zip(found, self.types)
        ]


class _TensorLoader(DataLoader, RowsVariable):
    """A loader of one array, which is a tensor of a batch of its rows."""

    def _make_variables(self):
        self._join_graph(self, 0, "DataLoader")

    def __getitem__(self, index):
        return tt.TensorVariable.__getitem__(self, index)

    def _like_source(self, arrays):
        return arrays[0]

    __hash__ = object.__hash__


def _columns(source):
    lazy = frame_columns(source)
    if lazy:
        return OrderedDict(lazy)
    if isinstance(source, dict):
        items = list(source.items())
    elif hasattr(source, "columns"):
        kinds = {name: getattr(source[name].dtype, "kind", "O") for name in source.columns}
        numbers = [name for name in source.columns if kinds[name] in "fiub"]
        items = [(name, source[name]) for name in numbers or source.columns]
    elif isinstance(source, (tuple, list)) and all(hasattr(s, "shape") for s in source) and len(source):
        items = list(enumerate(source))
    else:
        items = [("source", source)]
    symbolic = [item for _, item in items if isinstance(item, theano.graph.basic.Variable)]
    if symbolic:
        raise DataError(f"The 'source' parameter of DataLoader must hold arrays. Got the expression {symbolic[0]}.")
    if not items:
        raise DataError("The 'source' parameter of DataLoader must have columns. Got none.")
    return OrderedDict((name, column_of(array, repr(name))) for name, array in items)


def _type_of(column):
    """Tensor type of a batch: floats in ``floatX``, integers as they are."""
    dtype = theano.config.floatX if column.dtype.kind == "f" else str(column.dtype).replace("bool", "int8")
    return tt.TensorType(dtype, (False,) * len(column.shape))
