"""Diagonals of matrices and diagonal matrices in C; Theano's own run in Python."""

import numpy as np
import theano.tensor as tt
from theano.graph.basic import Apply
from theano.graph.op import COp

from .._csrc import c_source

__all__ = ["Diagonal", "DiagonalMatrix"]


class Diagonal(COp):
    """Main diagonal over the last two axes, as a copy."""

    __props__ = ("version",)  # Theano does not cache modules of Ops with empty props
    version = 1

    def make_node(self, x):
        x = tt.as_tensor_variable(x)
        if x.ndim < 2:
            raise TypeError(f"Diagonal needs at least two dimensions. Got {x.type} instead.")
        return Apply(self, [x], [tt.TensorType(x.dtype, x.broadcastable[:-2] + (False,))()])

    def infer_shape(self, fgraph, node, shapes):
        return [tuple(shapes[0][:-2]) + (tt.minimum(shapes[0][-2], shapes[0][-1]),)]

    def perform(self, node, inputs, output_storage):
        output_storage[0][0] = np.array(np.diagonal(inputs[0], axis1=-2, axis2=-1))

    def L_op(self, inputs, outputs, output_grads):
        # DiagonalMatrix is square; the rest of a rectangle gets zeros.
        x, (g,) = inputs[0], output_grads
        square = DiagonalMatrix()(g)
        if x.owner is not None and getattr(x.owner.op, "is_square", False):
            return [tt.patternbroadcast(square, x.broadcastable)]
        n = g.shape[-1]
        return [tt.set_subtensor(tt.zeros_like(x, dtype=g.dtype)[..., :n, :n], square)]

    def R_op(self, inputs, eval_points):
        return [None if eval_points[0] is None else self(eval_points[0])]

    def c_headers(self, **kwargs):
        return ["<numpy/arrayobject.h>"]

    def c_code_cache_version(self):
        return (1,)

    def c_code(self, node, name, inputs, outputs, sub):
        (x,), (z,), fail = inputs, outputs, sub["fail"]
        ndim = node.inputs[0].type.ndim
        return c_source("diagonal.c", x=x, before_last=ndim - 2, last=ndim - 1, fail=fail, z=z)


class DiagonalMatrix(COp):
    """Square matrices with the last axis on their diagonals and zeros elsewhere."""

    __props__ = ("version",)  # Theano does not cache modules of Ops with empty props
    version = 1

    def make_node(self, x):
        x = tt.as_tensor_variable(x)
        if x.ndim < 1:
            raise TypeError(f"DiagonalMatrix needs at least one dimension. Got {x.type} instead.")
        last = x.broadcastable[-1]
        return Apply(self, [x], [tt.TensorType(x.dtype, x.broadcastable[:-1] + (last, last))()])

    def infer_shape(self, fgraph, node, shapes):
        return [tuple(shapes[0]) + (shapes[0][-1],)]

    def perform(self, node, inputs, output_storage):
        (x,) = inputs
        n = x.shape[-1]
        result = np.zeros(x.shape + (n,), dtype=x.dtype)
        result[..., np.arange(n), np.arange(n)] = x
        output_storage[0][0] = result

    def L_op(self, inputs, outputs, output_grads):
        return [tt.patternbroadcast(Diagonal()(output_grads[0]), inputs[0].broadcastable)]

    def R_op(self, inputs, eval_points):
        return [None if eval_points[0] is None else self(eval_points[0])]

    def c_headers(self, **kwargs):
        return ["<numpy/arrayobject.h>"]

    def c_code_cache_version(self):
        return (1,)

    def c_code(self, node, name, inputs, outputs, sub):
        (x,), (z,), fail = inputs, outputs, sub["fail"]
        ndim = node.inputs[0].type.ndim
        dims = ", ".join(f"PyArray_DIM({x}, {min(i, ndim - 1)})" for i in range(ndim + 1))
        return c_source(
            "diagonal_matrix.c", dims=dims, z=z, out_ndim=ndim + 1, x=x, fail=fail, last=ndim - 1, ndim=ndim
        )
