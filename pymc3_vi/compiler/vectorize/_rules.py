"""What a rule is given, what it returns, and the table of rules."""

from collections import namedtuple
from contextvars import ContextVar
from functools import singledispatch

import theano.tensor as tt
from theano.tensor.type import TensorType

from ...errors import VariationalInferenceError

__all__ = [
    "NoBatchRule",
    "Operand",
    "Unbatched",
    "constant_int",
    "inside_loop",
    "is_tensor",
    "require_unbatched",
    "rule",
]

#: Whether a graph is one step of a loop: a compiled loop knows stacks of matrices, but not axes that are merged.
inside_loop = ContextVar("inside_loop", default=False)


class NoBatchRule(VariationalInferenceError, NotImplementedError):
    """A node cannot be rewritten for a batch; rules raise it to ask for the fallback."""


class Operand(namedtuple("Operand", "variable, batched")):
    """An input of a node after rewriting: its `variable`, and whether that has the batch as its leading axis.

    A batched input that was a Theano Scalar (not a tensor) is a vector here.
    """

    __slots__ = ()

    @property
    def core_ndim(self):
        """Number of dimensions without the batch axis."""
        return self.variable.ndim - int(self.batched)

    @property
    def core_shape(self):
        """Symbolic sizes of the dimensions without the batch axis."""
        return [self.variable.shape[i] for i in range(int(self.batched), self.variable.ndim)]

    def aligned(self, ndim):
        """The variable with `ndim` core dimensions after a leading axis, which is broadcastable if unbatched."""
        missing = ndim - self.core_ndim
        if self.batched and not missing:
            return self.variable
        axes = list(range(self.variable.ndim))
        lead = [axes.pop(0)] if self.batched else ["x"]
        return self.variable.dimshuffle(*lead, *["x"] * missing, *axes)

    def filled(self, batch):
        """The variable with the batch axis, repeated `batch` times if it had none."""
        if self.batched:
            return self.variable
        return tt.alloc(self.variable.dimshuffle("x", *range(self.variable.ndim)), batch, *self.core_shape)


#: Wraps a result of a rule that does not depend on the batch, such as a shape.
Unbatched = namedtuple("Unbatched", "variable")


@singledispatch
def rule(op, node, operands, batch):
    r"""Rewrite one node for a batch; register implementations by the type of the Op.

    Parameters
    ----------
    op : Op
        The node's Op; the first argument, because the implementation is chosen by its type.
    node : Apply
        The node of the original graph, for the types of its inputs and outputs.
    operands : list of Operand
        The rewritten inputs; at least one of them is batched.
    batch : integer scalar variable
        Number of elements of the batch, S.

    Returns
    -------
    list
        One entry per output of the node: a variable with the batch as its leading axis, or `Unbatched`.
        Dtype and broadcast pattern are made to fit by the caller.

    Raises
    ------
    NoBatchRule
        For a node that the implementation does not cover; it is then evaluated by `theano.scan`.

    Examples
    --------
    An Op that maps the last axis to another one of the same length::

        from pymc3_vi.compiler.vectorize import rule

        @rule.register(MyFilter)
        def _(op, node, operands, batch):
            (x,) = operands
            return [op(x.variable)]  # works on leading axes by itself
    """
    raise NoBatchRule("there is no rule for its type")


def is_tensor(variable):
    """Whether a variable is a dense tensor."""
    return isinstance(variable.type, TensorType)


def constant_int(variable, what):
    """Value of a constant integer scalar; anything else has no rule."""
    try:
        return int(tt.get_scalar_constant_value(variable))
    except tt.NotScalarConstantError:
        raise NoBatchRule(f"its {what} is not a constant") from None


def require_unbatched(operands, what):
    """Raise NoBatchRule if any of `operands` depends on the batch."""
    if any(operand.batched for operand in operands):
        raise NoBatchRule(f"its {what} depends on the batch")
