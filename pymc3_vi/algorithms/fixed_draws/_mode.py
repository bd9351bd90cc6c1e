"""The mode of the posterior on the unconstrained scale."""

import numpy as np
from scipy import optimize

from ...approximations.gaussian import LARGEST_DENSE_DIMENSION, Curvature

__all__ = ["find_map"]

ITERATIONS = 60
#: Gain (nats) that a Newton step promises where the search ends, and may still promise at a mode.
ENOUGH, DECREMENT = 1e-4, 0.1
SHRINK, TRIALS, SUFFICIENT = 0.3, 14, 1e-4
PROBES = 16


def find_map(density, start):
    """Mode near `start`, or None where the search ends at a point that is none.

    Posteriors of hierarchical models often have no mode: their density is not bounded where a group's scale is zero.

    Parameters
    ----------
    density : PointDensity
    start : ndarray (d,)

    Returns
    -------
    ndarray (d,) or None
    """
    if not _at(density, start)[2]:
        return None
    return _by_newton(density, start) if density.d <= LARGEST_DENSE_DIMENSION else _by_lbfgs(density, start)


def _at(density, z):
    """log p and its gradient at one point, and whether both are finite."""
    logp, grad = density.slopes(z[None])
    return float(logp[0]), grad[0], bool(np.isfinite(logp[0]) and np.isfinite(grad).all())


def _by_newton(density, z):
    """Newton's method with directions of negative curvature turned round."""
    value, grad, _ = _at(density, z)
    for _ in range(ITERATIONS):
        matrix = -density.hessian_products(np.repeat(z[None], density.d, axis=0), np.eye(density.d))
        if not np.isfinite(matrix).all():
            return None
        curvature = Curvature(0.5 * (matrix + matrix.T))
        step = curvature.solve(grad)
        decrement = grad.dot(step)
        found = _search(density, z, value, step, decrement) if decrement > ENOUGH else None
        if found is None:
            return z if decrement < DECREMENT and curvature.is_positive() else None
        z, value, grad = found
    return None


def _search(density, z, value, step, decrement):
    length = 1.0
    for _ in range(TRIALS):
        at = z + length * step
        new_value, grad, finite = _at(density, at)
        if finite and new_value >= value + SUFFICIENT * length * decrement:
            return at, new_value, grad
        length *= SHRINK
    return None


def _by_lbfgs(density, start):
    """Quasi-Newton search in units of a random estimate of the Hessian's diagonal."""
    probes = np.random.Generator(np.random.SFC64(0)).integers(0, 2, (PROBES, density.d)) * 2.0 - 1.0
    diagonal = np.mean(probes * density.hessian_products(np.repeat(start[None], PROBES, axis=0), probes), axis=0)
    widths = 1 / np.sqrt(np.maximum(np.abs(diagonal), 1e-12))
    if not np.isfinite(widths).all():
        return None

    def function(y):
        value, grad, finite = _at(density, start + widths * y)
        return (-value, -grad * widths) if finite else (1e100, np.zeros(density.d))

    found = optimize.minimize(
        function, np.zeros(density.d), jac=True, method="L-BFGS-B", options={"maxiter": 4 * ITERATIONS, "maxcor": 20}
    )
    return start + widths * found.x if found.success else None
