import numpy as np
import theano.tensor as tt

from ..graph import ParamSpec
from ._base import SOFTPLUS_ONE, AbstractFlow, column, inner
from ._registry import register_flow

__all__ = ["PlanarFlow"]

#: Least |w|^2 to divide by, so that w = 0 gives the shift by u tanh(b); far below that of any w that a fit meets.
_TINY = 1e-30


@register_flow
class PlanarFlow(AbstractFlow):
    r"""Stretches or squeezes space along one direction, around a hyperplane.

    .. math:: z' = z + \hat u\, t, \qquad t = \tanh(w^\top z + b), \qquad
              \hat u = u + \left(m(w^\top u) - w^\top u\right) \frac{w}{|w|^2}, \qquad m(x) = \log(1 + e^x) - 1

    .. math:: \det J = 1 + (1 - t^2)\, w^\top \hat u = t^2 + (1 - t^2) \log(1 + e^{w^\top u})

    The step from u to :math:`\hat u` makes :math:`w^\top \hat u > -1`, so the flow is invertible for all parameters.
    The second form of the determinant is a sum of positive numbers: nothing cancels where the flow squeezes hard.

    Parameters are ``u`` (d,), ``w`` (d,) and ``b`` (); see :class:`AbstractFlow` for the others.

    Notes
    -----
    Starts at :math:`\hat u \approx 0`, the identity, with w a random unit vector: w then reads the noise on the scale
    on which tanh bends.  PyMC3 starts with w of length jitter and, for small jitter, :math:`\hat u` of length 0.3 /
    jitter; and it adds 1e-10 to :math:`|w|^2`, which lets the determinant turn negative where the flow squeezes hard.

    References
    ----------
    Rezende, Mohamed: Variational Inference with Normalizing Flows, ICML 2015, eq. 10-12 and appendix A.1.
    """

    short_name = "planar"
    param_specs = (
        ParamSpec("u", lambda d: (d,)),
        ParamSpec("w", lambda d: (d,), constraint="not all zero"),
        ParamSpec("b", lambda d: ()),
    )

    @classmethod
    def initial_values(cls, d, rng, jitter):
        w = rng.standard_normal(d)
        w = w / np.linalg.norm(w)
        # u_hat = 0 exactly where u is parallel to w and softplus(w.u) = 1.
        u = SOFTPLUS_ONE * w + jitter * rng.standard_normal(d)
        return {"u": u, "w": w, "b": jitter * rng.standard_normal()}

    def _parts(self, z, params):
        """u_hat (d), w (d), t (...), det J (...)."""
        u, w, b = self._values(params)
        wu, ww = inner(w, u), inner(w, w)
        soft, divisor = tt.nnet.softplus(wu), tt.maximum(ww, _TINY)
        u_hat = u + column((soft - 1.0 - wu) / divisor) * w
        t = tt.tanh(inner(z, w) + b)
        square = tt.sqr(t)
        # 1 + w.u_hat: softplus(w.u), but 1 where w = 0; the weight is exactly 1 everywhere else.
        weight = ww / divisor
        stretch = weight * soft + (1.0 - weight) * (1.0 + wu)
        return u_hat, w, t, square + (1.0 - square) * stretch

    def transform_and_log_det(self, z, params=None):
        u_hat, _, t, det = self._parts(z, params)
        return z + column(t) * u_hat, tt.log(det)

    def solve_jacobian_transpose(self, z, params, g):
        # J^T = I + psi u_hat^T with psi = (1 - t^2) w; Sherman and Morrison's formula, whose denominator is det J.
        u_hat, w, t, det = self._parts(z, params)
        return g - column((1.0 - tt.sqr(t)) * inner(g, u_hat) / det) * w
