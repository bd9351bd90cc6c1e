"""Variational inference for PyMC3 models on Theano-PyMC."""
from . import _compat  # noqa: F401  (must run before Theano is imported)

__version__ = "0.1.0"
