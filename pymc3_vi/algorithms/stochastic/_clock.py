"""Where a run of stochastic gradients stands, as scalars that compiled steps read."""

import numpy as np
import theano
import theano.tensor as tt

__all__ = ["Clock"]


class Clock:
    """Number of the step, and of the steps that the run began with and will have: another n compiles nothing."""

    def __init__(self):
        self.now = theano.shared(np.int64(0), "annealing_step")
        self.begin = theano.shared(np.int64(0), "annealing_begin")
        self.length = theano.shared(np.float64(1.0), "annealing_length")

    @property
    def step(self):
        """Steps so far."""
        return int(self.now.get_value())

    @property
    def fraction(self):
        """Part of the run that is done, as a graph."""
        return tt.clip(tt.cast(self.now - self.begin, "float64") / self.length, 0.0, 1.0)

    def start(self, n):
        """Begin a run of `n` steps."""
        self.begin.set_value(np.int64(self.step))
        self.length.set_value(np.float64(max(n, 1)))

    def snapshot(self):
        """When the run began and how long it is; the step itself is part of the step's state."""
        return {"begin": int(self.begin.get_value()), "length": float(self.length.get_value())}

    def restore(self, snapshot):
        """Take over a :meth:`snapshot`."""
        self.begin.set_value(np.int64(snapshot["begin"]))
        self.length.set_value(np.float64(snapshot["length"]))
