"""The state of Theano and Python in which graphs are built and rewritten."""

import contextlib
import functools
import gc
import inspect
import types

import theano
import theano.graph.toolbox
from theano.tensor.elemwise import DimShuffle

from ._flags import alone, flags

__all__ = ["building", "without_test_values"]

# Where an inplace rewrite is refused, Theano asks for the name of the function that tried.  With `inspect`'s defaults
# that reads the source around the call, for which the path of every module in the process is resolved: 0.15 s.
theano.graph.toolbox.inspect = types.SimpleNamespace(
    currentframe=inspect.currentframe, getframeinfo=functools.partial(inspect.getframeinfo, context=0)
)


def _read_once(load):
    """Every DimShuffle reads the file of its C code, which is the same for all: a tenth of the time of rewriting."""
    known = {}

    @functools.wraps(load)
    def load_c_code(self, func_files):
        key = type(self), tuple(func_files)
        if key not in known:
            load(self, func_files)
            known[key] = self.func_codes, self.code_sections
        self.func_codes, self.code_sections = known[key]

    return load_c_code


DimShuffle.load_c_code = _read_once(DimShuffle.load_c_code)


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
            with flags(compute_test_value="off", traceback__limit=0, **further):
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
