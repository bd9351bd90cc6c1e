"""Small numeric kernels in C++, shared by the Ops of this folder.

They are written with the vector types of GCC and Clang, because modules are compiled with -O1, where compilers do not
vectorise by themselves; and a sum may only be reordered where the source says so.
"""

from .._csrc import c_source

__all__ = ["VECTOR_KERNELS", "CTYPES", "check_floats"]

CTYPES = {"float32": "npy_float32", "float64": "npy_float64"}

VECTOR_KERNELS = c_source("vectors.h")


def check_floats(variables, caller):
    """Raise unless all `variables` are real floats of one type; returns that type."""
    dtypes = {v.type.dtype for v in variables}
    if len(dtypes) != 1 or not dtypes <= set(CTYPES):
        raise TypeError(f"The inputs of {caller} must be all float32 or all float64. Got {sorted(dtypes)} instead.")
    return dtypes.pop()
