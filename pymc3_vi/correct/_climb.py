"""Local maxima of log p from many starts at once."""

import numpy as np
from scipy import linalg

__all__ = ["climb", "curvature_root"]

ITERATIONS, MEMORY = 100, 8
#: Expected gain of log p below which a climb has arrived.
ARRIVED = 1e-5
#: Share of the predicted gain that a step must bring, factor between trial steps, and most trials.
SUFFICIENT, SHRINK, TRIALS = 1e-4, 0.25, 12


def climb(target, x):
    """Maximise log p from every row of `x` by L-BFGS, all rows in one batch.

    Parameters
    ----------
    target : Target
    x : ndarray (n, d)

    Returns
    -------
    x : ndarray (n, d)
    logp : ndarray (n,)
    arrived : ndarray (n,) of bool
        Which rows are at a maximum, as far as a quadratic model tells.

    References
    ----------
    Nocedal, Wright: Numerical Optimization, 2006, algorithm 7.4.
    """
    x = np.array(x)
    logp, grad = target(x)
    alive = np.isfinite(logp)
    arrived = np.zeros(len(x), dtype=bool)
    history = []
    for _ in range(ITERATIONS):
        direction = _direction(grad, history)
        gain = np.einsum("nd,nd->n", grad, direction)
        arrived |= alive & (gain < ARRIVED)
        alive &= ~arrived
        if not alive.any():
            break
        step = np.where(alive, 1.0, 0.0)
        if not history:
            step = step / np.maximum(1.0, np.sqrt(np.maximum(gain, 1.0)))
        new, new_logp, new_grad = x.copy(), logp.copy(), grad.copy()
        trying = alive.copy()
        for _ in range(TRIALS):
            rows = np.flatnonzero(trying)
            there = x[rows] + step[rows, None] * direction[rows]
            value, slope = target(there)
            good = value >= logp[rows] + SUFFICIENT * step[rows] * gain[rows]
            new[rows[good]], new_logp[rows[good]], new_grad[rows[good]] = there[good], value[good], slope[good]
            trying[rows[good]] = False
            step[trying] *= SHRINK
            if not trying.any():
                break
        alive &= ~trying
        history = (history + [(new - x, grad - new_grad)])[-MEMORY:]
        x, logp, grad = new, new_logp, new_grad
    return x, logp, arrived


def _direction(grad, history):
    """Ascent directions (n, d); pairs without positive curvature are skipped row by row."""
    q, kept, scale = grad.copy(), [], np.ones(len(grad))
    for s, y in reversed(history):
        sy, yy = np.einsum("nd,nd->n", s, y), np.einsum("nd,nd->n", y, y)
        fine = sy > 1e-10 * yy
        rho = np.where(fine, 1.0 / np.where(fine, sy, 1.0), 0.0)
        if not kept:
            scale = np.where(fine, sy / np.where(fine, yy, 1.0), 1.0)
        a = rho * np.einsum("nd,nd->n", s, q)
        q = q - a[:, None] * y
        kept.append((s, y, rho, a))
    q = q * scale[:, None]
    for s, y, rho, a in reversed(kept):
        q = q + (a - rho * np.einsum("nd,nd->n", y, q))[:, None] * s
    return q


def curvature_root(target, x, step=1e-3):
    """Square root (d, d) of the inverse of the negative Hessian at the maximum `x` (d,); None where it is none."""
    d = len(x)
    shifts = step * np.eye(d)
    grad = target(np.concatenate([x + shifts, x - shifts]))[1]
    precision = -(grad[:d] - grad[d:]) / (2 * step)
    precision = 0.5 * (precision + precision.T)
    try:
        root = linalg.cholesky(precision, lower=True)
    except (linalg.LinAlgError, ValueError):
        return None
    return linalg.solve_triangular(root, np.eye(d), lower=True).T
