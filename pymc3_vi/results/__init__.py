"""Results of a fit for other tools: saved files, inference data, summaries.

Importing this package gives ``Approximation`` the methods listed at its end.
"""
from ..core import Approximation
from ._fit_report import FitReport, FitRun
from ._save import load, save_approximation

__all__ = ["FitReport", "FitRun", "load", "save_approximation"]

# The methods belong to this layer, so the class below does not know of them.
Approximation.save = save_approximation
