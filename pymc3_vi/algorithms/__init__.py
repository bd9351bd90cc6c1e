"""How q is found: stochastic gradients, Newton steps for Gaussian families, passes over many rows, fixed draws."""

from ._algorithm import ALGORITHMS, Algorithm, Task, register_algorithm
from ._choose import choose
from ._non_finite import TermsAtDraws, culprits, non_finite_error, undefined
from .fixed_draws import FixedDraws
from .newton import Newton
from .passes import Passes, gaussian_before
from .stochastic import AnnealedAdam, StochasticGradients, pilot_budget

for _algorithm in (StochasticGradients, Newton, Passes, FixedDraws):
    register_algorithm(_algorithm)

__all__ = [
    "ALGORITHMS",
    "Algorithm",
    "AnnealedAdam",
    "FixedDraws",
    "Newton",
    "Passes",
    "StochasticGradients",
    "Task",
    "TermsAtDraws",
    "choose",
    "culprits",
    "gaussian_before",
    "non_finite_error",
    "pilot_budget",
    "register_algorithm",
    "undefined",
]
