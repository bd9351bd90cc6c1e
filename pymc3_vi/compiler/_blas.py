"""BLAS for Theano's own Ops, by way of SciPy."""

from theano.tensor import blas_c
from theano.tensor.blas_headers import blas_header_text

from ._flags import flags
from .ops._capsules import ROUTINES, declarations, initialisation

__all__ = ["BLAS_FLAG", "blas_libraries", "capsule_flags", "replace_blas"]

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
