"""Rules for the package's own Ops on matrices, which work on stacks by themselves."""

from ..ops import CholeskyFactor, CholeskyGrad, Diagonal, DiagonalMatrix, LogSumExp, Triangle, TriangularSolve
from ._rules import rule
from ._shape import merge_axes, split_axes


def _on_stack(op, stacks, batch):
    """`op` of arrays with a batch axis, and perhaps an axis over matrices after it."""
    if stacks[0].ndim == 3:
        return [op(*stacks)]
    return [split_axes(op(*[merge_axes(x) for x in stacks]), batch, stacks[0].shape[1])]


@rule.register(CholeskyFactor)
def _factors(op, node, operands, batch):
    # Where one matrix has no factor, others may have.
    return _of_matrices(CholeskyFactor(op.lower, "nan"), node, operands, batch)


@rule.register(CholeskyGrad)
@rule.register(Triangle)
def _of_matrices(op, node, operands, batch):
    return _on_stack(op, [operand.filled(batch) for operand in operands], batch)


@rule.register(Diagonal)
@rule.register(DiagonalMatrix)
def _of_last_axes(op, node, operands, batch):
    return [op(operands[0].variable)]


@rule.register(LogSumExp)
def _of_last_axis(op, node, operands, batch):
    return op(operands[0].variable, return_list=True)


@rule.register(TriangularSolve)
def _triangular_solve(op, node, operands, batch):
    a, b = operands
    right = b.filled(batch)
    if a.core_ndim == 3:
        return _on_stack(op, [a.filled(batch), right], batch)
    is_vector = b.core_ndim == 1
    if a.batched:
        return [op(a.variable, right.dimshuffle(0, 1, "x")).dimshuffle(0, 1) if is_vector else op(a.variable, right)]
    # One matrix: all right-hand sides side by side.
    if is_vector:
        return [op(a.variable, right.T).T]
    columns = right.dimshuffle(1, 0, 2)
    solved = op(a.variable, columns.reshape((columns.shape[0], -1), ndim=2))
    return [solved.reshape(columns.shape, ndim=3).dimshuffle(1, 0, 2)]
