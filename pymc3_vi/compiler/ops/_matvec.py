"""The product of a matrix and a vector."""

import numpy as np
import theano.tensor as tt
from theano.graph.basic import Apply
from theano.graph.op import COp

from .._csrc import c_source
from ._kernels import CTYPES, VECTOR_KERNELS, check_floats

__all__ = ["MatVec"]


class MatVec(COp):
    """``A x`` for a matrix A (m, k) and a vector x (k,) of the same type.

    BLAS needs arrays in one of two orders, a place for the result, and factors for both; this Op needs none, so that
    what happens to the product can be part of a loop.  A may lie in any order; matrices without order are copied.
    """

    __props__ = ("version",)  # Theano does not cache modules of Ops with empty props
    version = 1

    def make_node(self, a, x):
        a, x = tt.as_tensor_variable(a), tt.as_tensor_variable(x)
        if a.ndim != 2 or x.ndim != 1:
            raise TypeError(f"MatVec needs a matrix and a vector. Got {a.ndim} and {x.ndim} dimensions instead.")
        dtype = check_floats([a, x], "MatVec")
        return Apply(self, [a, x], [tt.TensorType(dtype, (a.broadcastable[0],))()])

    def infer_shape(self, fgraph, node, shapes):
        return [(shapes[0][0],)]

    def perform(self, node, inputs, output_storage):
        a, x = inputs
        output_storage[0][0] = np.dot(a, x)

    def c_headers(self, **kwargs):
        return ["<numpy/arrayobject.h>"]

    def c_support_code(self, **kwargs):
        return [VECTOR_KERNELS, c_source("products.h"), c_source("matvec.h")]

    def c_code_cache_version(self):
        return (self.version,)

    def c_code(self, node, name, inputs, outputs, sub):
        (a, x), (z,), fail = inputs, outputs, sub["fail"]
        ctype = CTYPES[node.outputs[0].dtype]
        return f"if (!pv_matvec<{ctype}>({a}, {x}, &{z}, PyArray_TYPE({a}))) {{ {fail} }}"
