"""What must happen before Theano is imported, whatever is imported first.

Theano-PyMC 1.1.2 reads ``numpy.distutils.__config__.blas_opt_info`` while it is being imported.  NumPy 1.22 and
later no longer define that name, so the import dies with an AttributeError unless somebody defines it first
(PyMC3 3.11.6 does, 3.11.4 does not).  Importing this module defines it; a Theano import that already failed half
way is cleaned up so that the next one can succeed.
"""
import sys
import warnings


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


_provide_blas_info()
_forget_broken_theano()
