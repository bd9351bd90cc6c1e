"""Patches for Python 3.8 to 3.11, where NumPy still has distutils, and for all that lack a part of it.

Theano-PyMC 1.1.2 reads ``numpy.distutils.__config__.blas_opt_info`` while it is being imported.  NumPy 1.22 and
later no longer define that name, so the import dies with an AttributeError unless somebody defines it first
(PyMC3 3.11.6 does, 3.11.4 does not).
"""

import importlib.util
import sys
import warnings

import numpy  # noqa: F401  (outside of `catch_warnings`, which would take back the filters that it sets)

from ._patch import Patch, StandIn, module_with

__all__ = ["STAND_INS", "forget_broken_theano"]


class _BlasInfo(Patch):
    def apply(self):
        """Define the name, if there is a module to hold it."""
        if not self.enabled:
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                import numpy.distutils.__config__ as config
            except ImportError:
                return
        if not hasattr(config, "blas_opt_info"):
            config.blas_opt_info = {}


def _lacks_msvccompiler():
    if sys.version_info >= (3, 12) or "distutils.msvccompiler" in sys.modules:
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return importlib.util.find_spec("distutils.msvccompiler") is None
        except ImportError:
            return False


def forget_broken_theano():
    """Drop the remains of a failed ``import theano``, which would poison every later import."""
    broken = "theano" not in sys.modules and any(name.startswith("theano.") for name in sys.modules)
    if broken:
        for name in [n for n in sys.modules if n == "theano" or n.startswith("theano.")]:
            del sys.modules[name]


STAND_INS = [
    StandIn(
        "msvccompiler",
        "PyMC3 3.11.6 imports numpy.distutils.system_info, which needs distutils.msvccompiler; setuptools 74 and later "
        "put their own distutils in place of Python's, without that module.  Outside Windows a stand-in is enough.",
        "distutils.msvccompiler",
        lambda: module_with("distutils.msvccompiler", get_build_version=lambda: None),
        needed=_lacks_msvccompiler(),
    ),
    _BlasInfo(
        "blas_opt_info",
        "Theano reads numpy.distutils.__config__.blas_opt_info, which NumPy 1.22 and later do not have.",
        needed=sys.version_info < (3, 12),
    ),
    StandIn(
        "scan_perform_ext",
        "The C code that Theano ships for scan does not compile on Python 3.11 and later, and Theano gives up there; "
        "told that there is none, it takes its Python code.",
        "theano.scan.scan_perform_ext",
        lambda: None,
        needed=sys.version_info >= (3, 11),
    ),
]
