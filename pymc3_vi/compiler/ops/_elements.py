"""Elements of vectors and rows of arrays by integer indices, and sums up to every element, without NumPy's overhead.

These Ops come into a graph after its gradient has been taken, so they have none.
"""

import numpy as np
import theano.tensor as tt
from theano.graph.basic import Apply
from theano.graph.op import COp

from .._csrc import c_source
from ._kernels import CTYPES, VECTOR_KERNELS, check_floats

__all__ = ["CumulativeSum", "PutElements", "TakeElements"]


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
        return [VECTOR_KERNELS, c_source("elements.h")]

    def c_code_cache_version(self):
        return (1,)


class TakeElements(_VectorOp):
    """z_j = x_{i_j}, elements of a vector x (n,) or rows of an array x (n, ...), at indices i (k,)."""

    __props__ = ("version",)  # Theano does not cache modules of Ops with empty props
    version = 2
    #: Types of what can be taken.
    dtypes = tuple(tt.integer_dtypes) + tuple(CTYPES)

    def make_node(self, x, index):
        x, index = tt.as_tensor_variable(x), self._index(index)
        if x.ndim < 1 or x.dtype not in self.dtypes:
            raise TypeError(f"Rows are taken of arrays of integers and floats. Got {x.type} instead.")
        return Apply(self, [x, index], [tt.TensorType(x.dtype, index.broadcastable + x.broadcastable[1:])()])

    def infer_shape(self, fgraph, node, shapes):
        return [tuple(shapes[1]) + tuple(shapes[0][1:])]

    def perform(self, node, inputs, output_storage):
        x, index = inputs
        output_storage[0][0] = x[index]

    def c_code(self, node, name, inputs, outputs, sub):
        (x, index), (z,), (out,) = inputs, outputs, node.outputs
        return c_source("take_elements.c", T=f"npy_{out.dtype}", ndim=out.ndim, x=x, index=index, z=z, fail=sub["fail"])


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
        return c_source(
            "put_elements.c",
            T=CTYPES[node.outputs[0].type.dtype],
            x=x,
            index=index,
            y=y,
            fail=fail,
            prepare=keep if self.inplace else copy,
            z=z,
            assign=assign,
        )


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
        return c_source("cumulative_sum.c", T=CTYPES[node.outputs[0].type.dtype], x=x, z=z, fail=fail)
