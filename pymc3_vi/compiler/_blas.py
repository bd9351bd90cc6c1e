"""BLAS for Theano's own Ops, and the number of threads it runs on."""

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
from theano.tensor import blas_c
from theano.tensor.blas_headers import blas_header_text

from ._flags import flags
from .ops._capsules import ROUTINES, declarations, initialisation

__all__ = [
    "BLAS_FLAG",
    "blas_libraries",
    "blas_threads",
    "capsule_flags",
    "replace_blas",
    "single_blas_thread",
    "small_algebra",
    "with_small_algebra",
]

#: Library name that makes Theano choose its C versions of gemv, ger and gemm.  It is never linked.
_LIBRARY = "pymc3_vi_blas"
BLAS_FLAG = "-l" + _LIBRARY

_THEANO_ROUTINES = ("copy", "axpy", "scal", "dot", "gemv", "ger", "gemm")


class capsule_flags:
    """Context in which Theano rewrites and generates code for a BLAS that is called through SciPy's capsules."""

    def __enter__(self):
        self._flags = flags(blas__ldflags=BLAS_FLAG)
        self._flags.__enter__()
        self._force = blas_c.check_force_gemv_init._force_init_beta
        # Otherwise Theano compiles and runs a program against the library to learn whether beta = 0 is honoured.
        blas_c.check_force_gemv_init._force_init_beta = True

    def __exit__(self, *exc_info):
        blas_c.check_force_gemv_init._force_init_beta = self._force
        self._flags.__exit__(*exc_info)


def blas_libraries(libraries):
    """`libraries` without the one that is not there."""
    return [name for name in libraries if name != _LIBRARY]


def _wrappers():
    """Definitions of ``dgemm_`` and the like, which Theano's Ops call, by way of the capsules."""
    pieces = []
    for routine in _THEANO_ROUTINES:
        _, result, arguments = ROUTINES[routine]
        for letter, ctype in (("s", "float"), ("d", "double")):
            # Theano's header promises const arguments, the capsules do not.
            types = [("const " + a if a != "char*" else a).format(T=ctype) for a in arguments]
            types = [t[6:] if i == _OUTPUTS[routine] else t for i, t in enumerate(types)]
            names = ", ".join(f"{t} a{i}" for i, t in enumerate(types))
            call = ", ".join(f"({a.format(T=ctype)})a{i}" for i, a in enumerate(arguments))
            keyword = "" if result == "void" else "return "
            pieces.append(
                f'extern "C" {result.format(T=ctype)} {letter}{routine}_({names}) '
                f"{{ {keyword}pv_{letter}{routine}({call}); }}"
            )
    return pieces


#: position of the argument that each routine writes to
_OUTPUTS = {"copy": 3, "axpy": 4, "scal": 2, "dot": None, "gemv": 9, "ger": 7, "gemm": 11}


def replace_blas(support_code):
    """Swap Theano's BLAS header in `support_code` for definitions by way of SciPy.

    Returns
    -------
    support_code : list of str
    init_code : list of str
        Statements for the module's initialisation; empty if nothing in the code calls BLAS.
    """
    header = blas_header_text()
    if not any(header in piece for piece in support_code):
        return support_code, []
    pieces = [piece.replace(header, "") for piece in support_code]
    return [*declarations(_THEANO_ROUTINES), *_wrappers(), *pieces], initialisation(_THEANO_ROUTINES)


# ---------------------------------------------------------------- threads
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


_single = {"lock": threading.Lock(), "inside": {}, "before": []}


class single_blas_thread:
    """Context with one BLAS thread: at the sizes of a step, waking the others costs more than they bring.

    The number belongs to the process: the first thread that enters sets it, the last that leaves puts it back.  A
    Ctrl-C may come before Python reaches what leaves: such a context counts no longer when its object is gone.
    """

    def __enter__(self):
        with _single["lock"]:
            _single["inside"][id(self)] = weakref.ref(self)
            if _single["before"]:
                return
            for _, get, set_ in _thread_functions():
                count = get()
                if count > 1:
                    _single["before"].append((set_, count))
                    set_(1)

    def __exit__(self, *exc_info):
        with _single["lock"]:
            _single["inside"].pop(id(self), None)
            if any(there() is not None for there in _single["inside"].values()):
                return
            _single["inside"].clear()
            while _single["before"]:
                set_, count = _single["before"][-1]
                set_(count)
                _single["before"].pop()


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
