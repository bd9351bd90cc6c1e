"""Operators: what a fit optimizes."""

from ..core import Operator
from ._kl import KL
from ._ksd import KSD, KSDObjective

__all__ = ["Operator", "KL", "KSD", "KSDObjective"]
