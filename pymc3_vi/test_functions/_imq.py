"""Inverse multiquadric kernel."""
import theano.tensor as tt

from ._base import KERNELS, Kernel
from ._distances import bandwidth, squared_distances

__all__ = ["IMQ", "imq"]


class IMQ(Kernel):
    r"""Inverse multiquadric kernel with the median heuristic for its length scale.

    .. math:: k(x, y) = \left(1 + \frac{|x - y|^2}{2h}\right)^{-1/2}, \qquad
              \sum_j \nabla_{x_j} k(x_j, x_i) = \frac{1}{2h} \sum_j k_{ij}^3 (x_i - x_j)

    Its tails fall slowly, so far-away particles still repel each other and the Stein discrepancy detects
    non-convergence.

    References
    ----------
    Gorham, Mackey: Measuring Sample Quality with Kernels, ICML 2017, theorem 8.
    """

    def __call__(self, X):
        H = squared_distances(X)
        h = bandwidth(H)
        K = 1 / tt.sqrt(1 + H / (2 * h))
        cubed = K ** 3
        centred = X - tt.mean(X, axis=0, keepdims=True)
        dK = (centred * tt.sum(cubed, axis=1, keepdims=True) - tt.dot(cubed, centred)) / (2 * h)
        return K, dK


#: The inverse multiquadric kernel.
imq = KERNELS.register("imq", IMQ())
