"""The default rule for Gaussian families: a Newton path to the optimum, then averaged Newton steps."""
from ._blocks import GaussianBlocks
from ._draws import Draws
from ._rule import newton_step
from ._step import NewtonStep
from ._target import DrawTarget
from ._warm_start import WarmStart

__all__ = ["GaussianBlocks", "Draws", "DrawTarget", "NewtonStep", "WarmStart", "newton_step"]
