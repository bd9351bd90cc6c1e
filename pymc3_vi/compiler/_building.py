"""The state of Theano and Python in which graphs are built and rewritten."""

import contextlib
import functools
import gc

from ..compat._building import CONNECTIONS, REFUSED_REWRITES, SHUFFLES
from ._flags import alone, flags

__all__ = ["building", "without_test_values"]


@contextlib.contextmanager
def building(**further):
    """Context for building graphs and rewriting them.

    Test values are off: ``with pm.Model()`` leaves ``compute_test_value='raise'`` on, under which building a graph on
    placeholders fails.  Variables do not note the lines of source that made them, and garbage is collected afterwards;
    both would take a tenth of the time or more.  One thread at a time builds.

    Parameters
    ----------
    **further
        Further flags of Theano.
    """
    with alone():
        collecting = gc.isenabled()
        gc.disable()
        try:
            changed = flags(compute_test_value="off", traceback__limit=0, **further)
            with REFUSED_REWRITES, SHUFFLES, CONNECTIONS, changed:
                yield
        finally:
            if collecting:
                gc.enable()


def without_test_values(function):
    """Decorator: run `function` in the context `building`."""

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        with building():
            return function(*args, **kwargs)

    return wrapper
