"""The ELBO with fixed draws: an ordinary smooth problem, solved by Newton's method (DADVI)."""

from ._fixed_draws import FixedDraws
from ._minimisers import OPTIMIZERS

__all__ = ["FixedDraws", "OPTIMIZERS"]
