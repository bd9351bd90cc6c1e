"""Gaussian (radial basis function) kernel."""

import theano.tensor as tt

from ..parameters import checked
from ._base import KERNELS, Kernel
from ._distances import bandwidth_of, centred, check_bandwidth, squared_distances, weighted_differences

__all__ = ["RBF", "rbf"]


class RBF(Kernel):
    r"""Gaussian kernel.

    .. math:: k(x, y) = e^{-|x - y|^2 / 2h}, \qquad
              \sum_j \nabla_{x_j} k(x_j, x_i) = \frac1h \sum_j k_{ij} (x_i - x_j)

    Parameters
    ----------
    bandwidth : float, optional
        The squared length scale h; by default the median heuristic of ``median_bandwidth`` at every call.
        Gradients take h as fixed.

    References
    ----------
    Liu, Wang: Stein Variational Gradient Descent, NIPS 2016, section 5.
    """

    @checked
    def __init__(self, bandwidth=None):
        self.bandwidth = check_bandwidth(bandwidth, "RBF")

    def _matrix(self, X):
        H = squared_distances(X)
        h = bandwidth_of(H, self.bandwidth)
        return tt.exp(-H / (2 * h)), h

    def __call__(self, X):
        K, h = self._matrix(X)
        return K, weighted_differences(K, X) / h

    def direction(self, X, scores):
        # sum_j k_ij (s_j + (x_i - x_j) / h), with one product of the kernel matrix.
        K, h = self._matrix(X)
        X = centred(X)
        return tt.dot(K, scores - X / h) + X * (tt.sum(K, axis=1, keepdims=True) / h)

    def __repr__(self):
        return f"RBF(bandwidth={self.bandwidth!r})"


#: The Gaussian kernel with the median heuristic.
rbf = KERNELS.register("rbf", RBF(), aliases=("gaussian",))
