"""Squared distances between particles, and what kernels of distances are made of."""

import numpy as np
import theano
import theano.tensor as tt

from ..compiler.ops import MedianDistance, SquaredDistances
from ..validation import check_number

__all__ = [
    "bandwidth_of",
    "centred",
    "check_bandwidth",
    "median_bandwidth",
    "squared_distances",
    "weighted_differences",
]


def centred(X):
    """Particles (n, d) minus their mean, which the gradient takes as fixed."""
    return X - theano.gradient.disconnected_grad(tt.mean(X, axis=0, keepdims=True))


def squared_distances(X):
    r"""Squared Euclidean distances :math:`H_{ij} = |x_i - x_j|^2` between particles.

    Parameters
    ----------
    X : matrix (n, d)

    Returns
    -------
    matrix (n, n)
        From differences, so that particles that lie close together far from the origin are told apart.
    """
    return SquaredDistances()(X)


def median_bandwidth(H):
    r"""Squared length scale by the median heuristic.

    .. math:: h = \frac{\operatorname{med}(H)}{2 \log(n + 1)}

    The median runs over all n^2 squared distances, the n zeros of the diagonal included, as in PyMC3.  Where it is 0
    because half of all pairs coincide, the mean distance takes its place: it scales with the particles as the median
    does.  Where that is 0 too, all particles are one, and any number serves: the kernel is 1 everywhere and its
    gradient 0.

    Parameters
    ----------
    H : matrix (n, n)
        Squared distances.

    Returns
    -------
    scalar, without gradient

    References
    ----------
    Liu, Wang: Stein Variational Gradient Descent, NIPS 2016, section 5.
    """
    n = tt.cast(H.shape[0], H.dtype)
    return theano.gradient.disconnected_grad(MedianDistance()(H) / (2 * tt.log(n + 1)))


def bandwidth_of(H, bandwidth):
    """The number `bandwidth` as a scalar in the type of `H` (n, n), or for None the median heuristic."""
    if bandwidth is None:
        return median_bandwidth(H)
    return tt.constant(np.asarray(bandwidth, dtype=H.dtype))


def check_bandwidth(bandwidth, caller):
    """`bandwidth` as None, for the median heuristic, or as a positive float."""
    if bandwidth is None:
        return None
    return check_number(bandwidth, "bandwidth", caller, low=0, low_open=True)


def weighted_differences(weights, X):
    r"""Sums :math:`\sum_j w_{ij} (x_i - x_j)` for weights (n, n) and particles (n, d), as (n, d)."""
    # Only differences matter; centred particles keep their digits in the products.
    X = centred(X)
    return X * tt.sum(weights, axis=1, keepdims=True) - tt.dot(weights, X)
