"""Test functions and kernels."""

import theano.tensor as tt

from ..errors import ParametrizationError
from ..graph import collect_shared
from ..parameters import checked
from ..registry import Registry

__all__ = ["TestFunction", "Kernel", "KERNELS", "as_kernel"]

#: Kernels by name.
KERNELS = Registry("kernel")


class TestFunction:
    """Function of the draws that an operator is tested with; it may have trainable parameters.

    Attributes
    ----------
    shared_params : dict or None
        Trainable parameters by name.
    """

    __test__ = False  # not a test case, whatever pytest makes of the name
    shared_params = None

    @property
    def params(self):
        """Trainable shared variables."""
        return collect_shared(self.shared_params)

    def __call__(self, z):
        raise NotImplementedError(f"{type(self).__name__} must define __call__(z).")

    def direction(self, X, scores):
        r"""Sums :math:`\sum_j [k(x_j, x_i) s_j + \nabla_{x_j} k(x_j, x_i)]` for scores s (n, d), as (n, d).

        Kernels that need fewer products for the sum than for its parts override it.
        """
        K, dK = self(X)
        return tt.dot(K, scores) + dK

    def setup(self, approx):
        """Called once with the approximation before the first use."""

    @classmethod
    @checked
    def from_function(cls, f):
        """Test function for a name, a callable or a test function.

        Parameters
        ----------
        f : str, callable or TestFunction
            Name of a kernel; function of the draws; an instance, returned as it is, or a class, which is called.

        Raises
        ------
        ParametrizationError
            If `f` is none of these.
        UnknownNameError
            If no kernel has that name.
        """
        if isinstance(f, type) and issubclass(f, TestFunction):
            f = f()
        if isinstance(f, TestFunction):
            return f
        if isinstance(f, str):
            return KERNELS.get(f)
        if not callable(f):
            raise ParametrizationError(
                f"A test function must be a kernel name ({', '.join(KERNELS.names())}), a callable or a TestFunction. "
                f"Got {f!r} instead."
            )
        return _FunctionKernel(f)


class Kernel(TestFunction):
    r"""Positive definite kernel.

    ``kernel(X)`` takes X of shape (n, d) and returns ``(K, dK)``: the matrix :math:`K_{ij} = k(x_i, x_j)` (n, n)
    and the summed gradients :math:`dK_i = \sum_j \nabla_{x_j} k(x_j, x_i)` (n, d).
    """


class _FunctionKernel(Kernel):
    """Kernel around a plain callable; what that has of a test function's attributes stays in use."""

    def __init__(self, function):
        self.function = function

    @property
    def shared_params(self):
        return getattr(self.function, "shared_params", None)

    def __call__(self, X):
        return self.function(X)

    def setup(self, approx):
        if hasattr(self.function, "setup"):
            self.function.setup(approx)

    def __repr__(self):
        return f"Kernel({self.function!r})"


def as_kernel(kernel):
    """Kernel for a name, a callable ``X -> (K, dK)``, or a kernel; see ``TestFunction.from_function``."""
    return TestFunction.from_function(kernel)
