"""Graph rewrites of single elements of vectors, and of matrices that are read or written at known places."""

import numpy as np
import theano.tensor as tt
from theano import scalar as ts
from theano.graph.basic import Constant
from theano.graph.opt import TopoOptimizer, local_optimizer
from theano.sandbox.rng_mrg import mrg_uniform
from theano.tensor.basic import NotScalarConstantError
from theano.tensor.extra_ops import CumOp
from theano.tensor.subtensor import (
    AdvancedIncSubtensor,
    AdvancedIncSubtensor1,
    AdvancedSubtensor,
    AdvancedSubtensor1,
    IncSubtensor,
    advanced_inc_subtensor1,
    advanced_set_subtensor1,
    advanced_subtensor1,
)  # fmt: skip

from .ops import CumulativeSum, PutElements, TakeElements, UniformStreams

__all__ = ["PutElementsInplace", "local_elements_by_flat_index", "local_elements_in_c", "local_streams_side_by_side"]

_FLOATS = ("float32", "float64")


@local_optimizer([AdvancedSubtensor, AdvancedIncSubtensor])
def local_elements_by_flat_index(fgraph, node):
    """Elements of a matrix of known shape at known places, by C code for vectors instead of Python code.

    Packed triangular matrices are read and written so.
    """
    if not isinstance(node.op, (AdvancedSubtensor, AdvancedIncSubtensor)):
        return None
    writes = isinstance(node.op, AdvancedIncSubtensor)
    x, indices = node.inputs[0], node.inputs[2 if writes else 1 :]
    shape = _known_shape(fgraph, x) if x.ndim == 2 else None
    if shape is None or len(indices) != 2 or not all(_is_known_vector(index) for index in indices):
        return None
    rows, columns = np.broadcast_arrays(*[index.data.astype("int64") for index in indices])
    if not rows.size or rows.min() < 0 or columns.min() < 0 or rows.max() >= shape[0] or columns.max() >= shape[1]:
        return None
    places = tt.constant(rows * shape[1] + columns, dtype="int64")
    if not writes:
        return [tt.cast(advanced_subtensor1(x.flatten(), places), node.outputs[0].dtype)]
    value = node.inputs[1]
    if value.ndim != 1:
        return None
    if value.broadcastable[0] and len(rows) > 1:
        value = tt.alloc(value, len(rows))
    put = advanced_set_subtensor1 if node.op.set_instead_of_inc else advanced_inc_subtensor1
    result = put(x.flatten(), value, places).reshape(shape, ndim=2)
    return [tt.patternbroadcast(result, node.outputs[0].broadcastable)]


def _is_known_vector(index):
    return isinstance(index, Constant) and getattr(index, "ndim", None) == 1 and index.dtype.startswith("int")


def _known_shape(fgraph, x):
    """Shape as integers where it does not depend on inputs, else None."""
    shapes = getattr(fgraph, "shape_feature", None)
    if shapes is None or x not in shapes.shape_of:
        return None
    try:
        return tuple(int(tt.get_scalar_constant_value(n)) for n in shapes.shape_of[x])
    except NotScalarConstantError:
        return None


@local_optimizer([AdvancedSubtensor1, AdvancedIncSubtensor1, IncSubtensor, CumOp])
def local_elements_in_c(fgraph, node):
    """Elements of vectors and rows of arrays, for which Theano calls NumPy's general functions: a microsecond each.

    Those wait for every row that is not in the cache before they ask for the next one.
    """
    op = node.op
    if not isinstance(op, (AdvancedSubtensor1, AdvancedIncSubtensor1, IncSubtensor, CumOp)):
        return None
    x, (out,) = node.inputs[0], node.outputs
    if isinstance(op, AdvancedSubtensor1) and x.dtype in TakeElements.dtypes and out.dtype == x.dtype:
        return [tt.patternbroadcast(TakeElements()(x, _as_int64(node.inputs[1])), out.broadcastable)]
    if x.ndim != 1 or out.ndim != 1 or x.dtype not in _FLOATS or out.dtype != x.dtype:
        return None
    if isinstance(op, (AdvancedIncSubtensor1, IncSubtensor)):
        y, index = node.inputs[1], node.inputs[2] if isinstance(op, AdvancedIncSubtensor1) else _single_place(node)
        if index is None or op.inplace or not np.can_cast(y.dtype, x.dtype):
            return None
        y = tt.cast(y if y.ndim else y.dimshuffle("x"), x.dtype)
        result = PutElements(not op.set_instead_of_inc)(x, y, _as_int64(index))
    elif isinstance(op, CumOp):
        if op.mode != "add" or op.axis not in (None, 0):
            return None
        result = CumulativeSum()(x)
    else:
        return None
    return [tt.patternbroadcast(result, out.broadcastable)]


def _as_int64(index):
    return index if index.dtype == "int64" else tt.cast(index, "int64")


def _single_place(node):
    """The index of an IncSubtensor that writes one element at a known place, as a vector, else None."""
    if len(node.op.idx_list) != 1 or not isinstance(node.op.idx_list[0], ts.Scalar):
        return None
    index = node.inputs[2]
    return tt.constant([int(index.data)], dtype="int64") if isinstance(index, Constant) else None


@local_optimizer([mrg_uniform])
def local_streams_side_by_side(fgraph, node):
    """The numbers of random streams, several at a time."""
    if type(node.op) is not mrg_uniform or node.op.output_type.dtype not in _FLOATS:
        return None
    return UniformStreams(node.op.output_type, node.op.inplace)(*node.inputs, return_list=True)


@local_optimizer([PutElements], inplace=True)
def local_put_elements_inplace(fgraph, node):
    """Elements are put into the vector itself where nothing else needs it."""
    if not isinstance(node.op, PutElements) or node.op.inplace:
        return None
    return [PutElements(node.op.add, inplace=True)(*node.inputs)]


def PutElementsInplace():
    """The rewrite above for all nodes of a graph; refused where something needs the old vector."""
    return TopoOptimizer(local_put_elements_inplace, failure_callback=TopoOptimizer.warn_inplace)
