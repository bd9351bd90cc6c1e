"""Results of a fit for other tools: saved files, inference data, summaries.

Importing this package gives ``Approximation`` the methods listed at its end, and ArviZ what PyMC3 needs of it.
"""

from ..core import Approximation
from ._checkpoint import Checkpoint
from ._container import read_container, write_container
from ._fit_report import FitReport, FitRun
from ._inference_data import to_inference_data
from ._loo import loo
from ._resume import load_parts, rebuilt_options, restore_point, resume_algorithm, save_inference
from ._save import load, read_file, reading, save_approximation
from ._summary import Summary, summary
from ._traces import from_pymc3

__all__ = [
    "Checkpoint",
    "FitReport",
    "FitRun",
    "Summary",
    "from_pymc3",
    "load",
    "load_parts",
    "loo",
    "read_container",
    "read_file",
    "reading",
    "rebuilt_options",
    "restore_point",
    "resume_algorithm",
    "save_approximation",
    "save_inference",
    "summary",
    "to_inference_data",
    "write_container",
]

# The methods belong to this layer, so the class below does not know of them.
Approximation.save = save_approximation
Approximation.to_inference_data = to_inference_data
Approximation.summary = summary
