"""How many threads BLAS runs on, here and there one."""

import contextlib
import ctypes
import functools
import glob
import os
import sys
import threading
import weakref

import numpy as np
import scipy
import scipy.linalg.cython_blas  # noqa: F401  (loads the library whose threads are counted)

__all__ = ["blas_threads", "single_blas_thread", "small_algebra", "with_small_algebra"]

_SYMBOLS = (
    "openblas_{}_num_threads64_",
    "openblas_{}_num_threads",
    "scipy_openblas_{}_num_threads64_",
    "scipy_openblas_{}_num_threads",
)


def _library_paths():
    if sys.platform.startswith("linux"):
        with open("/proc/self/maps") as maps:
            paths = {line.split(None, 5)[-1].strip() for line in maps if "openblas" in line}
        return sorted(p for p in paths if os.path.exists(p))
    found = []
    for package in (np, scipy):
        base = os.path.dirname(package.__file__)
        for folder in (base + ".libs", os.path.join(base, ".libs"), os.path.join(base, ".dylibs")):
            found += glob.glob(os.path.join(folder, "*openblas*"))
    return sorted(found)


def _find_thread_functions():
    """(path, get function, set function) of the OpenBLAS libraries in this process."""
    found = []
    try:
        for path in _library_paths():
            library = ctypes.CDLL(path)
            for symbol in _SYMBOLS:
                if hasattr(library, symbol.format("set")):
                    setter = getattr(library, symbol.format("set"))
                    setter.argtypes, setter.restype = [ctypes.c_int], None
                    found.append((path, getattr(library, symbol.format("get")), setter))
                    break
    except OSError:  # not an error: BLAS then keeps its threads
        pass
    return found


_threads = []


def _thread_functions():
    if not _threads:
        _threads.append(_find_thread_functions())
    return _threads[0]


def blas_threads():
    """(path, number of threads) of the OpenBLAS libraries in this process; other libraries do not say."""
    return [(path, get()) for path, get, _ in _thread_functions()]


_lock = threading.Lock()
_inside: dict = {}  # weak references to contexts, by id
_before: list = []  # what puts the numbers of threads back


class single_blas_thread:
    """Context with one BLAS thread: at the sizes of a step, waking the others costs more than they bring.

    The number belongs to the process: the first thread that enters sets it, the last that leaves puts it back.  A
    Ctrl-C may come before Python reaches what leaves: such a context counts no longer when its object is gone.
    """

    def __enter__(self):
        with _lock:
            _inside[id(self)] = weakref.ref(self)
            if _before:
                return
            for _, get, set_ in _thread_functions():
                count = get()
                if count > 1:
                    _before.append((set_, count))
                    set_(1)

    def __exit__(self, *exc_info):
        with _lock:
            _inside.pop(id(self), None)
            if any(there() is not None for there in _inside.values()):
                return
            _inside.clear()
            while _before:
                set_, count = _before[-1]
                set_(count)
                _before.pop()


#: Rows of a matrix up to which one thread of BLAS is as fast as two on an idle machine: an eigendecomposition takes
#: 35 ms either way at 500, and 0.02 against 0.05 ms of processor time at 10.  On a busy machine the threads wait for
#: each other: 10 ms at 10, 47 at 90 in place of 1.
LARGEST_SINGLE = 500


def small_algebra(size):
    """Context for NumPy's linear algebra on matrices of `size` rows: with one BLAS thread where they are small."""
    return single_blas_thread() if size <= LARGEST_SINGLE else contextlib.nullcontext()


def with_small_algebra(function):
    """Decorator: run a function of an approximation in :func:`small_algebra` of its latent values."""

    @functools.wraps(function)
    def wrapper(approx, *args, **kwargs):
        with small_algebra(approx.ddim):
            return function(approx, *args, **kwargs)

    return wrapper
