"""Limited-memory BFGS that never accepts a non-finite point."""

from functools import partial

import numpy as np

from ._line_search import backtrack

__all__ = ["InverseHessian", "minimise"]


class InverseHessian:
    """Product with the inverse Hessian that the last steps imply; the identity before the first.

    Parameters
    ----------
    memory : int
        Number of steps that are remembered.

    References
    ----------
    Nocedal, Wright: Numerical Optimization, 2006, algorithm 7.4.
    """

    def __init__(self, memory=20):
        self.memory = memory
        self.pairs = []

    def update(self, step, change):
        """Remember a step and the change of the gradient along it, if the curvature is positive."""
        curvature = step.dot(change)
        if curvature > 1e-8 * np.sqrt(step.dot(step) * change.dot(change)):
            self.pairs = (self.pairs + [(step, change, curvature)])[-self.memory :]

    def times(self, vector, first=1.0):
        """H v, where H before the first step is the diagonal `first`."""
        out, weights = vector.copy(), []
        for step, change, curvature in reversed(self.pairs):
            weight = step.dot(out) / curvature
            weights.append(weight)
            out -= weight * change
        out = first * out
        for (step, change, curvature), weight in zip(self.pairs, reversed(weights)):
            out += step * (weight - change.dot(out) / curvature)
        return out


def minimise(function, x, tolerance=1e-3, iterations=50, longest=1.0, rounding=1e-12, enough=lambda: False):
    """Minimise a function in well-scaled coordinates.

    Parameters
    ----------
    function : callable
        ``x -> (value, gradient)``; may be non-finite away from the start.
    x : ndarray
        Where it is finite.
    tolerance : float
        Stop when the norm of the Newton-like step, in units of the function (its decrement), is below.
    iterations : int
    longest : float
        Longest root mean square of a step's coordinates.
    rounding : float
        Relative accuracy of the values.
    enough : callable
        Asked before every iteration whether to stop.

    Returns
    -------
    x, value, decrement, inverse : ndarray, float, float, InverseHessian
    """
    value, slope = function(x)
    inverse = InverseHessian()
    decrement = np.inf
    for _ in range(iterations):
        direction = -inverse.times(slope)
        decrement = -slope.dot(direction)
        if decrement < tolerance or enough():
            break
        size = np.sqrt(np.mean(direction**2))
        length = min(1.0, longest / size)
        found = backtrack(partial(_at, function, x, direction), -value, decrement, length, rounding)
        if found is None:
            if not inverse.pairs:
                break
            inverse.pairs = []
            continue
        rise, at, new_slope = found
        inverse.update(at - x, new_slope - slope)
        x, value, slope = at, -rise, new_slope
    return x, value, decrement, inverse


def _at(function, x, direction, length):
    """-f, the place, and the gradient of f there."""
    at = x + length * direction
    value, slope = function(at)
    return -value if np.isfinite(slope).all() else -np.inf, at, slope
