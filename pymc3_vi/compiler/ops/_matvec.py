"""The product of a matrix and a vector."""

import numpy as np
import theano.tensor as tt
from theano.graph.basic import Apply
from theano.graph.op import COp

from ._kernels import CTYPES, VECTOR_KERNELS, check_floats
from ._product_code import PRODUCT_KERNELS

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
        return [VECTOR_KERNELS, PRODUCT_KERNELS, _SUPPORT]

    def c_code_cache_version(self):
        return (self.version,)

    def c_code(self, node, name, inputs, outputs, sub):
        (a, x), (z,), fail = inputs, outputs, sub["fail"]
        ctype = CTYPES[node.outputs[0].dtype]
        return f"if (!pv_matvec<{ctype}>({a}, {x}, &{z}, PyArray_TYPE({a}))) {{ {fail} }}"


_SUPPORT = """
template <typename T> static int pv_matvec(PyArrayObject* a, PyArrayObject* x, PyArrayObject** z, int type_num) {
    pv_matrix<T> A;
    pv_reference v;
    npy_intp m = PyArray_DIM(a, 0);
    const npy_intp k = PyArray_DIM(a, 1), size = 2048;  // what both loops touch again and again must fit the cache
    if (PyArray_DIM(x, 0) != k) { pv_product_mismatch(k, PyArray_DIM(x, 0)); return 0; }
    if (!A.open(a)) return 0;
    v = pv_without_gaps(x);
    if (!v.array || !pv_allocate(z, 1, &m, type_num)) return 0;
    const T* from = (const T*)PyArray_DATA(v.array);
    T* to = (T*)PyArray_DATA(*z);
    memset(to, 0, m * sizeof(T));
    for (npy_intp i = 0; i < m; i += size)
        for (npy_intp j = 0; j < k; j += size) {
            const npy_intp mi = m - i < size ? m - i : size, kj = k - j < size ? k - j : size;
            if (A.by_row) pv_lines_dot<T>(mi, kj, A.data + i * A.step + j, A.step, from + j, to + i);
            else pv_lines_axpy<T>(kj, mi, A.data + i + j * A.step, A.step, from + j, to + i);
        }
    return 1;
}
"""
