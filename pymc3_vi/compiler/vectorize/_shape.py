"""Rules for Ops that move, join or repeat elements."""

import theano.tensor as tt
from theano.compile.ops import Rebroadcast, Shape, Shape_i, SpecifyShape
from theano.graph.basic import Constant
from theano.tensor import nlinalg
from theano.tensor.basic import Alloc, AllocDiag, ExtractDiag, Flatten, Join, Reshape, Split
from theano.tensor.elemwise import DimShuffle
from theano.tensor.extra_ops import BroadcastTo, FillDiagonal, RepeatOp
from theano.tensor.opt import MakeVector

from ..ops import Pack, Unpack
from ._rules import NoBatchRule, Unbatched, constant_int, require_unbatched, rule

__all__ = ["merge_axes", "split_axes"]


def merge_axes(x):
    """`x` with its first two axes made one."""
    return x.reshape([-1] + [x.shape[i] for i in range(2, x.ndim)], ndim=x.ndim - 1)


def split_axes(x, batch, n):
    """The inverse of `merge_axes`: `x` with axes of `batch` and `n` elements in place of its first one."""
    return x.reshape([batch, n] + [x.shape[i] for i in range(1, x.ndim)], ndim=x.ndim + 1)


@rule.register(DimShuffle)
def _dimshuffle(op, node, operands, batch):
    return [operands[0].variable.dimshuffle(0, *[o if o == "x" else o + 1 for o in op.new_order])]


@rule.register(Shape)
def _shape(op, node, operands, batch):
    return [Unbatched(tt.shape(operands[0].variable)[1:])]


@rule.register(Shape_i)
def _shape_i(op, node, operands, batch):
    return [Unbatched(Shape_i(op.i + 1)(operands[0].variable))]


@rule.register(Reshape)
def _reshape(op, node, operands, batch):
    x, shape = operands
    require_unbatched([shape], "shape")
    if isinstance(shape.variable, Constant):  # numbers keep sizes of 1 visible
        sizes = [int(n) for n in shape.variable.data]
        long = [d for d, one in enumerate(x.variable.broadcastable) if d and not one]
        if sizes == [-1] and len(long) == 1:  # a vector already; a new order of axes is what a loop can read
            return [x.variable.dimshuffle(0, *long)]
    else:
        sizes = [shape.variable[i] for i in range(op.ndim)]
    return [tt.reshape(x.variable, [batch] + sizes, ndim=op.ndim + 1)]


@rule.register(Flatten)
def _flatten(op, node, operands, batch):
    (x,) = operands
    kept = x.core_shape[: op.outdim - 1]
    return [tt.reshape(x.variable, [batch] + kept + [-1], ndim=op.outdim + 1)]


@rule.register(Rebroadcast)
def _rebroadcast(op, node, operands, batch):
    return [Rebroadcast(*[(axis + 1, flag) for axis, flag in op.axis.items()])(operands[0].variable)]


@rule.register(SpecifyShape)
def _specify_shape(op, node, operands, batch):
    x, shape = operands
    require_unbatched([shape], "shape")
    return [op(x.variable, tt.concatenate([[batch], shape.variable]))]


@rule.register(Alloc)
@rule.register(BroadcastTo)
def _alloc(op, node, operands, batch):
    value, *shape = operands
    require_unbatched(shape, "shape")
    return [tt.alloc(value.aligned(len(shape)), batch, *[n.variable for n in shape])]


@rule.register(Join)
def _join(op, node, operands, batch):
    axis, *parts = operands
    require_unbatched([axis], "axis")
    position = constant_int(axis.variable, "axis") % node.outputs[0].ndim + 1
    return [tt.join(position, *[part.filled(batch) for part in parts])]


@rule.register(Split)
def _split(op, node, operands, batch):
    x, axis, sizes = operands
    require_unbatched([axis, sizes], "axis or sizes")
    position = constant_int(axis.variable, "axis") % x.core_ndim + 1
    return op(x.variable, position, sizes.variable, return_list=True)


@rule.register(MakeVector)
def _make_vector(op, node, operands, batch):
    return [tt.stack([tt.cast(operand.filled(batch), op.dtype) for operand in operands], axis=1)]


@rule.register(RepeatOp)
def _repeat(op, node, operands, batch):
    x, repeats = operands
    require_unbatched([repeats], "number of repeats")
    if op.axis is None:
        flat = x.variable.flatten(2) if x.core_ndim else x.variable.dimshuffle(0, "x")
        return [RepeatOp(axis=1)(flat, repeats.variable)]
    return [RepeatOp(axis=op.axis % x.core_ndim + 1)(x.variable, repeats.variable)]


@rule.register(ExtractDiag)
def _extract_diag(op, node, operands, batch):
    # Theano's ExtractDiag has no gradient above two dimensions.  A diagonal of a flattened matrix is a strided slice.
    (x,) = operands
    first, second = op.axis1 % x.core_ndim, op.axis2 % x.core_ndim
    others = [axis for axis in range(x.core_ndim) if axis not in (first, second)]
    moved = x.variable.dimshuffle(0, *[axis + 1 for axis in others], first + 1, second + 1)
    lead = moved.ndim - 2
    rows, columns = moved.shape[lead], moved.shape[lead + 1]
    if op.offset >= 0:
        begin, length = op.offset, tt.minimum(rows, columns - op.offset)
    else:
        begin, length = -op.offset * columns, tt.minimum(rows + op.offset, columns)
    flat = moved.reshape([moved.shape[i] for i in range(lead)] + [rows * columns], ndim=lead + 1)
    keep = (slice(None),) * lead
    return [flat[keep + (slice(begin, None, columns + 1),)][keep + (slice(None, length),)]]


@rule.register(AllocDiag)
@rule.register(nlinalg.AllocDiag)
def _alloc_diag(op, node, operands, batch):
    (x,) = operands
    if x.core_ndim != 1 or getattr(op, "offset", 0):
        raise NoBatchRule("it has an offset, or more than one dimension")
    # A product, which is fused with its surroundings.
    v = x.variable
    return [v.dimshuffle(0, 1, "x") * tt.eye(v.shape[1], dtype=v.dtype).dimshuffle("x", 0, 1)]


@rule.register(FillDiagonal)
def _fill_diagonal(op, node, operands, batch):
    x, value = operands
    if x.core_ndim != 2:
        raise NoBatchRule("it has more than two dimensions")
    rows, columns = x.core_shape
    diagonal = tt.eq(tt.arange(rows).dimshuffle(0, "x"), tt.arange(columns).dimshuffle("x", 0))
    return [tt.switch(diagonal.dimshuffle("x", 0, 1), value.aligned(2), x.aligned(2))]


@rule.register(Unpack)
def _unpack(op, node, operands, batch):
    (z,) = operands
    if z.core_ndim == 1:
        return op(z.variable, return_list=True)
    n = z.variable.shape[1]
    parts = op(merge_axes(z.variable), return_list=True)
    return [p.reshape([batch, n] + [p.shape[i] for i in range(1, p.ndim)], ndim=p.ndim + 1) for p in parts]


@rule.register(Pack)
def _pack(op, node, operands, batch):
    parts = [operand.filled(batch) for operand in operands]
    if not op.leading_ndim:
        return [Pack(1, op.dtype, op.present, op.shapes, op.broadcastables)(*parts)]
    n = parts[0].shape[1]
    rows = op(*[merge_axes(part) for part in parts])
    return [rows.reshape([batch, n, rows.shape[1]], ndim=3)]
