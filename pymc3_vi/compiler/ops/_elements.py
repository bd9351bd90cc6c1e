"""Elements of a vector by integer indices, and sums up to every element, without the overhead of NumPy's functions.

These Ops come into a graph after its gradient has been taken, so they have none.
"""

import numpy as np
import theano.tensor as tt
from theano.graph.basic import Apply
from theano.graph.op import COp

from ._kernels import CTYPES, VECTOR_KERNELS, check_floats

__all__ = ["CumulativeSum", "PutElements", "TakeElements"]

_SUPPORT = """
static __attribute__((noinline, cold)) void pv_no_such_element(npy_intp i, npy_intp n) {
    PyErr_Format(PyExc_IndexError, "index %zd is out of bounds for a vector of %zd elements", (Py_ssize_t)i,
                 (Py_ssize_t)n);
}

// The place that an index means, which counts from the end where it is negative; -1 with an exception where none is.
static inline npy_intp pv_place(npy_intp i, npy_intp n) {
    const npy_intp place = i < 0 ? i + n : i;
    if (place >= 0 && place < n) return place;
    pv_no_such_element(i, n);
    return -1;
}
"""


class _VectorOp(COp):
    """An Op on vectors of floats."""

    @staticmethod
    def _index(index):
        index = tt.as_tensor_variable(index)
        if index.ndim != 1 or index.dtype != "int64":
            raise TypeError(f"The index must be a vector of int64. Got {index.type} instead.")
        return index

    @staticmethod
    def _vectors(*vectors):
        vectors = [tt.as_tensor_variable(x) for x in vectors]
        check_floats(vectors, "an Op on elements of vectors")
        if any(x.ndim != 1 for x in vectors):
            raise TypeError(f"Only vectors are taken. Got {[x.type for x in vectors]} instead.")
        return vectors

    def c_headers(self, **kwargs):
        return ["<numpy/arrayobject.h>"]

    def c_support_code(self, **kwargs):
        return [VECTOR_KERNELS, _SUPPORT]

    def c_code_cache_version(self):
        return (1,)


class TakeElements(_VectorOp):
    """z_j = x_{i_j} of a vector x (n,) and indices i (k,)."""

    __props__ = ("version",)  # Theano does not cache modules of Ops with empty props
    version = 1

    def make_node(self, x, index):
        (x,), index = self._vectors(x), self._index(index)
        return Apply(self, [x, index], [tt.TensorType(x.dtype, index.broadcastable)()])

    def infer_shape(self, fgraph, node, shapes):
        return [shapes[1]]

    def perform(self, node, inputs, output_storage):
        x, index = inputs
        output_storage[0][0] = x[index]

    def c_code(self, node, name, inputs, outputs, sub):
        (x, index), (z,), fail = inputs, outputs, sub["fail"]
        return f"""
        {{
            typedef {CTYPES[node.outputs[0].type.dtype]} T;
            const npy_intp n = PyArray_DIM({x}, 0), sx = PyArray_STRIDE({x}, 0), si = PyArray_STRIDE({index}, 0);
            npy_intp k = PyArray_DIM({index}, 0);
            if (!pv_allocate(&{z}, 1, &k, PyArray_TYPE({x}))) {fail}
            const char *from = (const char*)PyArray_DATA({x}), *at = (const char*)PyArray_DATA({index});
            T* to = (T*)PyArray_DATA({z});
            for (npy_intp j = 0; j < k; ++j) {{
                const npy_intp place = pv_place(*(const npy_int64*)(at + j * si), n);
                if (place < 0) {fail}
                to[j] = *(const T*)(from + place * sx);
            }}
        }}
        """


class PutElements(_VectorOp):
    """A copy of the vector x (n,) with z_{i_j} = y_j, or increased by y_j, for j = 1, ..., k, one after the other.

    Parameters
    ----------
    add : bool
        Whether y is added to what is there.
    inplace : bool
        Whether x itself is changed.
    """

    __props__ = ("add", "inplace")

    def __init__(self, add, inplace=False):
        self.add, self.inplace = add, inplace
        if inplace:
            self.destroy_map = {0: [0]}

    def make_node(self, x, y, index):
        (x, y), index = self._vectors(x, y), self._index(index)
        return Apply(self, [x, y, index], [x.type()])

    def infer_shape(self, fgraph, node, shapes):
        return [shapes[0]]

    def perform(self, node, inputs, output_storage):
        x, y, index = inputs
        result = x if self.inplace else x.copy()
        if self.add:
            np.add.at(result, index, y)
        else:
            result[index] = y
        output_storage[0][0] = result

    def c_code(self, node, name, inputs, outputs, sub):
        (x, y, index), (z,), fail = inputs, outputs, sub["fail"]
        assign = "+=" if self.add else "="
        keep = f"Py_INCREF({x}); Py_XDECREF({z}); {z} = {x};"
        copy = f"""
            npy_intp size = n;
            if (!pv_allocate(&{z}, 1, &size, PyArray_TYPE({x}))) {fail}
            for (npy_intp j = 0; j < n; ++j)
                ((T*)PyArray_DATA({z}))[j] = *(const T*)((const char*)PyArray_DATA({x}) + j * PyArray_STRIDE({x}, 0));
        """
        return f"""
        {{
            typedef {CTYPES[node.outputs[0].type.dtype]} T;
            const npy_intp n = PyArray_DIM({x}, 0), k = PyArray_DIM({index}, 0), m = PyArray_DIM({y}, 0);
            if (m != k && m != 1) {{
                PyErr_Format(PyExc_ValueError, "%zd numbers cannot be put in %zd places.", (Py_ssize_t)m,
                             (Py_ssize_t)k);
                {fail}
            }}
            {keep if self.inplace else copy}
            const npy_intp si = PyArray_STRIDE({index}, 0), sy = m == 1 ? 0 : PyArray_STRIDE({y}, 0);
            const npy_intp sz = PyArray_STRIDE({z}, 0);
            const char *from = (const char*)PyArray_DATA({y}), *at = (const char*)PyArray_DATA({index});
            char* to = (char*)PyArray_DATA({z});
            for (npy_intp j = 0; j < k; ++j) {{
                const npy_intp place = pv_place(*(const npy_int64*)(at + j * si), n);
                if (place < 0) {fail}
                *(T*)(to + place * sz) {assign} *(const T*)(from + j * sy);
            }}
        }}
        """


class CumulativeSum(_VectorOp):
    """z_j = x_1 + ... + x_j of a vector, added in this order."""

    __props__ = ("version",)
    version = 1

    def make_node(self, x):
        (x,) = self._vectors(x)
        return Apply(self, [x], [x.type()])

    def infer_shape(self, fgraph, node, shapes):
        return [shapes[0]]

    def perform(self, node, inputs, output_storage):
        output_storage[0][0] = np.cumsum(inputs[0])

    def c_code(self, node, name, inputs, outputs, sub):
        (x,), (z,), fail = inputs, outputs, sub["fail"]
        return f"""
        {{
            typedef {CTYPES[node.outputs[0].type.dtype]} T;
            npy_intp n = PyArray_DIM({x}, 0);
            if (!pv_allocate(&{z}, 1, &n, PyArray_TYPE({x}))) {fail}
            T sum = 0;
            for (npy_intp j = 0; j < n; ++j) {{
                const T value = *(const T*)((const char*)PyArray_DATA({x}) + j * PyArray_STRIDE({x}, 0));
                sum = j ? sum + value : value;
                ((T*)PyArray_DATA({z}))[j] = sum;
            }}
        }}
        """
