"""Hyperparameters of optimizers: what is allowed, and what they become in the graph."""

import math
import numbers
from collections import namedtuple

import numpy as np
import theano
import theano.tensor as tt

from ..parameters import Constraint, Interval, SymbolicScalar, check
from ._schedules import Schedule

__all__ = ["Bounds", "Count", "POSITIVE", "NON_NEGATIVE", "FRACTION", "COUNT", "as_number", "graph_value"]


def as_number(value):
    """`value` as float if it is a real number or an array that holds just one, else None."""
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    is_real = isinstance(value, numbers.Real) and not isinstance(value, (bool, np.bool_))
    return float(value) if is_real else None


class Bounds(namedtuple("Bounds", "low, low_open, high"), Constraint):
    """A scalar from `low` (excluded if `low_open`) to below `high`: a number, a schedule, or in the graph."""

    __slots__ = ()

    @property
    def _scalar(self):
        return SymbolicScalar(Interval(float, self.low, self.high, self.low_open, high_open=True))

    @property
    def allowed(self):
        """The bounds in words."""
        return self._scalar.interval.allowed + ", a schedule, a shared scalar or a symbolic scalar"

    def take(self, value):
        """`value` itself if it is allowed; of a schedule the first number is looked at."""
        self._scalar.take(value(0) if isinstance(value, Schedule) else value)
        return value

    def check(self, value, name, caller):
        """Raise ParameterTypeError for what is no scalar, ParameterValueError for a number out of bounds."""
        check(caller, name, self, value)


class Count(namedtuple("Count", "minimum"), Constraint):
    """An integer of at least `minimum` that fixes the shape of the graph, so it cannot be symbolic."""

    __slots__ = ()

    @property
    def allowed(self):
        """The bound in words."""
        return Interval(int, self.minimum, MOST).allowed

    def take(self, value):
        """`value` as int."""
        return Interval(int, self.minimum, MOST).take(value)

    def check(self, value, name, caller):
        """Raise unless `value` is allowed."""
        check(caller, name, self, value)


#: Largest size of a window.
MOST = 10**9
POSITIVE = Bounds(0, True, math.inf)
NON_NEGATIVE = Bounds(0, False, math.inf)
FRACTION = Bounds(0, False, 1)
COUNT = Count(1)


def graph_value(value, name, constraint, updates, always_shared=False):
    """What stands for a checked hyperparameter in the graph of `updates`.

    A shared variable or expression stands for itself, a schedule becomes a shared scalar that moves with the steps.
    A number becomes a shared scalar too if `always_shared`; otherwise a constant in floatX, which Theano folds into
    the expression.  Whatever is shared is entered in ``updates.hyperparameters``; the counter and rate of a
    schedule become updates.

    Returns
    -------
    Variable, or int for a count
    """
    if isinstance(constraint, Count):
        return int(value)
    if isinstance(value, Schedule):
        shared = _scheduled(value, name, updates)
    elif isinstance(value, theano.graph.basic.Variable):
        if not isinstance(value, theano.compile.SharedVariable):
            return value
        shared = value
    else:
        value = np.dtype(theano.config.floatX).type(as_number(value))
        if not always_shared:
            return tt.constant(value)
        shared = theano.shared(value, name)
    updates.hyperparameters[name] = shared
    return shared


def _scheduled(schedule, name, updates):
    """Shared scalar that holds ``schedule(i)`` when step i runs."""
    shared = theano.shared(np.dtype(theano.config.floatX).type(schedule(0)), name)
    count = theano.shared(np.int64(0), f"{name}_step")
    following = schedule.symbolic(count + 1)
    if following is None:
        updates.schedules.append((shared, schedule))
    elif not isinstance(following, tt.TensorConstant):
        updates[shared] = following
        updates[count] = count + 1
    return shared
