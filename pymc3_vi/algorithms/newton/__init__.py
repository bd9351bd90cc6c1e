"""The default rule for Gaussian families: a Newton path to the optimum, then averaged Newton steps."""

from ._batch_target import BatchTarget
from ._lbfgs import InverseHessian, minimise
from ._newton import variational_newton
from ._rule import newton_step
from ._step import NewtonStep
from ._target import DrawTarget, Evaluation
from ._warm_start import NoFiniteStart, WarmStart

__all__ = [
    "BatchTarget",
    "DrawTarget",
    "Evaluation",
    "InverseHessian",
    "NewtonStep",
    "NoFiniteStart",
    "WarmStart",
    "minimise",
    "newton_step",
    "variational_newton",
]
