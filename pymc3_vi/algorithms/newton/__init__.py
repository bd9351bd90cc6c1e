"""The default for Gaussian families: a Newton path to the optimum, then averaged Newton steps."""

from ._averaged_newton import Newton
from ._coverage import gaussian_obstacle, starts_at_test_point
from ._lbfgs import InverseHessian, minimise
from ._newton import variational_newton
from ._target import DrawTarget, Evaluation
from ._warm_start import NoFiniteStart, WarmStart, settling_draws

__all__ = [
    "DrawTarget",
    "Evaluation",
    "InverseHessian",
    "Newton",
    "NoFiniteStart",
    "WarmStart",
    "gaussian_obstacle",
    "minimise",
    "settling_draws",
    "starts_at_test_point",
    "variational_newton",
]
