"""Step graphs, the compiled steps that are made of them, and the state that they change."""

from ._left_out import LeftOut
from ._snapshot import Snapshot, put_snapshot, take_snapshot
from ._step import Step, StepDiverged, StepGraph

__all__ = [
    "LeftOut",
    "Snapshot",
    "Step",
    "StepDiverged",
    "StepGraph",
    "put_snapshot",
    "take_snapshot",
]
