"""Inference methods and the front door ``fit``."""

from ..progress import Progress
from ._base import FitState, Inference
from ._dadvi import DADVI
from ._fit import METHODS, fit
from ._gradients import check_gradients, warn_of_steps
from ._history import History, LossView
from ._implicit import ASVGD, SVGD, ImplicitGradient
from ._klqp import ADVI, NFVI, FullRankADVI, KLqp
from ._more_rows import refine

__all__ = [
    "ADVI",
    "FullRankADVI",
    "SVGD",
    "ASVGD",
    "NFVI",
    "DADVI",
    "Inference",
    "ImplicitGradient",
    "KLqp",
    "check_gradients",
    "fit",
    "METHODS",
    "FitState",
    "refine",
    "warn_of_steps",
    "History",
    "LossView",
    "Progress",
]
