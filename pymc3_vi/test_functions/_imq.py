"""Inverse multiquadric kernel."""

import numpy as np
import theano.tensor as tt

from ..parameters import checked
from ._base import KERNELS, Kernel
from ._distances import bandwidth_of, check_bandwidth, squared_distances, weighted_differences

__all__ = ["IMQ", "imq"]


class IMQ(Kernel):
    r"""Inverse multiquadric kernel.

    .. math:: k(x, y) = \left(1 + \frac{|x - y|^2}{2h}\right)^\beta, \qquad
              \sum_j \nabla_{x_j} k(x_j, x_i) = \frac{-\beta}{h} \sum_j
              \left(1 + \frac{|x_i - x_j|^2}{2h}\right)^{\beta - 1} (x_i - x_j)

    It is :math:`(c^2 + |x - y|^2)^\beta` with :math:`c^2 = 2h`, up to a factor that no Stein method sees.  Its tails
    fall slowly, so that particles far apart still repel each other and the Stein discrepancy detects samples that do
    not converge.

    Parameters
    ----------
    bandwidth : float, optional
        h; by default the median heuristic of ``median_bandwidth`` at every call.  Gradients take h as fixed.
    beta : float
        Exponent, between -1 and 0.

    References
    ----------
    Gorham, Mackey: Measuring Sample Quality with Kernels, ICML 2017, theorem 8.
    """

    @checked
    def __init__(self, bandwidth=None, beta=-0.5):
        self.bandwidth = check_bandwidth(bandwidth, "IMQ")
        self.beta = beta

    def __call__(self, X):
        H = squared_distances(X)
        h = bandwidth_of(H, self.bandwidth)
        base = 1 + H / (2 * h)
        beta = tt.constant(np.asarray(self.beta, dtype=X.dtype))
        K = base**beta
        return K, weighted_differences(K / base, X) * (-beta / h)

    def __repr__(self):
        return f"IMQ(bandwidth={self.bandwidth!r}, beta={self.beta!r})"


#: The inverse multiquadric kernel with exponent -1/2 and the median heuristic.
imq = KERNELS.register("imq", IMQ())
