"""Kinds of values that stand in Theano graphs, and seeds."""

import numbers

import numpy as np
import theano
from theano.graph.basic import graph_inputs

from ..errors import ParameterTypeError, ParameterValueError
from ._constraints import Array, Constraint, Interval, Refused

__all__ = ["Mode", "Seed", "Shared", "SymbolicScalar", "Tensor", "Variable"]


class Variable(Constraint):
    """A Theano variable."""

    def __init__(self, allowed="a variable or expression", hint=""):
        self.allowed, self.hint = allowed, hint

    def take(self, value):
        if not isinstance(value, theano.graph.basic.Variable):
            raise Refused(ParameterTypeError, self.hint)
        return value


class Shared(Constraint):
    """A shared variable of Theano."""

    allowed = "a shared variable"

    def take(self, value):
        if not isinstance(value, theano.compile.SharedVariable):
            raise Refused(ParameterTypeError)
        return value


class Tensor(Constraint):
    """What Theano makes a tensor of: an expression, a number or an array of numbers."""

    allowed = "an expression, a number or an array"

    def take(self, value):
        if isinstance(value, theano.graph.basic.Variable):
            return value
        return Array().take(value)


class SymbolicScalar(Constraint):
    """A number inside an interval, or a scalar of the graph.

    Parameters
    ----------
    interval : Constraint
    closed : bool
        Whether it must have a value: shared variables and what is computed from them.
    """

    def __init__(self, interval, closed=False):
        self.interval, self.closed = interval, closed
        self.allowed = f"{interval.allowed}, or {'an integer' if self._integer else 'a'} scalar variable"

    @property
    def _integer(self):
        return isinstance(self.interval, Interval) and self.interval.kind is int

    def take(self, value):
        if isinstance(value, theano.graph.basic.Variable):
            kinds = ("int", "uint")
            if not self._integer:
                kinds += ("float",) if isinstance(self.interval, Interval) else ("bool",)
            if getattr(value, "ndim", None) != 0 or not str(value.dtype).startswith(kinds):
                raise Refused(ParameterTypeError)
            known = (theano.compile.SharedVariable, theano.graph.basic.Constant)
            if self.closed and not all(isinstance(v, known) for v in graph_inputs([value])):
                raise Refused(ParameterTypeError, "It has no value; use theano.shared(...).")
            return value
        return self.interval.take(value)


class Seed(Constraint):
    """A seed; generators give one by drawing it, so that they move on.

    Parameters
    ----------
    keep : bool
        Whether a Generator stays one.
    """

    allowed = "an integer of at least 0, a list of them, a numpy RandomState or Generator, or None"

    def __init__(self, keep=False):
        self.keep = keep

    def take(self, value):
        if value is None or type(value).__name__ == "SeedStream":
            return value
        if self.keep and isinstance(value, np.random.Generator):
            return value
        if isinstance(value, np.random.RandomState):
            return int(value.randint(0, 2**31 - 1))
        if isinstance(value, np.random.Generator):
            return int(value.integers(0, 2**31 - 1))
        if isinstance(value, np.random.SeedSequence):
            return [int(word) for word in value.generate_state(4)]
        if isinstance(value, (list, tuple, np.ndarray)) and np.ndim(value) == 1 and len(value):
            return [self._word(word) for word in value]
        return self._word(value)

    @staticmethod
    def _word(value):
        if isinstance(value, np.ndarray) and value.ndim == 0:
            value = value.item()
        if not isinstance(value, numbers.Integral) or isinstance(value, bool):
            raise Refused(ParameterTypeError)
        if value < 0:
            raise Refused(ParameterValueError)
        return int(value)


class Mode(Constraint):
    """A mode of Theano, or the name of one, those that users have registered included."""

    allowed = "a theano.Mode or the name of one"

    def take(self, value):
        try:
            known = theano.compile.mode.get_mode(value)
        except Exception:  # Theano raises Exception itself
            raise Refused(ParameterValueError) from None
        if not isinstance(known, theano.compile.Mode):
            raise Refused(ParameterTypeError)
        return value
