"""Products with a lower triangular matrix that is stored as a packed vector."""

import numpy as np
import theano.tensor as tt
from theano.gradient import DisconnectedType
from theano.graph.basic import Apply
from theano.graph.op import COp

from .._csrc import c_source
from ._kernels import CTYPES, VECTOR_KERNELS, check_floats

__all__ = ["TrilMatVec", "TrilOuter", "tril_matvec", "tril_outer"]


def _dense(packed, d):
    matrix = np.zeros((d, d), dtype=packed.dtype)
    matrix[np.tril_indices(d)] = packed
    return matrix


def _connected(variable):
    return variable is not None and not isinstance(variable.type, DisconnectedType)


class _PackedTriangular(COp):
    """What both products share: they are bilinear, and closed under differentiation."""

    def R_op(self, inputs, eval_points):
        terms = []
        for position, point in enumerate(eval_points):
            if _connected(point):
                replaced = list(inputs)
                replaced[position] = point
                terms.append(self(*replaced))
        return [sum(terms[1:], terms[0])] if terms else [None]

    def c_headers(self, **kwargs):
        return ["<numpy/arrayobject.h>"]

    def c_support_code(self, **kwargs):
        return [VECTOR_KERNELS]

    def c_code_cache_version(self):
        return (1,)


class TrilMatVec(_PackedTriangular):
    r"""Product of a packed lower triangular matrix with one or many vectors.

    .. math:: z_{sr} = \sum_{c \le r} L_{rc}\, x_{sc} \qquad\text{or, transposed,}\qquad
              z_{sc} = \sum_{r \ge c} L_{rc}\, x_{sr}

    Parameters
    ----------
    transpose : bool
        Multiply with :math:`L^\top` instead.
    """

    __props__ = ("transpose",)

    def __init__(self, transpose=False):
        self.transpose = transpose

    def make_node(self, packed, x):
        packed, x = tt.as_tensor_variable(packed), tt.as_tensor_variable(x)
        check_floats([packed, x], type(self).__name__)
        if packed.ndim != 1 or x.ndim not in (1, 2):
            raise TypeError(f"TrilMatVec needs a packed vector and a vector or matrix. Got {packed.type} and {x.type}.")
        return Apply(self, [packed, x], [x.type()])

    def infer_shape(self, fgraph, node, shapes):
        return [shapes[1]]

    def perform(self, node, inputs, output_storage):
        packed, x = inputs
        d = x.shape[-1]
        if packed.size != d * (d + 1) // 2:
            raise ValueError(
                f"TrilMatVec: {packed.size} packed elements do not make a triangle of dimension {d}, "
                f"which has {d * (d + 1) // 2}."
            )
        matrix = _dense(packed, d)
        output_storage[0][0] = np.ascontiguousarray(np.dot(x, matrix if self.transpose else matrix.T))

    def L_op(self, inputs, outputs, output_grads):
        packed, x = inputs
        (g,) = output_grads
        rows, columns = (x, g) if self.transpose else (g, x)
        return [tril_outer(rows, columns), TrilMatVec(not self.transpose)(packed, g)]

    def c_code(self, node, name, inputs, outputs, sub):
        packed, x = inputs
        (z,) = outputs
        ctype = CTYPES[node.outputs[0].type.dtype]
        ndim, fail = node.outputs[0].type.ndim, sub["fail"]
        if self.transpose:
            loop = """
            memset(out, 0, n * d * sizeof(T));
            for (npy_intp r = 0; r < d; row += ++r)
                for (npy_intp s = 0; s < n; ++s) pv_axpy<T>(r + 1, vec[s * d + r], row, out + s * d);"""
        else:
            loop = """
            for (npy_intp r = 0; r < d; row += ++r)
                for (npy_intp s = 0; s < n; ++s) out[s * d + r] = pv_dot<T>(r + 1, row, vec + s * d);"""
        return c_source(
            "tril_mat_vec.c",
            T=ctype,
            x=x,
            last=ndim - 1,
            count=f"PyArray_DIM({x}, 0)" if ndim == 2 else "1",
            packed=packed,
            fail=fail,
            z=z,
            ndim=ndim,
            loop=loop,
        )


class TrilOuter(_PackedTriangular):
    r"""Packed lower triangle of an outer product, summed over the leading axis.

    .. math:: G_{rc} = \sum_s g_{sr}\, x_{sc}, \quad c \le r
    """

    __props__ = ("version",)  # Theano does not cache modules of Ops with empty props
    version = 1

    def make_node(self, g, x):
        g, x = tt.as_tensor_variable(g), tt.as_tensor_variable(x)
        dtype = check_floats([g, x], type(self).__name__)
        if g.ndim not in (1, 2) or x.ndim != g.ndim:
            raise TypeError(f"TrilOuter needs two vectors or two matrices. Got {g.type} and {x.type}.")
        return Apply(self, [g, x], [tt.TensorType(dtype, (False,))()])

    def infer_shape(self, fgraph, node, shapes):
        d = shapes[1][-1]
        return [(d * (d + 1) // 2,)]

    def perform(self, node, inputs, output_storage):
        g, x = inputs
        if g.shape != x.shape:
            raise ValueError(f"TrilOuter: the inputs have shapes {g.shape} and {x.shape}, which must be equal.")
        full = np.outer(g, x) if g.ndim == 1 else np.dot(g.T, x)
        output_storage[0][0] = full[np.tril_indices(x.shape[-1])]

    def L_op(self, inputs, outputs, output_grads):
        g, x = inputs
        (w,) = output_grads
        return [TrilMatVec(False)(w, x), TrilMatVec(True)(w, g)]

    def c_code(self, node, name, inputs, outputs, sub):
        g, x = inputs
        (z,) = outputs
        ctype = CTYPES[node.outputs[0].type.dtype]
        ndim, fail = node.inputs[0].type.ndim, sub["fail"]
        return c_source(
            "tril_outer.c",
            T=ctype,
            g=g,
            x=x,
            ndim=ndim,
            fail=fail,
            last=ndim - 1,
            count=f"PyArray_DIM({x}, 0)" if ndim == 2 else "1",
            z=z,
        )


def _same_float(*variables):
    variables = [tt.as_tensor_variable(v) for v in variables]
    dtype = tt.basic.scal.upcast(*[v.dtype for v in variables], "float32")
    return [v if v.dtype == dtype else tt.cast(v, dtype) for v in variables]


def tril_matvec(packed, eps):
    r"""Product :math:`L \epsilon` of a packed lower triangular matrix.

    Parameters
    ----------
    packed : tensor (d * (d + 1) / 2,)
        Rows of the lower triangle one after the other, as ``matrix[np.tril_indices(d)]`` gives them.
    eps : tensor (d,) or (S, d)
        One vector or S of them.

    Returns
    -------
    tensor, shape of `eps`
        :math:`z_{sr} = \sum_{c \le r} L_{rc}\,\epsilon_{sc}`.
    """
    return TrilMatVec()(*_same_float(packed, eps))


def tril_outer(g, eps):
    r"""Packed lower triangle of :math:`\sum_s g_s \epsilon_s^\top`, the gradient of `tril_matvec`.

    Parameters
    ----------
    g, eps : tensor (d,) or (S, d)
        Of the same number of dimensions.

    Returns
    -------
    tensor (d * (d + 1) / 2,)
    """
    return TrilOuter()(*_same_float(g, eps))
