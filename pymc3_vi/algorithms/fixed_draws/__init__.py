"""The ELBO with fixed draws: an ordinary smooth problem, solved by Newton's method (DADVI)."""

from ._fixed_draws import FixedDraws
from ._minimisers import OPTIMIZERS
from ._mode import find_map

__all__ = ["FixedDraws", "OPTIMIZERS", "find_map"]
