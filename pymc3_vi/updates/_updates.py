"""What an optimizer returns."""

from collections import OrderedDict

import numpy as np
import theano
import theano.tensor as tt

from ..graph import match_pattern

__all__ = ["Updates"]


class Updates(OrderedDict):
    """Updates of one optimization step, and handles on what steers them.

    To Theano and to user code this is an ordinary ``OrderedDict`` ``{shared variable: its new value}``.  The
    attributes let others act on a compiled step through shared variables, without compiling again.

    Parameters
    ----------
    pairs : dict or iterable of pairs
        An `Updates` hands over its attributes too, so that ``Updates(u)`` and ``u.copy()`` are shallow copies.

    Attributes
    ----------
    params : list of shared variables
        The variables that are optimized.
    hyperparameters : OrderedDict of str to shared scalar
        Shared scalars by the name of the hyperparameter, e.g. ``updates.hyperparameters['learning_rate']``.  A rate
        that follows a schedule inside the graph is here too: its value is the rate of the next step, and what one
        writes into it lasts for one step.
    schedules : list of (shared scalar, Schedule)
        Schedules that only Python can evaluate; :meth:`apply_schedules` sets their scalars.
    averages : OrderedDict of shared variable to shared variable
        Running average of each parameter, where :func:`tail_average` added one.
    scales : OrderedDict of shared variable to shared variable
        Scale of each parameter, where :func:`preconditioned` added one.
    """

    def __init__(self, pairs=()):
        super().__init__(pairs)
        known = isinstance(pairs, Updates)
        self.params = list(pairs.params) if known else list(self)
        self.hyperparameters = OrderedDict(pairs.hyperparameters if known else ())
        self.schedules = list(pairs.schedules) if known else []
        self.averages = OrderedDict(pairs.averages if known else ())
        self.scales = OrderedDict(pairs.scales if known else ())

    def copy(self):
        """Shallow copy, attributes included."""
        return type(self)(self)

    @property
    def state(self):
        """Shared variables that are updated but are no parameters: moments, counters, scheduled rates, averages."""
        params = set(self.params)
        return [variable for variable in self if variable not in params]

    def apply_schedules(self, i, losses=None):
        """Set the scalars of ``schedules`` for the step with index `i`.

        Parameters
        ----------
        i : int
            0-based index of the step about to run.
        losses : array (i,), optional
            Losses of all steps so far.
        """
        for shared, schedule in self.schedules:
            shared.set_value(np.asarray(schedule(i, losses), dtype=shared.dtype))

    def match_types(self):
        """Cast every new value to dtype and broadcast pattern of its variable; returns `self`."""
        for variable, value in self.items():
            if not isinstance(value, theano.graph.basic.Variable):
                value = tt.as_tensor_variable(value)
            self[variable] = match_pattern(value, variable)
        return self
