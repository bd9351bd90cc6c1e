"""Coordinates for Hamiltonian Monte Carlo from positions and gradients of many chains."""

import numpy as np
from scipy import linalg

__all__ = ["fisher_scale", "is_nearly_normal"]

#: Share of the points, those with the largest gradients, that are left out: one chain in a neck must not set the scale.
TRIM = 0.05
#: Weight of the present coordinates against the points', in points per dimension.
PRIOR = 0.002
#: Share of the points at either end of a coordinate that tell of its tails, and how steep these are at least, in
#: comparison with a normal's.
TAIL, STEEP = 0.05, 0.75


def fisher_scale(x, grad, dense):
    r"""Square root S of the metric that positions and gradients ask for, in the coordinates that they are given in.

    .. math:: S S^\top G S S^\top = X, \qquad X = \operatorname{cov}(x),\; G = \operatorname{cov}(\nabla \log p)

    the geometric mean of X and the inverse of G, which minimises the Fisher divergence from the transformed target to
    the standard normal.  For a Gaussian target it is exact from any cloud of more than d points: with Hessian -H,
    G = H X H and the solution is the inverse of H.

    Parameters
    ----------
    x, grad : ndarray (n, d)
    dense : bool
        Whether S is a matrix; else the same by coordinate.

    Returns
    -------
    location : ndarray (d,)
    scale : ndarray (d, d) or (d,)

    References
    ----------
    Seyboldt, Carlson, Carpenter: Preconditioning Hamiltonian Monte Carlo by minimizing Fisher Divergence.
    """
    with np.errstate(over="ignore"):
        size = np.einsum("nd,nd->n", grad, grad)
    size = np.where(np.isfinite(size), size, np.inf)
    keep = np.isfinite(size) & (size <= np.sort(size)[int((1 - TRIM) * (len(size) - 1))])
    n, d = keep.sum(), x.shape[1]
    if not n:  # gradients whose squares overflow tell nothing
        return x.mean(axis=0), np.eye(d) if dense else np.ones(d)
    x, grad = x[keep], grad[keep]
    weight = PRIOR * d / n if dense else PRIOR / n
    location, x, grad = x.mean(axis=0), x - x.mean(axis=0), grad - grad.mean(axis=0)
    with np.errstate(over="ignore"):
        spread, slope = np.mean(x**2, axis=0) + weight, np.mean(grad**2, axis=0) + weight
    sd = (spread / slope) ** 0.25
    sd = np.where(np.isfinite(sd) & (sd > 0), sd, 1.0)  # where sums of squares overflow
    if not dense:
        return location, sd
    x, grad = x / sd, grad * sd  # of one size: far from the mode that of gradients differs by many orders
    try:
        root = linalg.cholesky(grad.T @ grad / n + weight * np.diag(sd**2), lower=True)
        values, vectors = linalg.eigh(root.T @ (x.T @ x / n + weight * np.diag(sd**-2)) @ root)
    except (linalg.LinAlgError, ValueError):  # all gradients along one line, or too large for their products
        return location, np.diag(sd)
    right = linalg.solve_triangular(root, vectors, lower=True, trans="T")
    least = values[-1] * np.finfo("float64").eps ** 2  # a matrix that can be inverted
    return location, sd[:, None] * right * np.maximum(values, least) ** 0.25


def is_nearly_normal(x, grad):
    r"""Whether tails are about as steep as those of a standard normal, whose gradient is -x, in both directions of all
    coordinates: :math:`-\sum_n x_{nj} g_{nj} \ge 0.75 \sum_n x_{nj}^2` over the outermost points.

    Parameters
    ----------
    x, grad : ndarray (n, d)
    """
    for sign in (1.0, -1.0):
        weight = np.where(sign * x >= np.quantile(sign * x, 1 - TAIL, axis=0), x, 0.0)
        if np.any(-np.einsum("nd,nd->d", weight, grad) < STEEP * np.einsum("nd,nd->d", weight, weight)):
            return False
    return True
