"""Rules for elementwise Ops, reductions, and Ops that let their input through."""

import copy

import theano.tensor as tt
from theano.compile.ops import DeepCopyOp, ViewOp
from theano.ifelse import IfElse, ifelse
from theano.printing import Print
from theano.scalar import ScalarOp
from theano.tensor.basic import Argmax, MaxAndArgmax, ScalarFromTensor, TensorFromScalar
from theano.tensor.elemwise import All, Any, CAReduce, Elemwise
from theano.tensor.extra_ops import CpuContiguous, CumOp, DiffOp
from theano.tensor.nnet.nnet import CrossentropyCategorical1Hot, LogSoftmax, Softmax
from theano.tensor.opt import Assert
from theano.tensor.sort import ArgSortOp, SortOp

from ._rules import NoBatchRule, Unbatched, constant_int, is_tensor, require_unbatched, rule

__all__ = ["core_axes"]


def core_axes(axis, ndim):
    """`axis` (None for all, or a sequence) of a tensor with `ndim` core dimensions, once the batch axis is first."""
    return sorted(a % ndim + 1 for a in (range(ndim) if axis is None else axis))


@rule.register(Elemwise)
def _elemwise(op, node, operands, batch):
    if getattr(op, "inplace_pattern", None):
        op = Elemwise(op.scalar_op, {}, op.name, op.nfunc_spec)
    ndim = max(operand.core_ndim for operand in operands)
    return op.make_node(*[operand.aligned(ndim) for operand in operands]).outputs


@rule.register(ScalarOp)
def _scalar(op, node, operands, batch):
    # Arithmetic on Theano Scalars, of which a batch is a vector.
    vectors = [o.variable if is_tensor(o.variable) else tt.tensor_from_scalar(o.variable) for o in operands]
    return Elemwise(op)(*vectors, return_list=True)


@rule.register(TensorFromScalar)
@rule.register(ScalarFromTensor)
def _between_scalar_and_tensor(op, node, operands, batch):
    return [operands[0].variable]


@rule.register(CAReduce)
def _reduce(op, node, operands, batch):
    (x,) = operands
    if not x.core_ndim:
        return [tt.neq(x.variable, 0) if isinstance(op, (All, Any)) else x.variable]
    axes = core_axes(op.axis, x.core_ndim)
    if not axes:
        return [x.variable]
    # A copy keeps what subclasses add: dtype, acc_dtype, no_zeros_in_input.
    shifted = copy.copy(op)
    shifted.axis = tuple(axes)
    return [shifted(x.variable)]


@rule.register(MaxAndArgmax)
def _max_and_argmax(op, node, operands, batch):
    (x,) = operands
    if not x.core_ndim:
        return [x.variable, tt.zeros((batch,), "int64")]
    return MaxAndArgmax(core_axes(op.axis, x.core_ndim))(x.variable, return_list=True)


@rule.register(Argmax)
def _argmax(op, node, operands, batch):
    (x,) = operands
    if not x.core_ndim:
        return [tt.zeros((batch,), "int64")]
    return [Argmax(core_axes(op.axis, x.core_ndim))(x.variable)]


@rule.register(CumOp)
def _cumulative(op, node, operands, batch):
    (x,) = operands
    if op.axis is None:
        return [CumOp(axis=1, mode=op.mode)(x.variable.flatten(2) if x.core_ndim else x.variable.dimshuffle(0, "x"))]
    return [CumOp(axis=op.axis % x.core_ndim + 1, mode=op.mode)(x.variable)]


@rule.register(DiffOp)
def _diff(op, node, operands, batch):
    # Theano's DiffOp has a gradient for vectors only.
    (x,) = operands
    lead = (slice(None),) * (op.axis % x.core_ndim + 1)
    result = x.variable
    for _ in range(op.n):
        result = result[lead + (slice(1, None),)] - result[lead + (slice(None, -1),)]
    return [result]


@rule.register(SortOp)
@rule.register(ArgSortOp)
def _sort(op, node, operands, batch):
    x, axis = operands
    require_unbatched([axis], "axis")
    return [op(x.variable, constant_int(axis.variable, "axis") % x.core_ndim + 1)]


@rule.register(Softmax)
@rule.register(LogSoftmax)
def _rows(op, node, operands, batch):
    # These Ops take matrices only: every row of every matrix is one of a taller matrix.
    x = operands[0].variable
    return [op(x.reshape((-1, x.shape[2]), ndim=2)).reshape(x.shape, ndim=3)]


@rule.register(CrossentropyCategorical1Hot)
def _crossentropy(op, node, operands, batch):
    p, index = (operand.filled(batch) for operand in operands)
    rows = op(p.reshape((-1, p.shape[2]), ndim=2), index.flatten())
    return [rows.reshape((batch, p.shape[1]), ndim=2)]


@rule.register(ViewOp)  # with the markers of theano.gradient, such as DisconnectedGrad and GradClip
@rule.register(DeepCopyOp)
@rule.register(CpuContiguous)
@rule.register(Print)
def _same(op, node, operands, batch):
    return [op(operands[0].variable)]


@rule.register(Assert)
def _assert(op, node, operands, batch):
    value, *conditions = operands
    checked = op(value.variable, *[tt.all(c.variable) if c.batched else c.variable for c in conditions])
    return [checked if value.batched else Unbatched(checked)]


@rule.register(IfElse)
def _if_else(op, node, operands, batch):
    condition, branches = operands[0], operands[1:]
    if not all(is_tensor(branch.variable) for branch in branches):
        raise NoBatchRule("its branches are no tensors")
    pairs = list(zip(branches[: op.n_outs], branches[op.n_outs :]))
    if condition.batched:
        # Elements may take different branches, so both are computed.
        flag = [condition.variable.dimshuffle(0, *["x"] * then.core_ndim) for then, _ in pairs]
        return [tt.switch(c, t.filled(batch), e.filled(batch)) for c, (t, e) in zip(flag, pairs)]
    then, otherwise = zip(*[(t.filled(batch), e.filled(batch)) for t, e in pairs])
    results = ifelse(condition.variable, list(then), list(otherwise))
    return results if isinstance(results, (list, tuple)) else [results]
