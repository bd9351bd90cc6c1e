"""From one flat vector to many variables and back, one node each way."""

import numpy as np
import theano.tensor as tt
from theano.gradient import DisconnectedType, NullType
from theano.graph.basic import Apply
from theano.graph.op import COp

from .._csrc import c_source
from ._kernels import VECTOR_KERNELS

__all__ = ["Unpack", "Pack", "unpack", "pack"]

_TYPE_NUMS = {"float32": "NPY_FLOAT32", "float64": "NPY_FLOAT64"}


def _sizes(shapes):
    return [int(np.prod(shape, dtype="int64")) for shape in shapes]


class Unpack(COp):
    """Views of a flat vector, or of each row of a matrix, one per variable.

    Written as one Op, its gradient is one `Pack`; slices would give a chain of as many array increments as there are
    variables, each as long as the whole vector.

    Parameters
    ----------
    shapes : tuple of tuple of int
        Core shapes of the variables, in the order in which they lie in the vector.
    dtypes : tuple of str or None
        Their types; None stands for the type of the vector.  A variable of another type is a copy, not a view.
    broadcastables : tuple of tuple of bool
        Static broadcast pattern of every core shape.
    """

    __props__ = ("shapes", "dtypes", "broadcastables")

    def __init__(self, shapes, dtypes, broadcastables):
        self.shapes, self.dtypes, self.broadcastables = shapes, dtypes, broadcastables
        self.sizes = _sizes(shapes)
        self.view_map = {i: [0] for i, dtype in enumerate(dtypes) if dtype is None}

    def make_node(self, z):
        z = tt.as_tensor_variable(z)
        if z.ndim not in (1, 2):
            raise TypeError(f"The 'z' parameter of Unpack must be a vector or a matrix. Got {z.type} instead.")
        lead = z.broadcastable[:-1]
        # What needs no cast must say None, or the view map would miss a view.
        if any(dtype == z.dtype for dtype in self.dtypes):
            dtypes = tuple(None if dtype == z.dtype else dtype for dtype in self.dtypes)
            return Unpack(self.shapes, dtypes, self.broadcastables).make_node(z)
        outputs = [
            tt.TensorType(dtype or z.dtype, lead + tuple(pattern))()
            for dtype, pattern in zip(self.dtypes, self.broadcastables)
        ]
        return Apply(self, [z], outputs)

    def infer_shape(self, fgraph, node, shapes):
        lead = tuple(shapes[0][:-1])
        return [lead + tuple(tt.constant(n, dtype="int64") for n in shape) for shape in self.shapes]

    def perform(self, node, inputs, output_storage):
        (z,) = inputs
        total = sum(self.sizes)
        if z.shape[-1] != total:
            raise ValueError(f"Unpack: the variables have {total} elements together, but the vector has {z.shape[-1]}.")
        begin = 0
        for cell, shape, size, dtype in zip(output_storage, self.shapes, self.sizes, self.dtypes):
            # A reshape of a strided row would copy and break the view map, hence explicit strides.
            strides = tuple(int(np.prod(shape[i + 1 :], dtype="int64")) * z.strides[-1] for i in range(len(shape)))
            part = np.lib.stride_tricks.as_strided(
                z[..., begin : begin + size], z.shape[:-1] + shape, z.strides[:-1] + strides
            )
            cell[0] = part if dtype is None else part.astype(dtype)
            begin += size

    def L_op(self, inputs, outputs, output_grads):
        (z,) = inputs
        for g in output_grads:
            if isinstance(g.type, NullType):
                return [g]
        present = [not isinstance(g.type, DisconnectedType) for g in output_grads]
        if not any(present):
            return [DisconnectedType()()]
        op = Pack(z.ndim - 1, z.dtype, tuple(present), self.shapes, self.broadcastables)
        return [tt.patternbroadcast(op(*[g for g, here in zip(output_grads, present) if here]), z.broadcastable)]

    def R_op(self, inputs, eval_points):
        if eval_points[0] is None:
            return [None] * len(self.shapes)
        return self(eval_points[0], return_list=True)

    def c_headers(self, **kwargs):
        return ["<numpy/arrayobject.h>"]

    def c_support_code(self, **kwargs):
        return [c_source("unpack.h")]

    def c_code_cache_version(self):
        return (1,)

    def c_code(self, node, name, inputs, outputs, sub):
        (z,) = inputs
        lead, fail = node.inputs[0].type.ndim - 1, sub["fail"]
        total = sum(self.sizes)
        code = f"""
        if (PyArray_DIM({z}, {lead}) != {total}) {{
            PyErr_Format(PyExc_ValueError, "Unpack: the variables have {total} elements together, but the vector has "
                         "%zd.", (Py_ssize_t)PyArray_DIM({z}, {lead}));
            {fail}
        }}
        """
        begin = 0
        for out, variable, shape, size in zip(outputs, node.outputs, self.shapes, self.sizes):
            dims = ", ".join(["0"] * lead + [str(n) for n in shape]) or "0"
            code += f"""
            {{
                npy_intp dims[] = {{{dims}}};
                Py_XDECREF({out});
                {out} = pv_part({z}, {begin}, {lead}, {lead + len(shape)}, dims);
                if (!{out}) {fail}
            """
            if variable.type.dtype != node.inputs[0].type.dtype:
                if variable.type.dtype not in _TYPE_NUMS:
                    raise NotImplementedError()
                code += f"""
                PyArrayObject* view = {out};
                {out} = (PyArrayObject*)PyArray_Cast(view, {_TYPE_NUMS[variable.type.dtype]});
                Py_DECREF(view);
                if (!{out}) {fail}
                """
            code += "}"
            begin += size
        return code


class Pack(COp):
    """Concatenates the core elements of tensors along one last axis; the inverse and the gradient of `Unpack`.

    Parameters
    ----------
    leading_ndim : int
        0 or 1: how many axes all tensors share.
    dtype : str
        Type of the result.
    present : tuple of bool
        Which parts are given; the others are zeros.
    shapes : tuple of tuple of int, or None
        Core shapes, if they are known; needed where a part is absent.
    broadcastables : tuple of tuple of bool, or None
        Broadcast patterns of the core shapes, if they are known.
    """

    __props__ = ("leading_ndim", "dtype", "present", "shapes", "broadcastables")

    def __init__(self, leading_ndim, dtype, present, shapes=None, broadcastables=None):
        self.leading_ndim, self.dtype, self.present = leading_ndim, dtype, present
        self.shapes, self.broadcastables = shapes, broadcastables
        self.sizes = None if shapes is None else _sizes(shapes)

    def make_node(self, *parts):
        parts = [tt.as_tensor_variable(part) for part in parts]
        parts = [part if part.dtype == self.dtype else tt.cast(part, self.dtype) for part in parts]
        for part in parts:
            if part.ndim < self.leading_ndim:
                raise TypeError(f"Pack: every part needs at least {self.leading_ndim} dimensions. Got {part.type}.")
        lead = all(part.broadcastable[0] for part in parts) if self.leading_ndim else None
        pattern = (False,) if lead is None else (lead, False)
        return Apply(self, parts, [tt.TensorType(self.dtype, pattern)()])

    def _core_sizes(self, shapes):
        """Elements of every part, from the `shapes` of the present ones."""
        given = iter(shapes)
        sizes = []
        for position, here in enumerate(self.present):
            if self.sizes is not None:
                sizes.append(self.sizes[position])
                if here:
                    next(given)
                continue
            size = 1
            for n in list(next(given))[self.leading_ndim :]:
                size = size * n
            sizes.append(size)
        return sizes

    def infer_shape(self, fgraph, node, shapes):
        total = sum(self._core_sizes(shapes))
        return [tuple(shapes[0][: self.leading_ndim]) + (tt.as_tensor_variable(total),)]

    def perform(self, node, inputs, output_storage):
        lead = inputs[0].shape[: self.leading_ndim]
        sizes = self._core_sizes([part.shape for part in inputs])
        given = iter(inputs)
        columns = []
        for size, here in zip(sizes, self.present):
            part = next(given) if here else np.zeros(lead + (size,), dtype=self.dtype)
            if part.shape[: self.leading_ndim] != lead or part.size != size * int(np.prod(lead)):
                raise ValueError(
                    f"Pack: a part of shape {part.shape} does not hold {size} elements for each of {lead}."
                )
            columns.append(part.reshape(lead + (size,)))
        output_storage[0][0] = np.concatenate(columns, axis=-1).astype(self.dtype, copy=False)

    def L_op(self, inputs, outputs, output_grads):
        (g,) = output_grads
        if self.shapes is not None:
            parts = Unpack(self.shapes, (None,) * len(self.shapes), self.broadcastables)(g, return_list=True)
            parts = [part for part, here in zip(parts, self.present) if here]
        else:
            parts, begin = [], 0
            for part in inputs:
                shape = [part.shape[i] for i in range(part.ndim)]
                size = tt.prod(tt.stack(shape[self.leading_ndim :]), dtype="int64") if shape[self.leading_ndim :] else 1
                columns = g[..., begin : begin + size]
                parts.append(columns.reshape(tt.stack(shape), ndim=part.ndim) if shape else columns[0])
                begin = begin + size
        return [tt.patternbroadcast(part, x.broadcastable) for part, x in zip(parts, inputs)]

    def R_op(self, inputs, eval_points):
        if all(point is None for point in eval_points):
            return [None]
        points = [tt.zeros_like(x) if point is None else point for x, point in zip(inputs, eval_points)]
        return [self(*points)]

    def c_headers(self, **kwargs):
        return ["<numpy/arrayobject.h>"]

    def c_support_code(self, **kwargs):
        return [VECTOR_KERNELS, c_source("pack.h")]

    def c_code_cache_version(self):
        return (1,)

    def c_code(self, node, name, inputs, outputs, sub):
        (z,) = outputs
        if self.dtype not in _TYPE_NUMS:
            raise NotImplementedError()
        lead, fail = self.leading_ndim, sub["fail"]
        given, sizes = iter(inputs), []
        for position, here in enumerate(self.present):
            part = next(given) if here else None
            if self.sizes is not None:
                sizes.append((part, str(self.sizes[position])))
            elif lead:
                dims = f"PyArray_DIMS({part}) + 1, PyArray_NDIM({part}) - 1"
                sizes.append((part, f"PyArray_MultiplyList({dims})"))
            else:
                sizes.append((part, f"PyArray_SIZE({part})"))
        rows = f"PyArray_DIM({inputs[0]}, 0), " if lead else ""
        code = f"""
        {{
            typedef npy_{self.dtype} T;
            npy_intp dims[] = {{{rows}{" + ".join(size for _, size in sizes)}}};
            if (!pv_allocate(&{z}, {lead + 1}, dims, {_TYPE_NUMS[self.dtype]})) {fail}
            npy_intp begin = 0;
        """
        for part, size in sizes:
            if part is None:
                code += f"""
            for (npy_intp s = 0; s < {"dims[0]" if lead else "1"}; ++s)
                memset((T*)PyArray_DATA({z}) + s * dims[{lead}] + begin, 0, {size} * sizeof(T));
            begin += {size};"""
            else:
                code += f"""
            if (!pv_put<T>({z}, {lead}, begin, {size}, {part})) {fail}
            begin += {size};"""
        return code + "}"


def unpack(z, shapes, dtypes=None, broadcastables=None):
    """Split a flat vector into variables of given shapes, as views.

    Parameters
    ----------
    z : tensor (d,) or (S, d)
        The variables' elements one after the other, each in C order.
    shapes : sequence of tuple of int
        Core shape of every variable; their sizes sum to d.
    dtypes : sequence of str, optional
        Type of every variable; by default that of `z`.
    broadcastables : sequence of tuple of bool, optional
        Static broadcast pattern of every core shape; by default the dimensions of size 1 are broadcastable.

    Returns
    -------
    list of tensors
        Of shapes ``shape`` or ``(S,) + shape``.  Their gradient with respect to `z` is one node.
    """
    z = tt.as_tensor_variable(z)
    shapes = tuple(tuple(int(n) for n in shape) for shape in shapes)
    if broadcastables is None:
        broadcastables = [[n == 1 for n in shape] for shape in shapes]
    broadcastables = tuple(tuple(bool(b) for b in pattern) for pattern in broadcastables)
    for shape, pattern in zip(shapes, broadcastables):
        if len(pattern) != len(shape) or any(b and n != 1 for b, n in zip(pattern, shape)):
            raise ValueError(
                f"The 'broadcastables' parameter of unpack must be one flag for each dimension, true only where the "
                f"size is 1. Got {pattern!r} for the shape {shape!r} instead."
            )
    dtypes = [None] * len(shapes) if dtypes is None else [None if dtype == z.dtype else str(dtype) for dtype in dtypes]
    if not len(shapes) == len(dtypes) == len(broadcastables):
        raise ValueError(
            f"The 'dtypes' and 'broadcastables' parameters of unpack must be as long as 'shapes' ({len(shapes)}). "
            f"Got {len(dtypes)} and {len(broadcastables)} instead."
        )
    if not shapes:
        return []
    return Unpack(shapes, tuple(dtypes), broadcastables)(z, return_list=True)


def pack(parts, leading_ndim=0):
    """Concatenate tensors to one flat vector, or one row for each element of a shared leading axis.

    Parameters
    ----------
    parts : sequence of tensors
        Of shapes ``shape_i`` or ``(S,) + shape_i``.
    leading_ndim : int
        0 or 1: number of leading axes that all `parts` share.

    Returns
    -------
    tensor (d,) or (S, d)
        d is the sum of the sizes of the core shapes.
    """
    if leading_ndim not in (0, 1):
        raise ValueError(f"The 'leading_ndim' parameter of pack must be 0 or 1. Got {leading_ndim!r} instead.")
    parts = [tt.as_tensor_variable(part) for part in parts]
    if not parts:
        raise ValueError("The 'parts' parameter of pack must be at least one tensor. Got an empty sequence instead.")
    dtype = tt.basic.scal.upcast(*[part.dtype for part in parts])
    return Pack(leading_ndim, dtype, (True,) * len(parts))(*parts)
