"""The default rule for Gaussian families: a Newton path to the optimum, then averaged Newton steps."""

from ._lbfgs import minimise
from ._rule import newton_step
from ._step import NewtonStep
from ._target import DrawTarget, Evaluation
from ._warm_start import NoFiniteStart, WarmStart

__all__ = ["DrawTarget", "Evaluation", "NewtonStep", "NoFiniteStart", "WarmStart", "minimise", "newton_step"]
