"""Rules for indexing."""

import theano.tensor as tt
from theano.tensor.subtensor import (
    AdvancedIncSubtensor,
    AdvancedIncSubtensor1,
    AdvancedSubtensor,
    AdvancedSubtensor1,
    IncSubtensor,
    Subtensor,
    advanced_subtensor1,
)

from ..ops import PutRows, SumRows, TakeRows
from ._rules import NoBatchRule, is_tensor, require_unbatched, rule
from ._shape import merge_axes, split_axes


def _batch_last(x):
    return x.dimshuffle(*range(1, x.ndim), 0)


def _batch_first(x):
    return x.dimshuffle(x.ndim - 1, *range(x.ndim - 1))


def _variables(operands):
    return [operand.variable for operand in operands]


@rule.register(Subtensor)
def _subtensor(op, node, operands, batch):
    x, *index = operands
    require_unbatched(index, "index")
    return [Subtensor((slice(None),) + tuple(op.idx_list))(x.variable, *_variables(index))]


@rule.register(IncSubtensor)
def _inc_subtensor(op, node, operands, batch):
    x, y, *index = operands
    require_unbatched(index, "index")
    indexed_ndim = x.core_ndim - sum(not isinstance(entry, slice) for entry in op.idx_list)
    shifted = IncSubtensor((slice(None),) + tuple(op.idx_list), set_instead_of_inc=op.set_instead_of_inc)
    return [shifted(x.filled(batch), y.aligned(indexed_ndim), *_variables(index))]


def _row_vectors(x, index):
    """Vectors of integers that name single elements of leading core axes of `x`, or None if `index` is of another kind.

    They have one shape, of any number of dimensions, and come flattened.
    """
    kinds = [is_tensor(i) and i.dtype in tt.integer_dtypes and i.ndim > 0 for i in index]
    if not all(kinds) or len({i.ndim for i in index}) > 1 or any(any(i.broadcastable) for i in index):
        return None
    return [i.flatten() for i in index] if x.dtype in ("float32", "float64") else None


@rule.register(AdvancedSubtensor1)
@rule.register(AdvancedSubtensor)
def _take(op, node, operands, batch):
    x, *index = operands
    variables = _variables(index)
    if not any(operand.batched for operand in index):
        vectors = _row_vectors(x.variable, variables)
        if vectors is None:
            # With the batch last, NumPy's rules for mixed, boolean and separated indices hold as they are.
            return [_batch_first(op(_batch_last(x.variable), *variables))]
        rows = TakeRows(len(vectors))(x.variable, *vectors)
        if variables[0].ndim == 1:
            return [rows]
        shape = [batch, *variables[0].shape, *x.core_shape[len(vectors) :]]
        return [rows.reshape(shape, ndim=variables[0].ndim + rows.ndim - 1)]
    if not isinstance(op, AdvancedSubtensor1):
        raise NoBatchRule("its index depends on the batch")
    if not x.batched:
        taken = advanced_subtensor1(x.variable, variables[0].flatten())
        return [taken.reshape([batch, variables[0].shape[1]] + x.core_shape[1:], ndim=x.core_ndim + 1)]
    return [x.variable[tt.arange(batch).dimshuffle(0, "x"), variables[0]]]


@rule.register(AdvancedIncSubtensor1)
@rule.register(AdvancedIncSubtensor)
def _advanced_inc_subtensor(op, node, operands, batch):
    x, y, *index = operands
    require_unbatched(index, "index")
    variables = _variables(index)
    vectors = _row_vectors(x.variable, variables)
    simple = vectors is not None and variables[0].ndim == 1 and x.variable.dtype == y.variable.dtype
    if simple and y.core_ndim == x.core_ndim - len(vectors) + 1 and not any(y.variable.broadcastable[-y.core_ndim :]):
        whole, rows = x.filled(batch), y.filled(batch)
        if op.set_instead_of_inc:
            return [PutRows(len(vectors))(whole, rows, *vectors)]
        return [whole + SumRows(len(vectors))(rows, *vectors, *x.core_shape[: len(vectors)])]
    shifted = type(op)(inplace=False, set_instead_of_inc=op.set_instead_of_inc)
    y = _batch_last(y.aligned(y.core_ndim))
    return [_batch_first(shifted(_batch_last(x.filled(batch)), y, *variables))]


@rule.register(TakeRows)
@rule.register(SumRows)
def _rows_of_stack(op, node, operands, batch):
    x, *others = operands
    if any(operand.batched for operand in others):
        return _rows_of_each(op, x, others, batch)
    return [split_axes(op(merge_axes(x.variable), *_variables(others)), batch, x.variable.shape[1])]


def _rows_of_each(op, x, others, batch):
    """Indices of their own for every element of the batch: its rows lie behind those of the elements before it."""
    index, sizes = others[: op.n_axes], others[op.n_axes :]
    require_unbatched(sizes, "size")
    stack = x.filled(batch)
    stack = stack.dimshuffle(1, 0, *range(2, stack.ndim))  # (s, b, n, ...)
    length = sizes[0].variable if sizes else stack.shape[2]
    first, *rest = [operand.filled(batch) for operand in index]
    inside = tt.and_(tt.ge(first, -length), tt.lt(first, length))
    own = tt.arange(batch).dimshuffle(0, "x") * length + tt.switch(tt.lt(first, 0), first + length, first)
    # An index beyond its own rows must not find those of another element: it is made one beyond all.
    own = tt.switch(inside, own, batch * length)
    joined = stack.reshape([stack.shape[0], -1] + [stack.shape[i] for i in range(3, stack.ndim)], ndim=stack.ndim - 1)
    more = [batch * length] + _variables(sizes[1:]) if sizes else []
    rows = op(joined, *[i.flatten() for i in [own] + rest], *more)
    shape = [rows.shape[0], batch, -1] + [rows.shape[i] for i in range(2, rows.ndim)]
    return [rows.reshape(shape, ndim=rows.ndim + 1).dimshuffle(1, 0, *range(2, rows.ndim + 1))]


@rule.register(PutRows)
def _put_rows(op, node, operands, batch):
    x, y, *index = operands
    require_unbatched(index, "index")
    whole, rows = x.filled(batch), y.filled(batch)
    return [split_axes(op(merge_axes(whole), merge_axes(rows), *_variables(index)), batch, whole.shape[1])]
