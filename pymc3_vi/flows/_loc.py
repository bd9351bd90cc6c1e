from ..graph import ParamSpec
from ._base import AbstractFlow, zero_log_det
from ._registry import register_flow

__all__ = ["LocFlow"]


@register_flow
class LocFlow(AbstractFlow):
    r"""Shift: :math:`z' = z + \mu`, with log determinant 0.

    Parameter ``loc`` (d,); see :class:`AbstractFlow` for the others.
    """

    short_name = "loc"
    provides = frozenset(["location"])
    param_specs = (ParamSpec("loc", lambda d: (d,)),)

    def transform_and_log_det(self, z, params=None):
        (loc,) = self._values(params)
        return z + loc, zero_log_det(z)

    def solve_jacobian_transpose(self, z, params, g):
        return g
