"""Versions of this package and of those it stands on."""

import sys

import arviz
import numpy
import pymc3
import theano

__all__ = ["package_versions"]


def package_versions():
    """Dict package -> version, Python's own included."""
    return {
        "pymc3_vi": getattr(sys.modules[__name__.split(".")[0]], "__version__", "unknown"),
        "pymc3": pymc3.__version__,
        "theano": theano.__version__,
        "numpy": numpy.__version__,
        "arviz": arviz.__version__,
        "python": ".".join(map(str, sys.version_info[:3])),
    }
