"""BLAS and LAPACK for C code, through the function pointers that SciPy publishes.

``scipy.linalg.cython_blas`` and ``cython_lapack`` hold one capsule per routine.  A C module that fetches its routines
from there needs no BLAS to link against and no system package, and runs on the same library as NumPy code does.
"""

from .._csrc import c_source
from ._threads import PARALLEL

__all__ = ["declarations", "initialisation", "ROUTINES"]

_INT, _CHAR, _IN, _OUT = "int*", "char*", "{T}*", "{T}*"

#: routine -> (SciPy module, result type, argument types); ``{T}`` stands for float or double
ROUTINES = {
    "copy": ("blas", "void", [_INT, _IN, _INT, _OUT, _INT]),
    "axpy": ("blas", "void", [_INT, _IN, _IN, _INT, _OUT, _INT]),
    "scal": ("blas", "void", [_INT, _IN, _OUT, _INT]),
    "dot": ("blas", "{T}", [_INT, _IN, _INT, _IN, _INT]),
    "gemv": ("blas", "void", [_CHAR, _INT, _INT, _IN, _IN, _INT, _IN, _INT, _IN, _OUT, _INT]),
    "ger": ("blas", "void", [_INT, _INT, _IN, _IN, _INT, _IN, _INT, _OUT, _INT]),
    "gemm": ("blas", "void", [_CHAR, _CHAR, _INT, _INT, _INT, _IN, _IN, _INT, _IN, _INT, _IN, _OUT, _INT]),
    "trsm": ("blas", "void", [_CHAR, _CHAR, _CHAR, _CHAR, _INT, _INT, _IN, _IN, _INT, _OUT, _INT]),
    "trmm": ("blas", "void", [_CHAR, _CHAR, _CHAR, _CHAR, _INT, _INT, _IN, _IN, _INT, _OUT, _INT]),
    "trsv": ("blas", "void", [_CHAR, _CHAR, _CHAR, _INT, _IN, _INT, _OUT, _INT]),
    "potrf": ("lapack", "void", [_CHAR, _INT, _OUT, _INT, _INT]),
}


def _each(routines):
    for routine in routines:
        module, result, arguments = ROUTINES[routine]
        for letter, ctype in (("s", "float"), ("d", "double")):
            yield f"{letter}{routine}", module, result.format(T=ctype), [a.format(T=ctype) for a in arguments]


def declarations(routines):
    """C code that declares ``pv_dgemm`` and the like for each of `routines`, in single and double precision.

    Returns
    -------
    list of str
        Pieces that are equal for equal routines, so that linkers which drop duplicates emit each of them once.
    """
    pieces = [c_source("capsules.h")]
    for name, _, result, arguments in _each(routines):
        pieces.append(f"static {result} (*{_pointer(name)})({', '.join(arguments)}) = NULL;")
        if name.endswith("gemm"):
            pieces += [PARALLEL, c_source("gemm.h"), c_source("gemm.c", letter=name[0], T=arguments[5][:-1])]
    return pieces


def _pointer(name):
    """Name of what points to a routine: ``pv_dgemm`` is a function of ours, which runs long products in parts."""
    return f"pv_whole_{name}" if name.endswith("gemm") else f"pv_{name}"


def initialisation(routines):
    """C statements for the module's initialisation that fetch `routines`; a missing one raises ImportError."""
    pieces = []
    for name, module, result, arguments in _each(routines):
        cast = f"({result} (*)({', '.join(arguments)}))"
        found = f'{_pointer(name)} = {cast}pv_fetch("scipy.linalg.cython_{module}", "{name}")'
        pieces.append(f"if (!({found})) return NULL;")
    return pieces
