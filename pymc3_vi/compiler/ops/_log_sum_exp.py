"""The logarithm of a sum of exponentials along the last axis, with the weights that are its gradient."""

import numpy as np
import theano.tensor as tt
from theano.gradient import DisconnectedType
from theano.graph.basic import Apply
from theano.graph.op import COp

from .._csrc import c_source
from ._kernels import CTYPES, VECTOR_KERNELS
from ._scalar_code import vector_math_declarations, vector_math_libraries
from ._threads import PARALLEL

__all__ = ["LogSumExp"]


class LogSumExp(COp):
    r"""Outputs :math:`y_i = \log \sum_k e^{x_{ik}}` and :math:`w_{ik} = e^{x_{ik} - y_i}` of x (..., k).

    y has the leading axes of x.  The weights w are the derivatives of y, which reverse mode therefore has at once.
    """

    __props__ = ("version",)  # Theano does not cache modules of Ops with empty props
    version = 1

    def make_node(self, x):
        x = tt.as_tensor_variable(x)
        if x.ndim < 1 or x.dtype not in CTYPES:
            raise TypeError(f"LogSumExp needs floats with at least one dimension. Got {x.type} instead.")
        return Apply(self, [x], [tt.TensorType(x.dtype, x.broadcastable[:-1])(), x.type()])

    def infer_shape(self, fgraph, node, shapes):
        return [tuple(shapes[0][:-1]), tuple(shapes[0])]

    def perform(self, node, inputs, output_storage):
        (x,) = inputs
        with np.errstate(all="ignore"):
            peak = np.max(x, axis=-1, keepdims=True, initial=-np.inf)
            peak = np.where(np.isinf(peak), 0, peak)
            powers = np.exp(x - peak)
            total = powers.sum(axis=-1, keepdims=True)
            output_storage[0][0] = np.asarray((peak + np.log(total))[..., 0], dtype=x.dtype)
            output_storage[1][0] = np.asarray(powers / total, dtype=x.dtype)

    def connection_pattern(self, node):
        return [[True, True]]

    def L_op(self, inputs, outputs, output_grads):
        weights, (g, gw) = outputs[1], output_grads
        result = 0
        if not isinstance(g.type, DisconnectedType):
            result = tt.shape_padright(g) * weights
        if not isinstance(gw.type, DisconnectedType):
            result = result + weights * (gw - tt.sum(gw * weights, axis=-1, keepdims=True))
        return [result]

    def R_op(self, inputs, eval_points):
        if eval_points[0] is None:
            return [None, None]
        weights = self(inputs[0])[1]
        change = tt.sum(weights * eval_points[0], axis=-1)
        return [change, weights * (eval_points[0] - tt.shape_padright(change))]

    def c_headers(self, **kwargs):
        return ["<numpy/arrayobject.h>", "<math.h>", "<cmath>"]

    def c_compile_args(self, **kwargs):
        return ["-fopenmp-simd", "-fno-math-errno", "-pthread"]

    def c_libraries(self, **kwargs):
        return vector_math_libraries()

    def c_support_code(self, **kwargs):
        return [VECTOR_KERNELS, vector_math_declarations(), PARALLEL, c_source("log_sum_exp.h")]

    def c_code_cache_version(self):
        return (self.version,)

    def c_code(self, node, name, inputs, outputs, sub):
        (x,), (y, w), fail = inputs, outputs, sub["fail"]
        last = node.inputs[0].type.ndim - 1
        return c_source(
            "log_sum_exp.c", T=CTYPES[node.outputs[0].type.dtype], x=x, last=last, y=y, fail=fail, w=w, ndim=last + 1
        )
