"""Coordinates for Hamiltonian Monte Carlo from positions and gradients of many chains."""

import numpy as np
from scipy import linalg

__all__ = ["fisher_scale"]

#: Share of the points, those with the largest gradients, that are left out: one chain in a neck must not set the scale.
TRIM = 0.05
#: Weight of the present coordinates against the points', in points per dimension.
PRIOR = 0.002


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
    size = np.einsum("nd,nd->n", grad, grad)
    keep = np.isfinite(size) & (size <= np.quantile(size[np.isfinite(size)], 1 - TRIM))
    x, grad = x[keep], grad[keep]
    n, d = x.shape
    weight = PRIOR * d / n if dense else PRIOR / n
    location, x, grad = x.mean(axis=0), x - x.mean(axis=0), grad - grad.mean(axis=0)
    spread, slope = np.mean(x**2, axis=0) + weight, np.mean(grad**2, axis=0) + weight
    sd = (spread / slope) ** 0.25
    if not dense:
        return location, sd
    x, grad = x / sd, grad * sd  # of one size: far from the mode that of gradients differs by many orders
    try:
        root = linalg.cholesky(grad.T @ grad / n + weight * np.diag(sd**2), lower=True)
        values, vectors = linalg.eigh(root.T @ (x.T @ x / n + weight * np.diag(sd**-2)) @ root)
    except linalg.LinAlgError:  # all gradients along one line
        return location, np.diag(sd)
    right = linalg.solve_triangular(root, vectors, lower=True, trans="T")
    return location, sd[:, None] * right * np.maximum(values, np.finfo("float64").tiny) ** 0.25
