"""Stochastic gradients by any optimizer, and the parts of the default one: annealing, units, averaging."""

from ._annealed_adam import AnnealedAdam
from ._gradients import StochasticGradients
from ._pilot import pilot_budget
from ._tail_average import TailAverage

__all__ = ["AnnealedAdam", "StochasticGradients", "TailAverage", "pilot_budget"]
