"""Gaussian approximations as numbers: one mean and one scale, coordinates, curvature and base noise for averages."""

from ._arrow import ArrowCurvature
from ._blocks import GaussianBlocks
from ._chart import Chart
from ._curvature import LARGEST_DENSE_DIMENSION, LARGEST_FULL_DIMENSION, Curvature
from ._draws import Draws, matched_pairs
from ._response import fixed_noise, response_covariances, response_noise

__all__ = [
    "ArrowCurvature",
    "Chart",
    "Curvature",
    "Draws",
    "GaussianBlocks",
    "LARGEST_DENSE_DIMENSION",
    "LARGEST_FULL_DIMENSION",
    "fixed_noise",
    "matched_pairs",
    "response_covariances",
    "response_noise",
]
