"""Variational families, one a file, and the approximations made of a single one."""

from ..core import Approximation, Group
from ._empirical import EmpiricalGroup
from ._full_rank import FullRankGroup
from ._mean_field import MeanFieldGroup
from ._normalizing_flow import NormalizingFlowGroup
from ._shortcuts import Empirical, FullRank, MeanField, NormalizingFlow, SingleGroupApproximation, sample_approx

__all__ = [
    "Approximation",
    "Group",
    "MeanFieldGroup",
    "FullRankGroup",
    "EmpiricalGroup",
    "NormalizingFlowGroup",
    "SingleGroupApproximation",
    "MeanField",
    "FullRank",
    "Empirical",
    "NormalizingFlow",
    "sample_approx",
]
