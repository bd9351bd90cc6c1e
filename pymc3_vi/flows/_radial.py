import numpy as np
import theano.tensor as tt

from ..graph import ParamSpec
from ._base import AbstractFlow, column, inner
from ._registry import register_flow

__all__ = ["RadialFlow"]

#: Added to r^2: the square root has no gradient at 0, where a draw lies on the reference point.
_TINY = 1e-30


@register_flow
class RadialFlow(AbstractFlow):
    r"""Stretches or squeezes space around a reference point.

    .. math:: z' = z + \beta\, h\, (z - z_{ref}), \qquad h = \frac{1}{\alpha + r}, \qquad r = |z - z_{ref}|, \qquad
              \alpha = e^a, \qquad \beta = \log(1 + e^b) - \alpha

    .. math:: \det J = \left[1 + \beta h\right]^{d-1} \left[1 + \beta h - \beta h^2 r\right]
              = \left[h\,(r + s)\right]^{d-1} h^2 \left[r\,(r + 2 \alpha) + \alpha s\right], \qquad s = \log(1 + e^b)

    :math:`\beta > -\alpha` makes the flow invertible for all parameters.  The second form of the determinant is made of
    positive numbers: nothing cancels where the flow squeezes hard.

    Parameters are ``a`` (), ``b`` () and ``z_ref`` (d,); see :class:`AbstractFlow` for the others.

    Notes
    -----
    Starts at :math:`\beta \approx 0`, the identity, with a standard normal reference point, so that repeated flows
    start at different ones.  (PyMC3 starts at :math:`\beta = \log 2 - 1`.)

    References
    ----------
    Rezende, Mohamed: Variational Inference with Normalizing Flows, ICML 2015, eq. 14 and appendix A.2.
    """

    short_name = "radial"
    param_specs = (
        ParamSpec("a", lambda d: (), constraint="real; alpha is exp(a)"),
        ParamSpec("b", lambda d: (), constraint="real; beta is softplus(b) - alpha"),
        ParamSpec("z_ref", lambda d: (d,)),
    )

    @classmethod
    def initial_values(cls, d, rng, jitter):
        a, b = jitter * rng.standard_normal(2)
        # beta = 0 exactly where softplus(b) = alpha.
        return {"a": a, "b": np.log(np.expm1(np.exp(a))) + b, "z_ref": rng.standard_normal(d)}

    def _parts(self, z, params):
        """z - z_ref (..., d), alpha (), softplus(b) (), r (...), h (...)."""
        a, b, z_ref = self._values(params)
        alpha = tt.exp(a)
        delta = z - z_ref
        r = tt.sqrt(tt.sum(tt.sqr(delta), axis=-1) + _TINY)
        return delta, alpha, tt.nnet.softplus(b), r, 1.0 / (alpha + r)

    @staticmethod
    def _along(alpha, soft, r, h):
        """Derivative of |z' - z_ref| along the ray: the eigenvalue of J that belongs to z - z_ref."""
        return tt.sqr(h) * (r * (r + 2.0 * alpha) + alpha * soft)

    def transform_and_log_det(self, z, params=None):
        delta, alpha, soft, r, h = self._parts(z, params)
        across = h * (r + soft)
        log_det = float(self.dim - 1) * tt.log(across) + tt.log(self._along(alpha, soft, r, h))
        return z + column((soft - alpha) * h) * delta, log_det

    def solve_jacobian_transpose(self, z, params, g):
        # J is symmetric, with eigenvalue `along` on the ray and `across` orthogonal to it.
        delta, alpha, soft, r, h = self._parts(z, params)
        across, along = h * (r + soft), self._along(alpha, soft, r, h)
        ray = delta / column(r)
        return (g + column((across / along - 1.0) * inner(g, ray)) * ray) / column(across)
