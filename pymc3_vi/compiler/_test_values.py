"""Building models without compiling their test values."""

import contextlib

from theano.graph.op import compute_test_value as _compute_test_value
from theano.graph.utils import MethodNotDefined

from ..compat._building import SHUFFLES
from ._flags import flags

__all__ = ["compute_test_value", "fast_build"]


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
    with flags(cxx=""), SHUFFLES:
        yield


def compute_test_value(node):
    """Theano's function of this name, without a compiler.

    In its place, models are built as in `fast_build`, while everything else that Theano compiles is left as it is.
    """
    try:
        with fast_build():
            _compute_test_value(node)
    except (NotImplementedError, MethodNotDefined):  # an Op that has C code alone
        _compute_test_value(node)
