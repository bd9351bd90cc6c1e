"""Squared distances between particles, and what kernels of distances are made of."""
import numpy as np
import theano
import theano.tensor as tt

from ..graph.ops import median
from ..validation import check_number

__all__ = ["squared_distances", "median_bandwidth", "bandwidth_of", "check_bandwidth", "weighted_differences"]


def centred(X):
    """Particles (n, d) minus their mean, which the gradient takes as fixed."""
    return X - theano.gradient.disconnected_grad(tt.mean(X, axis=0, keepdims=True))


def squared_distances(X):
    r"""Squared Euclidean distances between particles.

    .. math:: H_{ij} = |x_i|^2 + |x_j|^2 - 2 x_i^\top x_j

    Parameters
    ----------
    X : matrix (n, d)

    Returns
    -------
    matrix (n, n)

    Notes
    -----
    The particles are centred first: the sum above would lose all digits of particles that lie close together far from
    the origin.  What is then left below the rounding error of the sum is set to 0, so that particles that coincide have
    distance 0 instead of noise, from which a bandwidth could not be told.
    """
    X = centred(X)
    norms = tt.sum(tt.sqr(X), axis=1)
    lengths = norms.dimshuffle(0, "x") + norms.dimshuffle("x", 0)
    H = lengths - 2 * tt.dot(X, X.T)
    # The rounding errors of d products add up like a random walk; four standard deviations of it.
    noise = 4 * np.finfo(X.dtype).eps * tt.sqrt(tt.cast(X.shape[1], X.dtype))
    return tt.switch(H > tt.cast(noise, X.dtype) * lengths, H, tt.zeros_like(H))


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
    middle = median(H)
    middle = tt.switch(middle > 0, middle, tt.cast(tt.mean(H), H.dtype))
    middle = tt.switch(middle > 0, middle, tt.ones_like(middle))
    n = tt.cast(H.shape[0], H.dtype)
    return theano.gradient.disconnected_grad(middle / (2 * tt.log(n + 1)))


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
