"""Fits that end far above where they began: noticed, said, and taken back to their best state."""

import numpy as np

from ...errors import ConvergenceWarning
from ...validation import warn_user

__all__ = ["DivergenceWatch"]

#: Windows that a fit is divided into, and the least steps of one.
WINDOWS, SMALLEST = 20, 20
#: How far above its first window, in descents since then and in spreads of its losses, a fit has diverged.
DESCENTS, SPREADS = 3.0, 10.0


class DivergenceWatch:
    """Callback that keeps the parameters of the window with the lowest median loss.

    Parameters
    ----------
    params : list of shared variables
    losses : callable
        Gives all losses so far.
    first, n : int
        Steps done before, and steps of this fit.
    """

    def __init__(self, params, losses, first, n):
        self.params, self.losses = params, losses
        self.first, self.window = first, n // WINDOWS
        self._begin = len(losses())
        self._best, self._saved, self._seen = np.inf, None, 0

    def next_call(self, i):
        """At the end of the next window."""
        if self.window < SMALLEST:
            return self.first + 10**12
        return self.first + ((i - self.first) // self.window + 1) * self.window

    def __call__(self, approx, losses, i):
        medians = self._medians()
        if len(medians) > self._seen and medians[-1] < self._best:
            self._best, self._saved = medians[-1], [p.get_value() for p in self.params]
        self._seen = len(medians)

    def _windows(self):
        losses = self.losses()[self._begin :]
        whole = len(losses) // self.window
        return losses[: whole * self.window].reshape(whole, self.window)

    def _medians(self):
        return np.median(self._windows(), axis=1)

    def finish(self, optimizer):
        """Warn of a fit that has diverged, and put its best state back.

        Warns
        -----
        ConvergenceWarning
            Names the optimizer with its rate.
        """
        if self.window < SMALLEST or self._saved is None:
            return False
        windows = self._windows()
        if len(windows) < 3:
            return False
        medians = np.median(windows, axis=1)
        best = int(np.argmin(medians))
        spread = max(np.median(np.abs(windows[k] - medians[k])) for k in (0, best))
        if not medians[-1] > medians[0] + DESCENTS * (medians[0] - medians[best]) + SPREADS * spread:
            return False
        for param, value in zip(self.params, self._saved):
            param.set_value(value)
        warn_user(
            f"The fit has diverged: the median loss is {medians[0]:,.5g} in its first {self.window:,} steps, "
            f"{medians[best]:,.5g} in its best and {medians[-1]:,.5g} in its last. The parameters are those after step "
            f"{self.first + (best + 1) * self.window:,}, where it was lowest. Take a smaller learning rate than "
            f"that of {optimizer!r}, or the default rule (obj_optimizer=None).",
            ConvergenceWarning,
        )
        return True
