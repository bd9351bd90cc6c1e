"""Gaussian approximations as numbers: one mean and one scale, coordinates, curvature and base noise for averages."""

from ._arrow import ArrowCurvature
from ._blocks import GaussianBlocks
from ._chart import Chart
from ._curvature import LARGEST_DENSE_DIMENSION, LARGEST_FULL_DIMENSION, Curvature
from ._draws import Draws, matched_pairs

__all__ = [
    "ArrowCurvature",
    "Chart",
    "Curvature",
    "Draws",
    "GaussianBlocks",
    "LARGEST_DENSE_DIMENSION",
    "LARGEST_FULL_DIMENSION",
    "matched_pairs",
]
