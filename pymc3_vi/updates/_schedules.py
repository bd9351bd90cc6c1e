"""Learning rates that change during a fit.

A schedule maps the 0-based index of a step to the rate of that step.  Where the rate is a formula in the index,
the optimizer puts the formula into the updates and every step has its own rate inside compiled code.  Otherwise
(only :class:`reduce_on_plateau`) whoever runs the steps calls it between them.
"""

import math

import numpy as np
import theano.tensor as tt

from ..parameters import checked
from ..validation import require

# Lower case like `functools.partial`: users call these beside the optimizers, ``adam(learning_rate=cosine(0.01, n))``.
__all__ = ["Schedule", "constant", "exponential", "cosine", "reduce_on_plateau"]


class Schedule:
    """Base of all schedules.

    A schedule with a closed form defines :meth:`formula`; another one defines ``__call__(i, losses=None)`` and
    inherits a :meth:`symbolic` that returns None, which makes the fit loop call it.

    Attributes
    ----------
    check_every : int or None
        For schedules that Python evaluates: their rate changes only at multiples of this many steps, so whoever runs
        the steps need not call them in between.  It must have the losses up to there by then.
    """

    check_every = None

    def __call__(self, i, losses=None):
        """Rate of the step with 0-based index `i` (float); `losses` are those of all steps so far."""
        return float(self.formula(float(i), np))

    def formula(self, t, xp):
        """Rate at index `t`, written with functions that ``xp`` (NumPy or ``theano.tensor``) both have."""
        raise NotImplementedError(f"{type(self).__name__} must define formula or __call__.")

    def symbolic(self, t):
        """Rate at the symbolic integer `t`, or None if there is no closed form.

        The arithmetic is float64 whatever floatX is: it costs nothing on a scalar.
        """
        if type(self).formula is Schedule.formula:
            return None
        return tt.as_tensor_variable(self.formula(tt.cast(t, "float64"), tt))

    def _settings(self):
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}

    def __repr__(self):
        settings = ", ".join(
            f"{name}={float(v) if isinstance(v, np.floating) else v!r}" for name, v in self._settings().items()
        )
        return f"{type(self).__name__}({settings})"

    def __eq__(self, other):
        return type(self) is type(other) and self._settings() == other._settings()

    def __hash__(self):
        return hash((type(self), tuple(self._settings().items())))


class constant(Schedule):
    """The same rate for all steps, ``lr``.

    Parameters
    ----------
    lr : float
    """

    @checked
    def __init__(self, lr):
        self.lr = np.float64(lr)

    def formula(self, t, xp):
        return self.lr


class exponential(Schedule):
    r"""Exponential decay, :math:`\eta_t = \eta\, \delta^{t / n}`.

    Parameters
    ----------
    lr : float
        Rate :math:`\eta` of the first step.
    decay : float
        Factor :math:`\delta` in (0, 1] by which the rate falls every `every` steps.
    every : int
        Number of steps :math:`n` for one factor `decay`.
    staircase : bool
        Whether the rate stays and falls at once at multiples of `every` (:math:`\lfloor t / n \rfloor`).
    """

    @checked
    def __init__(self, lr, decay, every, staircase=False):
        # Theano would round a Python float to floatX, a NumPy scalar keeps the formula in float64.
        self.lr, self.decay = np.float64(lr), np.float64(decay)
        self.every, self.staircase = every, staircase

    def formula(self, t, xp):
        factors = t / np.float64(self.every)
        return self.lr * self.decay ** (xp.floor(factors) if self.staircase else factors)


class cosine(Schedule):
    r"""Half a cosine wave from `lr` down to `final`, after an optional linear warm-up.

    .. math::

        \eta_t = \eta\,\frac{t + 1}{w} \quad (t < w), \qquad
        \eta_t = \eta_f + \frac{\eta - \eta_f}{2}
                 \left(1 + \cos \pi \min\!\left(1, \tfrac{t - w}{n - w}\right)\right) \quad (t \ge w)

    Parameters
    ----------
    lr : float
        Largest rate :math:`\eta`.
    n : int
        Step from which on the rate is `final`.
    final : float
        Rate :math:`\eta_f` at the end, from 0 to `lr`.  With 0 nothing moves after step `n`.
    warmup : int
        Number of warm-up steps :math:`w`, less than `n`.

    References
    ----------
    Loshchilov, Hutter (2017). SGDR: Stochastic gradient descent with warm restarts. ICLR. Eq. 5.
    """

    @checked
    def __init__(self, lr, n, final=0.0, warmup=0):
        require(final <= lr, ValueError, "final", "cosine", f"at most lr={lr}", final)
        require(warmup < n, ValueError, "warmup", "cosine", f"less than n={n}", warmup)
        self.lr, self.final, self.n, self.warmup = np.float64(lr), np.float64(final), n, warmup

    def formula(self, t, xp):
        # Before the end of the warm-up the cosine stands at its top, after it the ramp stands at 1.
        ramp = xp.minimum((t + np.float64(1)) / np.float64(self.warmup), np.float64(1)) if self.warmup else 1.0
        done = (t - np.float64(self.warmup)) / np.float64(self.n - self.warmup)
        done = xp.minimum(xp.maximum(done, np.float64(0)), np.float64(1))
        wave = np.float64(0.5) * (np.float64(1) + xp.cos(np.float64(math.pi) * done))
        return ramp * (self.final + (self.lr - self.final) * wave)


class reduce_on_plateau(Schedule):
    r"""Rate that falls by a factor whenever the loss stops falling.

    Losses are averaged over windows of `every` steps.  A window is better if its mean lies more than `tolerance`
    of its standard errors below the mean of the best window before.  After `patience` windows in a row that are not
    better, the rate is multiplied by `factor` (never below `min_lr`).

    ::

        for mean, error in windows:
            if mean < best - tolerance * error:  best, bad = mean, 0
            else:                                bad := bad + 1
            if bad >= patience:                  rate, bad := max(factor * rate, min_lr), 0

    The rate depends on the losses alone, so a fit that goes on from saved losses goes on with the right rate, and
    one schedule can serve several fits.

    Parameters
    ----------
    lr : float
        Rate of the first step.
    factor : float
        In (0, 1).
    patience : int
        Number of windows without progress before the rate falls.
    every : int
        Steps in one window.
    tolerance : float
        Least progress of a window, in standard errors of its mean.
    min_lr : float
        Smallest rate.
    """

    @checked
    def __init__(self, lr, factor=0.5, patience=10, every=100, tolerance=1.0, min_lr=0.0):
        require(min_lr <= lr, ValueError, "min_lr", "reduce_on_plateau", f"at most lr={lr}", min_lr)
        self.lr, self.factor, self.min_lr = np.float64(lr), np.float64(factor), np.float64(min_lr)
        self.patience, self.every, self.tolerance = patience, every, np.float64(tolerance)
        self._forget()

    @property
    def check_every(self):
        """The rate can only change when a window is complete."""
        return self.every

    def _forget(self):
        self._seen = 0  # windows taken in
        self._last_mean = None  # of the last of them, which tells whether other losses come in now
        self._best, self._bad, self._rate = math.inf, 0, self.lr

    def __call__(self, i, losses=None):
        """Rate of step `i`.

        Parameters
        ----------
        i : int
        losses : array (>= i,), optional
            Losses of all steps so far; those from index `i` on are not read.  Without them the answer is the rate
            of the last call, or `lr` for step 0.
        """
        if losses is None:
            if i == 0:
                self._forget()
            return float(self._rate)
        losses = np.asarray(losses, dtype="float64")[: int(i)]
        complete = losses.size // self.every
        # Taking in only the new windows keeps a long fit linear in its length.
        if self._seen and (complete < self._seen or self._window(losses, self._seen - 1).mean() != self._last_mean):
            self._forget()
        for index in range(self._seen, complete):
            self._take_in(self._window(losses, index))
        return float(self._rate)

    def _window(self, losses, index):
        return losses[index * self.every : (index + 1) * self.every]

    def _take_in(self, window):
        mean = window.mean()
        self._seen += 1
        self._last_mean = mean
        # A window that is not finite is no progress, and its error would be NaN.
        error = window.std(ddof=1) / math.sqrt(window.size) if math.isfinite(mean) else math.inf
        if math.isfinite(mean) and mean < self._best - self.tolerance * error:
            self._best, self._bad = mean, 0
        else:
            self._bad += 1
        if self._bad >= self.patience:
            self._rate, self._bad = max(self.factor * self._rate, self.min_lr), 0
