"""Elements by integer indices, for every element of a batch: taking them, summing into them, overwriting them."""

import numpy as np
import theano.tensor as tt
from theano.gradient import DisconnectedType
from theano.graph.basic import Apply
from theano.graph.op import COp

from .._csrc import c_source
from ._kernels import CTYPES, VECTOR_KERNELS

__all__ = ["TakeRows", "SumRows", "PutRows"]


class _RowsOp(COp):
    """An Op on tensors (S, n_1, ..., n_p, ...) and p vectors of k integers, which name k rows of the p axes."""

    __props__ = ("n_axes",)

    def __init__(self, n_axes=1):
        self.n_axes = int(n_axes)

    def _indices(self, indices):
        if len(indices) != self.n_axes:
            raise TypeError(f"{type(self).__name__} needs {self.n_axes} vectors of indices. Got {len(indices)}.")
        indices = [tt.as_tensor_variable(i) for i in indices]
        for i in indices:
            if i.ndim != 1 or i.dtype not in tt.integer_dtypes:
                raise TypeError(f"{type(self).__name__} needs vectors of integers as indices. Got {i.type} instead.")
        return [i if i.dtype == "int64" else tt.cast(i, "int64") for i in indices]

    def _checked(self, *tensors):
        tensors = [tt.as_tensor_variable(x) for x in tensors]
        for x in tensors:
            if x.dtype not in CTYPES or x.ndim < 1:
                raise TypeError(f"{type(self).__name__} needs float32 or float64 tensors. Got {x.type} instead.")
        return tensors

    def c_headers(self, **kwargs):
        return ["<numpy/arrayobject.h>", "<vector>", "<string.h>"]

    def c_support_code(self, **kwargs):
        return [VECTOR_KERNELS, c_source("rows.h")]

    def c_code_cache_version(self):
        return (1,)

    def _positions_code(self, indices, source, fail):
        """Declares `sizes`, `at`, n and k; `source` is a C expression of the size of axis a."""
        sizes = ", ".join(source(axis) for axis in range(self.n_axes))
        return c_source(
            "positions.c", sizes=sizes, indices=", ".join(indices), n_axes=self.n_axes, fail=fail, first=indices[0]
        )


class TakeRows(_RowsOp):
    r"""Rows by index, :math:`z_{sj\cdot} = x_{s,\, i_1(j), \dots, i_p(j),\, \cdot}`.

    Parameters
    ----------
    n_axes : int
        p, the number of axes that the indices run over; they follow the leading one.
    """

    def make_node(self, x, *indices):
        (x,), indices = self._checked(x), self._indices(indices)
        pattern = (x.broadcastable[0], indices[0].broadcastable[0]) + tuple(x.broadcastable[1 + self.n_axes :])
        return Apply(self, [x, *indices], [tt.TensorType(x.dtype, pattern)()])

    def infer_shape(self, fgraph, node, shapes):
        return [(shapes[0][0], shapes[1][0]) + tuple(shapes[0][1 + self.n_axes :])]

    def perform(self, node, inputs, output_storage):
        x, *indices = inputs
        output_storage[0][0] = np.ascontiguousarray(x[tuple([slice(None), *indices])])

    def L_op(self, inputs, outputs, output_grads):
        x, *indices = inputs
        grad = SumRows(self.n_axes)(output_grads[0], *indices, *[x.shape[1 + a] for a in range(self.n_axes)])
        return [tt.patternbroadcast(grad, x.broadcastable)] + [DisconnectedType()() for _ in indices]

    def R_op(self, inputs, eval_points):
        return [None if eval_points[0] is None else self(eval_points[0], *inputs[1:])]

    def connection_pattern(self, node):
        return [[True]] + [[False]] * self.n_axes

    def c_code(self, node, name, inputs, outputs, sub):
        (x, *indices), (z,), fail = inputs, outputs, sub["fail"]
        rest = range(1 + self.n_axes, node.inputs[0].type.ndim)
        dims = ", ".join([f"PyArray_DIM({x}, 0)", "k"] + [f"PyArray_DIM({x}, {axis})" for axis in rest])
        return c_source(
            "take_rows.c",
            T=CTYPES[node.outputs[0].type.dtype],
            positions=self._positions_code(indices, lambda a: f"PyArray_DIM({x}, {1 + a})", fail),
            dims=dims,
            ndim=2 + len(rest),
            z=z,
            x=x,
            fail=fail,
        )


class SumRows(_RowsOp):
    """The transpose of `TakeRows`: zeros of shape (S, n_1, ..., n_p, ...), with rows added where the indices say.

    The inputs are the rows (S, k, ...), p index vectors and the p sizes.
    """

    def make_node(self, g, *indices_and_sizes):
        (g,) = self._checked(g)
        indices = self._indices(indices_and_sizes[: self.n_axes])
        sizes = [tt.cast(tt.as_tensor_variable(n), "int64") for n in indices_and_sizes[self.n_axes :]]
        if len(sizes) != self.n_axes or any(n.ndim for n in sizes) or g.ndim < 2:
            raise TypeError(f"SumRows needs rows of at least two dimensions, and {self.n_axes} sizes.")
        pattern = (g.broadcastable[0],) + (False,) * self.n_axes + tuple(g.broadcastable[2:])
        return Apply(self, [g, *indices, *sizes], [tt.TensorType(g.dtype, pattern)()])

    def infer_shape(self, fgraph, node, shapes):
        return [(shapes[0][0],) + tuple(node.inputs[1 + self.n_axes :]) + tuple(shapes[0][2:])]

    def perform(self, node, inputs, output_storage):
        g, indices = inputs[0], inputs[1 : 1 + self.n_axes]
        sizes = tuple(int(n) for n in inputs[1 + self.n_axes :])
        result = np.zeros((g.shape[0],) + sizes + g.shape[2:], dtype=g.dtype)
        np.add.at(result, (slice(None), *indices), g)
        output_storage[0][0] = result

    def L_op(self, inputs, outputs, output_grads):
        indices = inputs[1 : 1 + self.n_axes]
        grad = TakeRows(self.n_axes)(output_grads[0], *indices)
        return [tt.patternbroadcast(grad, inputs[0].broadcastable)] + [DisconnectedType()() for _ in inputs[1:]]

    def R_op(self, inputs, eval_points):
        return [None if eval_points[0] is None else self(eval_points[0], *inputs[1:])]

    def connection_pattern(self, node):
        return [[True]] + [[False]] * (len(node.inputs) - 1)

    def c_code(self, node, name, inputs, outputs, sub):
        g, indices, sizes = inputs[0], inputs[1 : 1 + self.n_axes], inputs[1 + self.n_axes :]
        (z,), fail = outputs, sub["fail"]
        rest = range(2, node.inputs[0].type.ndim)
        dims = ", ".join(
            [f"PyArray_DIM({g}, 0)"]
            + [f"sizes[{a}]" for a in range(self.n_axes)]
            + [f"PyArray_DIM({g}, {axis})" for axis in rest]
        )
        return c_source(
            "sum_rows.c",
            T=CTYPES[node.outputs[0].type.dtype],
            positions=self._positions_code(indices, lambda a: f"*(npy_int64*)PyArray_DATA({sizes[a]})", fail),
            dims=dims,
            first_kept=1 + self.n_axes,
            ndim=1 + self.n_axes + len(rest),
            g=g,
            fail=fail,
            z=z,
        )


class PutRows(_RowsOp):
    """A copy of x (S, n_1, ..., n_p, ...) with the rows y (S, k, ...) where the indices say; of equal indices the last.

    The gradient of x is that of the rows that stay, and that of y is taken from its rows.
    """

    def make_node(self, x, y, *indices):
        (x, y), indices = self._checked(x, y), self._indices(indices)
        if x.dtype != y.dtype or y.ndim != x.ndim - self.n_axes + 1:
            raise TypeError(f"PutRows needs rows of the type of the tensor. Got {x.type} and {y.type}.")
        return Apply(self, [x, y, *indices], [x.type()])

    def infer_shape(self, fgraph, node, shapes):
        return [shapes[0]]

    def perform(self, node, inputs, output_storage):
        x, y, *indices = inputs
        result = np.array(x)
        result[tuple([slice(None), *indices])] = y
        output_storage[0][0] = result

    def L_op(self, inputs, outputs, output_grads):
        (x, y, *indices), (g,) = inputs, output_grads
        grads = [self(g, tt.zeros_like(y), *indices), TakeRows(self.n_axes)(g, *indices)]
        return [tt.patternbroadcast(d, v.broadcastable) for d, v in zip(grads, (x, y))] + [
            DisconnectedType()() for _ in indices
        ]

    def R_op(self, inputs, eval_points):
        if eval_points[0] is None and eval_points[1] is None:
            return [None]
        parts = [tt.zeros_like(v) if e is None else e for v, e in zip(inputs, eval_points[:2])]
        return [self(*parts, *inputs[2:])]

    def connection_pattern(self, node):
        return [[True], [True]] + [[False]] * self.n_axes

    def c_code(self, node, name, inputs, outputs, sub):
        (x, y, *indices), (z,), fail = inputs, outputs, sub["fail"]
        ndim = node.inputs[0].type.ndim
        rest = range(1 + self.n_axes, ndim)
        checks = [(0, 0), (1, None)] + [(2 + i, axis) for i, axis in enumerate(rest)]
        fits = " && ".join(
            f"PyArray_DIM({y}, {d}) == " + ("k" if axis is None else f"PyArray_DIM({x}, {axis})") for d, axis in checks
        )
        return c_source(
            "put_rows.c",
            T=CTYPES[node.outputs[0].type.dtype],
            positions=self._positions_code(indices, lambda a: f"PyArray_DIM({x}, {1 + a})", fail),
            first_kept=1 + self.n_axes,
            ndim=ndim,
            x=x,
            fits=fits,
            fail=fail,
            z=z,
            y=y,
        )
