"""Normalizing flows: invertible steps from base noise to draws, and formulas that chain them."""

from ._base import AbstractFlow, column, inner, zero_log_det
from ._chain import FlowChain
from ._formula import Formula, seems_like_formula
from ._householder import HouseholderFlow
from ._loc import LocFlow
from ._planar import PlanarFlow
from ._radial import RadialFlow
from ._registry import FLOWS, flow_for_params, flow_for_short_name, register_flow, seems_like_flow_params
from ._scale import ScaleFlow

__all__ = [
    "FLOWS",
    "AbstractFlow",
    "FlowChain",
    "Formula",
    "PlanarFlow",
    "HouseholderFlow",
    "RadialFlow",
    "LocFlow",
    "ScaleFlow",
    "register_flow",
    "flow_for_params",
    "flow_for_short_name",
    "column",
    "inner",
    "zero_log_det",
    "seems_like_formula",
    "seems_like_flow_params",
]
