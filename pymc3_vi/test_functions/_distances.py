"""Squared distances between particles and their median."""
import numpy as np
import theano
import theano.tensor as tt

from ..graph.ops import median

__all__ = ["squared_distances", "bandwidth"]


def squared_distances(X):
    """(n, n) squared Euclidean distances between the rows of X.

    The rows are centred first: particles that lie close together far from the origin would lose all digits of
    their differences in ``|x|^2 + |y|^2 - 2 x.y``.
    """
    centred = X - theano.gradient.disconnected_grad(tt.mean(X, axis=0, keepdims=True))
    norms = tt.sum(tt.sqr(centred), axis=1)
    products = tt.dot(centred, centred.T)
    return tt.maximum(norms.dimshuffle(0, "x") + norms.dimshuffle("x", 0) - 2 * products, 0)


def bandwidth(H):
    r"""Squared length scale by the median heuristic.

    .. math:: h = \frac{\operatorname{med}(H)}{2 \log(n + 1)}

    The median runs over all n^2 squared distances, the n zeros of the diagonal included, as in PyMC3.  When it is 0
    (half of all pairs coincide), the mean takes its place, and 1 when that is 0 too.

    References
    ----------
    Liu, Wang: Stein Variational Gradient Descent, NIPS 2016, section 5.
    """
    n = tt.cast(H.shape[0], theano.config.floatX)
    middle = median(H)
    middle = tt.switch(middle > 0, middle, tt.mean(H))
    middle = tt.switch(middle > 0, middle, np.asarray(1, dtype=theano.config.floatX))
    return theano.gradient.disconnected_grad(middle / (2 * tt.log(n + 1)))
