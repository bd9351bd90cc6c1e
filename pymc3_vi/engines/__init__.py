"""Engines: they turn Theano graphs into functions and step graphs into steps."""
from ._compiler import compile_count
from ._config import clear_cache, show_config
from ._fast_build import compute_test_value, fast_build
from ._function import ENGINES, compile_function, release_memory, run_steps
from ._snapshot import Snapshot, put_snapshot, take_snapshot
from ._step import Step, StepDiverged, StepGraph

__all__ = [
    "ENGINES",
    "clear_cache",
    "compile_count",
    "compile_function",
    "compute_test_value",
    "fast_build",
    "release_memory",
    "run_steps",
    "show_config",
    "Step",
    "StepDiverged",
    "StepGraph",
    "Snapshot",
    "put_snapshot",
    "take_snapshot",
]
