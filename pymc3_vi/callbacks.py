"""Callbacks: called as ``callback(approx, losses, i)`` after step `i` (1-based)."""

import collections
import inspect

import numpy as np

from .errors import ParameterTypeError
from .parameters import checked

__all__ = ["Callback", "CheckParametersConvergence", "Tracker"]


class Callback:
    """Base class of callbacks; a plain function ``(approx, losses, i)`` works too.

    `losses` is the array of losses so far, which formats, compares and converts as the latest one.  Raising
    StopIteration ends the fit cleanly.
    """

    def __call__(self, approx, losses, i):
        raise NotImplementedError(f"{type(self).__name__} must implement __call__(approx, losses, i).")

    def bind(self, inference):
        """Called with the inference before the first step of each fit."""

    def next_call(self, i):
        """Index of the next step after `i` at which the callback has something to do.

        The loop runs the steps in between without leaving compiled code.
        """
        return i + 1


def _relative(current, previous, eps=1e-6):
    return (np.abs(current - previous) + eps) / (np.abs(previous) + eps)


def _absolute(current, previous):
    return np.abs(current - previous)


_DIFFERENCES = {"relative": _relative, "absolute": _absolute}


class CheckParametersConvergence(Callback):
    """Stop when the parameters change less than `tolerance` from one check to the next.

    Parameters
    ----------
    every : int
        Steps between checks.
    tolerance : float
        Stop when the norm of the change falls below it.
    diff : {'relative', 'absolute'}
        Change relative to the previous value, or as it is.
    ord : int, inf or str
        Norm, as in ``numpy.linalg.norm``.

    Notes
    -----
    Small steps look like convergence to this rule; :class:`pymc3_vi.Converged` tests the iterates themselves.
    """

    @checked
    def __init__(self, every=100, tolerance=1e-3, diff="relative", ord=np.inf):
        self.every, self.tolerance = every, tolerance
        self.ord = ord
        self.prev = None
        self._difference = _DIFFERENCES[diff]
        self._moves_in_batches = False

    def bind(self, inference):
        """Note whether the parameters rest between batches of steps, which is no convergence."""
        self._moves_in_batches = inference.algorithm.moves is not None

    def next_call(self, i):
        """The first step of all, then every multiple of `every`."""
        return i + 1 if self.prev is None else (i // self.every + 1) * self.every

    def __call__(self, approx, losses, i):
        if self.prev is None:
            self.prev = self.flatten_shared(approx.params)
            return
        if i < self.every or i % self.every:
            return
        current = self.flatten_shared(approx.params)
        if self._moves_in_batches and np.array_equal(current, self.prev):
            return
        change = np.linalg.norm(self._difference(current, self.prev), self.ord)
        self.prev = current
        if change < self.tolerance:
            raise StopIteration(f"Convergence achieved at {i}")

    @staticmethod
    def flatten_shared(shared_list):
        """One vector of all parameters."""
        return np.concatenate([shared.get_value().flatten() for shared in shared_list])


class Tracker(Callback):
    """Record statistics after every step.

    Parameters
    ----------
    **stats
        Name -> function of no argument, or of ``(approx, losses, i)``.

    Examples
    --------
    >>> import time
    >>> tracker = Tracker(time=time.time, step=lambda approx, losses, i: i)
    >>> tracker(None, None, 1)
    >>> tracker["step"]
    [1]
    """

    @checked
    def __init__(self, **stats):
        self.whatchdict = stats
        self.hist = collections.defaultdict(list)
        self._takes_arguments = {name: self._wants_arguments(name, stat) for name, stat in stats.items()}

    @staticmethod
    def _wants_arguments(name, stat):
        if not callable(stat):
            raise ParameterTypeError(f"The statistic {name!r} of Tracker must be callable. Got {stat!r} instead.")
        try:
            signature = inspect.signature(stat)
        except (TypeError, ValueError):  # builtins such as time.time have none
            return False
        try:
            signature.bind()
        except TypeError:
            return True
        # With nothing required, *args still asks for the arguments; plain defaults do not.
        return any(p.kind is p.VAR_POSITIONAL for p in signature.parameters.values())

    def __call__(self, approx, losses, i):
        for name, stat in self.whatchdict.items():
            value = stat(approx, losses, i) if self._takes_arguments[name] else stat()
            self.hist[name].append(np.array(losses) if value is losses else value)

    record = __call__

    def clear(self):
        """Forget everything recorded."""
        self.hist = collections.defaultdict(list)

    def __getitem__(self, name):
        return self.hist[name]
