import numpy as np
import theano.tensor as tt

from ..graph import ParamSpec
from ._base import AbstractFlow, column, inner, zero_log_det
from ._registry import register_flow

__all__ = ["HouseholderFlow"]

#: Keeps the zero vector from dividing by zero; far below the square of any vector that a fit meets.
_TINY = 1e-30


@register_flow
class HouseholderFlow(AbstractFlow):
    r"""Reflection at the hyperplane orthogonal to v, with log determinant 0.

    .. math:: z' = H z, \qquad H = I - 2\, \frac{v v^\top}{|v|^2}

    H is never built: a step costs O(d).  Parameter ``v`` (d,); see :class:`AbstractFlow` for the others.

    Notes
    -----
    Only the direction of v matters.  It starts as a random unit vector whatever the jitter: a reflection is never near
    the identity, but it leaves the standard normal as it is, and chains of different reflections reach more rotations
    than chains of equal ones.  (PyMC3 starts with a vector of length jitter, for which gradients are 1 / jitter times
    larger, and adds 1e-10 to :math:`|v|^2`, so that its H is orthogonal only up to :math:`10^{-10}/|v|^2`.)

    References
    ----------
    Tomczak, Welling: Improving Variational Auto-Encoders using Householder Flow, 2016, arXiv:1611.09630, eq. 7-8.
    """

    short_name = "hh"
    param_specs = (ParamSpec("v", lambda d: (d,), constraint="not all zero; only its direction matters"),)

    @classmethod
    def initial_values(cls, d, rng, jitter):
        v = rng.standard_normal(d)
        return {"v": v / np.linalg.norm(v)}

    def _reflect(self, x, params):
        (v,) = self._values(params)
        return x - column(2.0 * inner(x, v) / tt.maximum(inner(v, v), _TINY)) * v

    def transform_and_log_det(self, z, params=None):
        return self._reflect(z, params), zero_log_det(z)

    def solve_jacobian_transpose(self, z, params, g):
        # H is symmetric and its own inverse.
        return self._reflect(g, params)
