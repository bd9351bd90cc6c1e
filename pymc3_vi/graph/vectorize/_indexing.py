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

from ._rules import require_unbatched, rule


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


@rule.register(AdvancedSubtensor1)
def _take(op, node, operands, batch):
    x, index = operands
    if not index.batched:
        # The batch moves to the second axis, where the Op's C code and that of its gradient still apply.
        rest = range(2, x.variable.ndim)
        return [advanced_subtensor1(x.variable.dimshuffle(1, 0, *rest), index.variable).dimshuffle(1, 0, *rest)]
    if not x.batched:
        taken = advanced_subtensor1(x.variable, index.variable.flatten())
        return [taken.reshape([batch, index.variable.shape[1]] + x.core_shape[1:], ndim=x.core_ndim + 1)]
    return [x.variable[tt.arange(batch).dimshuffle(0, "x"), index.variable]]


@rule.register(AdvancedSubtensor)
def _advanced_subtensor(op, node, operands, batch):
    # With the batch last, NumPy's rules for mixed, boolean and separated indices hold as they are.
    x, *index = operands
    require_unbatched(index, "index")
    return [_batch_first(op(_batch_last(x.variable), *_variables(index)))]


@rule.register(AdvancedIncSubtensor1)
@rule.register(AdvancedIncSubtensor)
def _advanced_inc_subtensor(op, node, operands, batch):
    x, y, *index = operands
    require_unbatched(index, "index")
    shifted = type(op)(inplace=False, set_instead_of_inc=op.set_instead_of_inc)
    y = _batch_last(y.aligned(y.core_ndim))
    return [_batch_first(shifted(_batch_last(x.filled(batch)), y, *_variables(index)))]
