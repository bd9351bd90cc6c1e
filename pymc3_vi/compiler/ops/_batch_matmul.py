"""Products of stacks of matrices, through BLAS."""

import numpy as np
import theano.tensor as tt
from theano.gradient import DisconnectedType
from theano.graph.basic import Apply
from theano.graph.op import COp

from .._csrc import c_source
from ._capsules import declarations, initialisation
from ._kernels import CTYPES, VECTOR_KERNELS, check_floats

__all__ = ["BatchMatmul", "batch_matmul"]

# A stack of matrices as BLAS sees it.  Row-major data is column-major data of the transpose, so one of the two
# strides must be the item size; anything else is copied first.


class BatchMatmul(COp):
    r"""Matrix products over a leading axis, :math:`c_{snm} = \sum_k a_{snk}\, b_{skm}`.

    A leading axis that is statically broadcastable is repeated along the other one.
    """

    __props__ = ("version",)  # Theano does not cache modules of Ops with empty props
    version = 1

    def make_node(self, a, b):
        a, b = tt.as_tensor_variable(a), tt.as_tensor_variable(b)
        dtype = check_floats([a, b], type(self).__name__)
        if a.ndim != 3 or b.ndim != 3:
            raise TypeError(f"BatchMatmul needs two tensors of 3 dimensions. Got {a.type} and {b.type}.")
        pattern = (
            a.broadcastable[0] and b.broadcastable[0],
            a.broadcastable[1],
            b.broadcastable[2],
        )
        return Apply(self, [a, b], [tt.TensorType(dtype, pattern)()])

    def infer_shape(self, fgraph, node, shapes):
        (lead, n, _), (other, _, m) = shapes
        return [(other if node.inputs[0].broadcastable[0] else lead, n, m)]

    def perform(self, node, inputs, output_storage):
        a, b = inputs
        repeats = [v.broadcastable[0] for v in node.inputs]
        if a.shape[2] != b.shape[1] or (a.shape[0] != b.shape[0] and not any(repeats)):
            raise ValueError(f"BatchMatmul: the shapes {a.shape} and {b.shape} do not match.")
        output_storage[0][0] = np.matmul(a, b)

    def L_op(self, inputs, outputs, output_grads):
        a, b = inputs
        (g,) = output_grads
        grads = [self(g, b.dimshuffle(0, 2, 1)), self(a.dimshuffle(0, 2, 1), g)]
        for position, variable in enumerate(inputs):
            grad = grads[position]
            if variable.broadcastable[0] and not grad.broadcastable[0]:
                grad = grad.sum(axis=0, keepdims=True)
            grads[position] = tt.patternbroadcast(grad, variable.broadcastable)
        return grads

    def R_op(self, inputs, eval_points):
        a, b = inputs
        terms = []
        for pair in ((eval_points[0], b), (a, eval_points[1])):
            if all(v is not None and not isinstance(v.type, DisconnectedType) for v in pair):
                terms.append(self(*pair))
        return [sum(terms[1:], terms[0])] if terms else [None]

    def c_headers(self, **kwargs):
        return ["<numpy/arrayobject.h>", "<vector>"]

    def c_support_code(self, **kwargs):
        return [VECTOR_KERNELS, *declarations(["gemm"]), c_source("stack_products.h"), c_source("small_products.h")]

    def c_init_code(self, **kwargs):
        return initialisation(["gemm"])

    def c_code_cache_version(self):
        return (3,)

    def c_code(self, node, name, inputs, outputs, sub):
        a, b = inputs
        (z,) = outputs
        dtype = node.outputs[0].type.dtype
        letter = "d" if dtype == "float64" else "s"
        repeat_a, repeat_b = (int(v.broadcastable[0]) for v in node.inputs)
        fail = sub["fail"]
        return c_source(
            "batch_matmul.c",
            T=CTYPES[dtype],
            a=a,
            b=b,
            repeat_a=repeat_a,
            repeat_b=repeat_b,
            fail=fail,
            z=z,
            letter=letter,
        )


def batch_matmul(a, b):
    r"""Products of matrices along a leading axis, :math:`c_{snm} = \sum_k a_{snk}\, b_{skm}`.

    Parameters
    ----------
    a : tensor (S, n, k) or (n, k)
    b : tensor (S, k, m) or (k, m)
        An operand of two dimensions, or with a broadcastable leading axis, is used for every s.

    Returns
    -------
    tensor (S, n, m)
    """
    a, b = tt.as_tensor_variable(a), tt.as_tensor_variable(b)
    dtype = tt.basic.scal.upcast(a.dtype, b.dtype, "float32")
    operands = []
    for operand in (a, b):
        operand = operand if operand.dtype == dtype else tt.cast(operand, dtype)
        operands.append(operand.dimshuffle("x", 0, 1) if operand.ndim == 2 else operand)
    return BatchMatmul()(*operands)
