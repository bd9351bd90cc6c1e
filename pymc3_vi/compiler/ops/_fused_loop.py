"""One loop for many elementwise expressions and sums over the same range."""

from collections import namedtuple

import numpy as np
import theano.tensor as tt
from theano.graph.basic import Apply
from theano.graph.op import COp
from theano.tensor.elemwise import Elemwise

from .._csrc import c_source
from ._kernels import VECTOR_KERNELS
from ._loop_code import Literal, LoopKernel, is_total
from ._scalar_code import vector_math_declarations, vector_math_libraries
from ._threads import PARALLEL

__all__ = ["FusedLoop", "Instruction", "LoopOutput", "Literal", "LOOP_SUPPORT", "apply_scalar"]

#: ``value = op(arguments)``; an argument is a Literal or the number of an input, or of an instruction after those
Instruction = namedtuple("Instruction", "op arguments dtype")

#: ``value`` is a number as in `Instruction`; ``axes`` has, for every dimension of the result, the loop's axis or None
#: for a dimension of size 1; ``dtype``; ``reduced``: whether the value is summed over the loop's other axes
LoopOutput = namedtuple("LoopOutput", "value axes dtype reduced")


class FusedLoop(COp):
    """Evaluates a list of scalar instructions for every point of a range of indices, and stores or sums results.

    Reading each array once, without temporaries, it is limited by the memory and not by the number of expressions.
    Sums are taken in several partial sums, so that they differ from the plain ones in the last digits.  Long loops run
    on several threads; their number does not change the results.

    Parameters
    ----------
    ndim : int
        Number of nested loops.
    inputs : tuple of tuples
        For each input and each of its dimensions, the loop's axis or None where it has size 1.
    instructions : tuple of Instruction
    outputs : tuple of LoopOutput
    inplace : tuple of pairs
        (number of an output, number of the input whose memory it takes).
    short : int, optional
        Size of the last axis where it is known to be small: the axis before it is the inner loop then.
    """

    __props__ = ("ndim", "inputs", "instructions", "outputs", "inplace", "short")

    def __init__(self, ndim, inputs, instructions, outputs, inplace=(), short=None):
        self.ndim, self.inputs, self.short = ndim, inputs, short
        self.instructions, self.outputs, self.inplace = instructions, outputs, inplace
        if inplace:
            self.destroy_map = {output: [position] for output, position in inplace}

    def __str__(self):
        sums = sum(output.reduced for output in self.outputs)
        return (
            f"FusedLoop{{{len(self.inputs)} inputs, {len(self.instructions)} instructions, "
            f"{len(self.outputs) - sums} arrays, {sums} sums{', inplace' if self.inplace else ''}}}"
        )

    def do_constant_folding(self, fgraph, node):
        return False

    def make_node(self, *inputs):
        inputs = [tt.as_tensor_variable(x) for x in inputs]
        outputs = [tt.TensorType(output.dtype, [axis is None for axis in output.axes])() for output in self.outputs]
        return Apply(self, inputs, outputs)

    def _sources(self):
        """For every axis of the loop, an input and its dimension that tell the size."""
        found = {}
        for position, axes in enumerate(self.inputs):
            for dimension, axis in enumerate(axes):
                if axis is not None:
                    found.setdefault(axis, (position, dimension))
        return [found[axis] for axis in range(self.ndim)]

    def infer_shape(self, fgraph, node, shapes):
        sizes = [shapes[position][dimension] for position, dimension in self._sources()]
        one = tt.constant(1, dtype="int64")
        return [tuple(one if axis is None else sizes[axis] for axis in output.axes) for output in self.outputs]

    # ---------------------------------------------------------------- Python
    def perform(self, node, inputs, output_storage):
        shape = [inputs[position].shape[dimension] for position, dimension in self._sources()]
        values = []
        for x, axes in zip(inputs, self.inputs):
            kept = [axis for axis in axes if axis is not None]
            for dimension, axis in enumerate(axes):
                if axis is not None and x.shape[dimension] != shape[axis]:
                    raise ValueError(f"FusedLoop: a dimension has size {x.shape[dimension]}, another {shape[axis]}.")
            index = [shape[axis] if axis in kept else 1 for axis in range(self.ndim)]
            values.append(x.reshape(index))
        for instruction in self.instructions:
            arguments = [
                np.asarray(a.value, dtype=a.dtype) if isinstance(a, Literal) else values[a]
                for a in instruction.arguments
            ]
            values.append(apply_scalar(instruction.op, arguments))
        for cell, output in zip(output_storage, self.outputs):
            value = np.broadcast_to(values[output.value], shape)
            if output.reduced:
                kept = {axis for axis in output.axes if axis is not None}
                value = value.sum(axis=tuple(set(range(self.ndim)) - kept), dtype=output.dtype)
            result = [1 if axis is None else shape[axis] for axis in output.axes]
            cell[0] = np.array(value, dtype=output.dtype).reshape(result)

    # ---------------------------------------------------------------- C
    def c_headers(self, **kwargs):
        return ["<numpy/arrayobject.h>", "<math.h>"]

    def c_compile_args(self, **kwargs):
        return ["-fopenmp-simd", "-fno-math-errno", "-pthread"]

    def c_libraries(self, **kwargs):
        return vector_math_libraries()

    def c_support_code(self, **kwargs):
        return [VECTOR_KERNELS, vector_math_declarations(), PARALLEL, LOOP_SUPPORT]

    def c_code_cache_version(self):
        return (1,)

    def c_support_code_apply(self, node, name):
        dtypes = [x.type.dtype for x in node.inputs]
        kernel = LoopKernel(self, dtypes, name)
        return kernel.source() + kernel.parts()

    def c_code(self, node, name, inputs, outputs, sub):
        return _call_code(self, node, name, inputs, outputs, sub["fail"])


def apply_scalar(op, arguments):
    """NumPy value of a scalar Op."""
    ndim = max(a.ndim for a in arguments)
    arguments = [a.reshape((1,) * (ndim - a.ndim) + a.shape) for a in arguments]
    node = Elemwise(op).make_node(*[tt.TensorType(a.dtype, [n == 1 for n in a.shape])() for a in arguments])
    node.op.prepare_node(node, None, None, "py")
    cell = [None]
    node.op.perform(node, arguments, [cell])
    return cell[0]


LOOP_SUPPORT = c_source("loop.h")


def _any_axis(axes):
    """Whether an array varies along the loop at all."""
    return any(axis is not None for axis in axes)


def _covers_all_or_nothing(op):
    """Whether every array has all axes of the loop or none of them."""
    every = [axes for axes in op.inputs] + [output.axes for output in op.outputs]
    varying = [{axis for axis in axes if axis is not None} for axes in every]
    return all(axes in (set(), set(range(op.ndim))) for axes in varying)


def _call_code(op, node, name, inputs, outputs, fail):
    """C code of the node: check shapes, allocate outputs, call the kernel."""
    n_in, n_out = len(op.inputs), len(op.outputs)
    code = [f"npy_intp n[{op.ndim}], s[{n_in + n_out}][{op.ndim}];", f"void* p[{n_in + n_out}];"]
    code.append("memset(s, 0, sizeof(s));")
    code.append("memset(p, 0, sizeof(p));")
    for axis, (position, dimension) in enumerate(op._sources()):
        code.append(f"n[{axis}] = PyArray_DIM({inputs[position]}, {dimension});")
    for position, axes in enumerate(op.inputs):
        for dimension, axis in enumerate(axes):
            if axis is not None and op._sources()[axis] != (position, dimension):
                size = f"PyArray_DIM({inputs[position]}, {dimension})"
                code.append(f"if ({size} != n[{axis}]) {{ pv_loop_mismatch(n[{axis}], {size}); {fail} }}")
    # Arrays that are not contiguous along the inner loop are copied; the copies are kept until the end.
    code.append(f"PyArrayObject* held[{n_in}];")
    memory = dict(op.inplace)
    for position, axes in enumerate(op.inputs):
        x = inputs[position]
        inner = [dimension for dimension, axis in enumerate(axes) if axis == op.ndim - 1]
        if not inner:
            code.append(f"held[{position}] = {x}; Py_INCREF({x});")
        else:
            # dimensions after the inner one have size 1, so that contiguity of it is what counts
            code.append(
                f"held[{position}] = PyArray_DIM({x}, {inner[0]}) <= 1 || "
                f"PyArray_STRIDE({x}, {inner[0]}) == PyArray_ITEMSIZE({x}) ? (Py_INCREF({x}), {x}) : "
                f"(PyArrayObject*)PyArray_NewCopy({x}, NPY_CORDER);"
            )
            release = "".join(f"Py_DECREF(held[{i}]);" for i in range(position))
            code.append(f"if (!held[{position}]) {{ {release} {fail} }}")
        code.append(f"p[{position}] = PyArray_DATA(held[{position}]);")
        for dimension, axis in enumerate(axes):
            if axis is not None and axis != op.ndim - 1:
                code.append(
                    f"s[{position}][{axis}] = PyArray_STRIDE(held[{position}], {dimension}) / "
                    f"PyArray_ITEMSIZE(held[{position}]);"
                )
    release = f"for (int i = 0; i < {n_in}; ++i) Py_DECREF(held[i]);"
    for k, output in enumerate(op.outputs):
        z, slot = outputs[k], n_in + k
        if k in memory:  # the copy of an input that had to be copied, else the input itself
            code.append(f"Py_XDECREF({z}); {z} = held[{memory[k]}]; Py_INCREF({z});")
            continue
        dims = ", ".join("1" if axis is None else f"n[{axis}]" for axis in output.axes) or "0"
        type_num = np.dtype(output.dtype).num
        code.append(f"{{ npy_intp dims[] = {{{dims}}};")
        code.append(f"if (!pv_allocate(&{z}, {len(output.axes)}, dims, {type_num})) {{ {release} {fail} }} }}")
        if is_total(output):
            code.append(f"npy_float64 total{k} = 0; p[{slot}] = &total{k};")
            continue
        code.append(f"p[{slot}] = PyArray_DATA({z});")
        if output.reduced:
            code.append(f"memset(PyArray_DATA({z}), 0, PyArray_NBYTES({z}));")
        for dimension, axis in enumerate(output.axes):
            if axis is not None and axis != op.ndim - 1:
                code.append(f"s[{slot}][{axis}] = PyArray_STRIDE({z}, {dimension}) / PyArray_ITEMSIZE({z});")
    if op.ndim > 1 and _covers_all_or_nothing(op):
        # Arrays without gaps are one long row.
        arrays = [f"PyArray_IS_C_CONTIGUOUS(held[{i}])" for i, axes in enumerate(op.inputs) if _any_axis(axes)]
        sizes = " * ".join(f"n[{axis}]" for axis in range(op.ndim))
        ones = "".join(f"n[{axis}] = 1; " for axis in range(op.ndim - 1))
        code.append(f"if ({' && '.join(arrays)}) {{ n[{op.ndim - 1}] = {sizes}; {ones}}}")
    code.append(f"{name}_parts(n, p, s);")
    for k, output in enumerate(op.outputs):
        if is_total(output):
            code.append(f"*(npy_{output.dtype}*)PyArray_DATA({outputs[k]}) = (npy_{output.dtype})total{k};")
    code.append(release)
    return "{\n" + "\n".join(code) + "\n}"
