"""How q is found: the Newton rule for Gaussian families, and passes over many rows."""

from ._algorithm import Algorithm
from .passes import Passes, passes_for

__all__ = ["Algorithm", "Passes", "passes_for"]
