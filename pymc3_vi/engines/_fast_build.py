"""Building models without compiling their test values."""
import contextlib

from theano import config

from ._compiler import active_cxx, remembered_cxx

__all__ = ["fast_build"]


@contextlib.contextmanager
def fast_build():
    """Build models without waiting for a C compiler.

    PyMC3 evaluates a test value for every expression of a model.  Theano compiles each of them: 26 s for two
    parameters on a fresh machine.  Inside this context they are evaluated in Python, in 0.05 s.  Fits inside it still
    compile; what Theano itself compiles inside it, such as ``pm.sample``, would run in Python, so leave the context
    before sampling.

    Examples
    --------
    >>> import pymc3_vi
    >>> import pymc3 as pm
    >>> with pymc3_vi.fast_build(), pm.Model() as model:
    ...     x = pm.Normal("x", 0, 1)
    """
    with remembered_cxx(active_cxx()), config.change_flags(cxx=""):
        yield
