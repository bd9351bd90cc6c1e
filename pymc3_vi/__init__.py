"""Variational inference for PyMC3 models on Theano-PyMC.

The names are those of ``pymc3.variational``; ``pymc3_vi.install()`` puts them in PyMC3's place.
"""

from . import compat  # noqa: F401  (must run before Theano is imported)

# isort: split
from .compat import _quiet_import  # noqa: F401  (the first import of Theano and PyMC3)

# isort: split
from . import (
    approximations,
    callbacks,
    correct,
    data,
    diagnostics,
    errors,
    flows,
    inference,
    many,
    operators,
    opvi,
    plots,
    results,
    stein,
    test_functions,
    updates,
)
from .approximations import Empirical, FullRank, MeanField, NormalizingFlow, sample_approx
from .callbacks import Callback, CheckParametersConvergence, Tracker
from .compat._install import install, uninstall
from .compiler import clear_cache, fast_build, show_config
from .core import Approximation, Group, ObjectiveFunction, Operator
from .correct import HMC
from .data import DataLoader
from .diagnostics import Converged
from .inference import ADVI, ASVGD, DADVI, NFVI, SVGD, FullRankADVI, ImplicitGradient, Inference, KLqp, fit
from .many import Calibration, CrossValidation, FitCollection, bootstrap, fit_many, kfold, sbc
from .operators import KL, KSD
from .results import Checkpoint, load, loo
from .stein import Stein
from .test_functions import TestFunction, rbf
from .updates import (
    adadelta,
    adagrad,
    adagrad_window,
    adam,
    adamax,
    apply_momentum,
    apply_nesterov_momentum,
    momentum,
    nesterov_momentum,
    norm_constraint,
    rmsprop,
    sgd,
    total_norm_constraint,
)

__version__ = "0.2.0"

__all__ = [
    "approximations",
    "callbacks",
    "correct",
    "data",
    "diagnostics",
    "errors",
    "flows",
    "inference",
    "many",
    "operators",
    "opvi",
    "plots",
    "results",
    "stein",
    "test_functions",
    "updates",
    "DataLoader",
    "fit",
    "fit_many",
    "FitCollection",
    "sbc",
    "Calibration",
    "bootstrap",
    "kfold",
    "CrossValidation",
    "sample_approx",
    "load",
    "loo",
    "ADVI",
    "FullRankADVI",
    "NFVI",
    "DADVI",
    "SVGD",
    "ASVGD",
    "KLqp",
    "ImplicitGradient",
    "Inference",
    "MeanField",
    "FullRank",
    "Empirical",
    "NormalizingFlow",
    "Approximation",
    "Group",
    "KL",
    "KSD",
    "Operator",
    "ObjectiveFunction",
    "TestFunction",
    "Stein",
    "rbf",
    "sgd",
    "momentum",
    "nesterov_momentum",
    "adagrad",
    "adagrad_window",
    "rmsprop",
    "adadelta",
    "adam",
    "adamax",
    "apply_momentum",
    "apply_nesterov_momentum",
    "norm_constraint",
    "total_norm_constraint",
    "Callback",
    "CheckParametersConvergence",
    "HMC",
    "Converged",
    "Tracker",
    "Checkpoint",
    "fast_build",
    "show_config",
    "clear_cache",
    "install",
    "uninstall",
]
