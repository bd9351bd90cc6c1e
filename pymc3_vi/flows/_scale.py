import theano.tensor as tt

from ..graph import ParamSpec, node_property
from ._base import SOFTPLUS_ONE, AbstractFlow, over_draws
from ._registry import register_flow

__all__ = ["ScaleFlow"]


@register_flow
class ScaleFlow(AbstractFlow):
    r"""Scaling of each dimension: :math:`z' = \sigma \odot z`, :math:`\sigma = \log(1 + e^\rho)`.

    .. math:: \log |\det J| = \sum_i \log \sigma_i

    Parameter ``rho`` (d,); see :class:`AbstractFlow` for the others.

    Notes
    -----
    Starts at :math:`\sigma \approx 1`, the identity; PyMC3 starts at :math:`\rho \approx 0`, :math:`\sigma \approx
    \log 2`, so that a chain with k scale steps starts at :math:`(\log 2)^k`.
    """

    short_name = "scale"
    provides = frozenset(["scale"])
    param_specs = (ParamSpec("rho", lambda d: (d,), constraint="real; the scale is softplus(rho)"),)

    @node_property
    def log_scale(self):
        """Logarithm of the scale, (d,)."""
        return tt.log(tt.nnet.softplus(self.rho))

    @classmethod
    def initial_values(cls, d, rng, jitter):
        return {"rho": SOFTPLUS_ONE + jitter * rng.standard_normal(d)}

    def transform_and_log_det(self, z, params=None):
        (rho,) = self._values(params)
        scale = tt.nnet.softplus(rho)
        return z * scale, over_draws(tt.sum(tt.log(scale), axis=-1), z)

    def solve_jacobian_transpose(self, z, params, g):
        (rho,) = self._values(params)
        return g / tt.nnet.softplus(rho)
