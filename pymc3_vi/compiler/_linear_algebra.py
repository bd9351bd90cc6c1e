"""Ops of models that are slow, above all Theano's linear algebra in Python, and their counterparts with C code."""

from functools import singledispatch

import theano.tensor as tt
from theano import scalar as ts
from theano.graph.basic import Constant, io_toposort
from theano.tensor.basic import AllocDiag, Dot, ExtractDiag, Eye
from theano.tensor.elemwise import DimShuffle, Elemwise, Sum
from theano.tensor.slinalg import Cholesky, Solve

from .ops import CholeskyFactor, Diagonal, DiagonalMatrix, LogSumExp, TriangularSolve
from .vectorize import Blockwise

__all__ = ["linear_algebra_in_c", "with_linear_algebra_in_c"]

_FLOATS = ("float32", "float64")


@singledispatch
def linear_algebra_in_c(op, node):
    """Output of an Op with C code that computes what `node`, an application of `op`, computes; None if there is none.

    Implementations are registered by the type of the Op.
    """
    return None


def _same_floats(node):
    dtypes = {v.dtype for v in node.inputs + node.outputs}
    return len(dtypes) == 1 and dtypes <= set(_FLOATS)


@linear_algebra_in_c.register(Cholesky)
def _cholesky(op, node):
    return CholeskyFactor(op.lower, op.on_error)(node.inputs[0]) if _same_floats(node) else None


@linear_algebra_in_c.register(Solve)
def _solve(op, node):
    if op.A_structure not in ("lower_triangular", "upper_triangular") or not _same_floats(node):
        return None
    return TriangularSolve(op.A_structure == "lower_triangular")(*node.inputs)


@linear_algebra_in_c.register(ExtractDiag)
def _extract_diagonal(op, node):
    (x,) = node.inputs
    if op.view or op.offset != 0 or sorted((op.axis1, op.axis2)) != [x.ndim - 2, x.ndim - 1]:
        return None
    return Diagonal()(x)


@linear_algebra_in_c.register(AllocDiag)
def _diagonal_matrix(op, node):
    (x,) = node.inputs
    if op.offset != 0 or sorted((op.axis1, op.axis2)) != [x.ndim - 1, x.ndim]:
        return None
    return DiagonalMatrix()(x)


@linear_algebra_in_c.register(Eye)
def _identity_matrix(op, node):
    rows, columns, offset = node.inputs
    square = rows is columns and isinstance(offset, Constant) and int(offset.data) == 0
    if not square or op.dtype not in _FLOATS:
        return None
    return DiagonalMatrix()(tt.alloc(tt.constant(1, dtype=op.dtype), rows))


@linear_algebra_in_c.register(Dot)
def _outer_product(op, node):
    """As a product of elements it is fused with what is done to it."""
    left, right = node.inputs
    is_outer = left.ndim == right.ndim == 2 and left.broadcastable[1] and right.broadcastable[0]
    return left * right if is_outer and _same_floats(node) else None


@linear_algebra_in_c.register(Blockwise)
def _stack(op, node):
    if not all(op.batched) or not _same_floats(node):
        return None
    if isinstance(op.core_op, Cholesky):
        return CholeskyFactor(op.core_op.lower, "nan")(node.inputs[0])  # where one has no factor, others may have
    if isinstance(op.core_op, Solve) and op.core_op.A_structure in ("lower_triangular", "upper_triangular"):
        solve = TriangularSolve(op.core_op.A_structure == "lower_triangular")
        a, b = node.inputs
        return solve(a, b) if b.ndim == 3 else solve(a, b.dimshuffle(0, 1, "x")).dimshuffle(0, 1)
    return None


def _is_elementwise(variable, scalar_op):
    owner = variable.owner
    return owner is not None and isinstance(owner.op, Elemwise) and type(owner.op.scalar_op) is scalar_op


@linear_algebra_in_c.register(Elemwise)
def _log_sum_exp(op, node):
    """log(sum(exp(x - a))) + a for an `a` that is constant along the axis that is summed, which is kept."""
    if type(op.scalar_op) is not ts.Add or len(node.inputs) != 2 or not _same_floats(node):
        return None
    for logarithm, shift in (node.inputs, node.inputs[::-1]):
        kept = logarithm.owner.inputs[0] if _is_elementwise(logarithm, ts.Log) else None
        if kept is None or kept.owner is None or not isinstance(kept.owner.op, DimShuffle):
            continue
        total = kept.owner.inputs[0]
        if total.owner is None or type(total.owner.op) is not Sum or len(total.owner.op.axis or ()) != 1:
            continue
        powers, axis = total.owner.inputs[0], total.owner.op.axis[0]
        order = [d for d in range(powers.ndim) if d != axis]
        if kept.owner.op.new_order != tuple("x" if d == axis else order.index(d) for d in range(powers.ndim)):
            continue
        if not _is_elementwise(powers, ts.Exp) or not _is_elementwise(powers.owner.inputs[0], ts.Sub):
            continue
        x, subtracted = powers.owner.inputs[0].owner.inputs
        if subtracted is not shift or not shift.broadcastable[axis] or x.dtype != total.dtype:
            continue
        if x.broadcastable != powers.broadcastable:
            continue
        result = LogSumExp()(x.dimshuffle(*order, axis))[0]
        return result.dimshuffle(*kept.owner.op.new_order)
    return None


def _fits(replacement, variable):
    if replacement is None or replacement.type == variable.type:
        return replacement
    if replacement.dtype != variable.dtype:
        return None
    return tt.patternbroadcast(replacement, variable.broadcastable)


def converted(node):
    """Replacement of the only output of `node`, of its type, or None."""
    if len(node.outputs) != 1:
        return None
    return _fits(linear_algebra_in_c(node.op, node), node.outputs[0])


def with_linear_algebra_in_c(outputs):
    """Copy of a graph in which Cholesky factors, triangular systems, diagonals and log-sum-exps have C code.

    Taken before gradients are, it also makes those leaner: the gradient of a factor is one node, that of a log-sum-exp
    a product.

    Parameters
    ----------
    outputs : Variable or list of Variable

    Returns
    -------
    Variable or list of Variable, like `outputs`
        The same variables where there is nothing to convert.
    """
    is_list = isinstance(outputs, (list, tuple))
    wanted = list(outputs) if is_list else [outputs]
    new = {}
    for node in io_toposort([], wanted):
        replacement = None
        inputs = [new.get(v, v) for v in node.inputs]
        if any(a is not b for a, b in zip(inputs, node.inputs)):
            node_now = node.clone_with_new_inputs(inputs, strict=False)
            new.update(zip(node.outputs, node_now.outputs))
        else:
            node_now = node
        replacement = converted(node_now)
        if replacement is not None:
            new[node.outputs[0]] = replacement
    results = [new.get(v, v) for v in wanted]
    return results if is_list else results[0]
