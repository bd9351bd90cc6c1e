"""Gaussian (radial basis function) kernel."""
import theano.tensor as tt

from ._base import KERNELS, Kernel
from ._distances import bandwidth, squared_distances

__all__ = ["RBF", "rbf"]


class RBF(Kernel):
    r"""Gaussian kernel with the median heuristic for its length scale.

    .. math:: k(x, y) = e^{-|x - y|^2 / 2h}, \qquad
              \sum_j \nabla_{x_j} k(x_j, x_i) = \frac1h \sum_j k_{ij} (x_i - x_j)

    h is held fixed in the gradient.

    References
    ----------
    Liu, Wang: Stein Variational Gradient Descent, NIPS 2016, section 5.
    """

    def __call__(self, X):
        H = squared_distances(X)
        h = bandwidth(H)
        K = tt.exp(-H / (2 * h))
        centred = X - tt.mean(X, axis=0, keepdims=True)  # the sum below only sees differences
        dK = (centred * tt.sum(K, axis=1, keepdims=True) - tt.dot(K, centred)) / h
        return K, dK


#: The Gaussian kernel.
rbf = KERNELS.register("rbf", RBF(), aliases=("gaussian",))
