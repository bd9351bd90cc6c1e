"""What must happen before Theano and PyMC3 are imported, whatever is imported first.

Theano-PyMC 1.1.2 reads ``numpy.distutils.__config__.blas_opt_info`` while it is being imported.  NumPy 1.22 and
later no longer define that name, so the import dies with an AttributeError unless somebody defines it first
(PyMC3 3.11.6 does, 3.11.4 does not).  Importing this module defines it; a Theano import that already failed half
way is cleaned up so that the next one can succeed.

The C code that Theano-PyMC ships for ``theano.scan`` does not compile on Python 3.11, and Theano gives up there; told
that there is none, it takes its Python code.

PyMC3 3.11.6 imports ``numpy.distutils.system_info``, which needs ``distutils.msvccompiler``.  Setuptools 74 and
later put their own ``distutils`` in place of Python's, without that module; a stand-in is enough outside Windows.
"""

import importlib.util
import sys
import types
import warnings


def _provide_msvccompiler():
    name = "distutils.msvccompiler"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            missing = name not in sys.modules and importlib.util.find_spec(name) is None
        except ImportError:
            return
    if missing:
        stand_in = types.ModuleType(name)
        stand_in.get_build_version = lambda: None
        sys.modules[name] = stand_in


def _provide_blas_info():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import numpy.distutils.__config__ as config
        except ImportError:  # NumPy without distutils: Theano then asks no more
            return
    if not hasattr(config, "blas_opt_info"):
        config.blas_opt_info = {}


def _forget_broken_theano():
    """Drop the remains of a failed ``import theano``, which would poison every later import."""
    broken = "theano" not in sys.modules and any(name.startswith("theano.") for name in sys.modules)
    if broken:
        for name in [n for n in sys.modules if n == "theano" or n.startswith("theano.")]:
            del sys.modules[name]


def _scan_in_python():
    if sys.version_info >= (3, 11):
        sys.modules.setdefault(
            "theano.scan.scan_perform_ext", None
        )  # its import is an ImportError, which Theano catches


_provide_msvccompiler()
_provide_blas_info()
_forget_broken_theano()
_scan_in_python()
