"""The average of the last iterates as the result of a run."""

import math

import numpy as np
import theano

from ...updates import tail_average

__all__ = ["TailAverage"]


class TailAverage:
    r"""Average of the iterates of a run from step :math:`(1 - \tau) n` on (Polyak and Juditsky 1992).

    Parameters
    ----------
    fraction : float
        Part :math:`\tau` of the steps that is averaged.
    clock : Clock
    """

    def __init__(self, fraction, clock):
        self.fraction, self.clock = fraction, clock
        self._from = theano.shared(np.int64(0), "average_from")
        self.averages = {}
        #: Parameters before they were replaced by averages.
        self.last_iterate = {}

    def __call__(self, updates, params):
        """`updates` with those of the averages."""
        updates = tail_average(updates, params, self._from, self.clock.now)
        self.averages = dict(updates.averages)
        return updates

    def start(self, n):
        """Begin a run of `n` steps."""
        self.last_iterate = {}
        self._from.set_value(np.int64(self.clock.step + n - math.ceil(self.fraction * n)))

    def forget(self):
        """Older iterates do not count any more."""
        if self.clock.step > self._from.get_value():
            self._from.set_value(np.int64(self.clock.step))

    def apply(self):
        """Put the averages into the parameters; the last iterate stays in `last_iterate`."""
        if self.clock.step <= int(self._from.get_value()):
            return  # stopped before the tail began
        for param, average in self.averages.items():
            value = average.get_value()
            if np.isfinite(value).all():
                self.last_iterate[param] = param.get_value()
                param.set_value(value)

    def undo(self):
        """Put the last iterate back."""
        for param, value in self.last_iterate.items():
            param.set_value(value)
        self.last_iterate = {}

    def snapshot(self):
        """From where on iterates count, and the last iterate where :meth:`apply` replaced it."""
        last = [self.last_iterate[p] for p in self.averages] if self.last_iterate else None
        return {"average_from": int(self._from.get_value()), "last_iterate": last}

    def restore(self, snapshot):
        """Take over a :meth:`snapshot`."""
        self._from.set_value(np.int64(snapshot["average_from"]))
        last = snapshot["last_iterate"]
        self.last_iterate = {} if last is None else dict(zip(self.averages, last))
