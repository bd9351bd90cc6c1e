"""Inference methods and the front door ``fit``."""

from ..progress import Progress
from ._base import FitState, Inference
from ._dadvi import DADVI
from ._fit import METHODS, fit
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
    "fit",
    "METHODS",
    "FitState",
    "refine",
    "History",
    "LossView",
    "Progress",
]
