"""A recursion over time whose steps are expressions of small arrays: ``theano.scan`` without Python in a step."""

import numpy as np
import theano.tensor as tt
from theano.graph.basic import Apply
from theano.graph.op import COp

from .._csrc import c_source
from ._capsules import declarations, initialisation
from ._fused_loop import apply_scalar
from ._kernels import VECTOR_KERNELS
from ._loop_code import Literal
from ._scalar_code import vector_math_declarations, vector_math_libraries
from ._scan_code import At, Place, Product, Size, State, StepCode, View, own_axes

__all__ = ["ScanLoop"]


class ScanLoop(COp):
    """Runs a recursion of numbers and small arrays.

    Inputs are the number of steps, the sequences, the states' buffers with what they begin with, the lengths of the new
    arrays, and what stays the same; outputs are the states' buffers and the new arrays.  Time is the first axis.  What
    they hold at the end is what ``theano.scan`` leaves in them.

    Parameters
    ----------
    n_sequences : int
    states : tuple of State
    new : tuple of (dtype, broadcastable)
        Of a step's value of every new array.
    axes : tuple of tuple of int
        For every sequence, output and what stays the same: numbers of the sizes of its axes but time and those of
        length one.
    sizes : tuple of int or None
        Those that are known before the arrays.
    statements : tuple of Statement
        The values they read are a step's inputs (sequences, taps of the states, what stays the same) and, after these,
        earlier statements'.
    results : tuple of View, Size or Literal
        What a step writes, along the axes of the output: every place of every state, then the new arrays.
    """

    __props__ = ("n_sequences", "states", "new", "axes", "sizes", "statements", "results")

    def __init__(self, n_sequences, states, new, axes, sizes, statements, results):
        self.n_sequences, self.states, self.new = n_sequences, states, new
        self.axes, self.sizes, self.statements, self.results = axes, sizes, statements, results

    def __str__(self):
        return f"ScanLoop{{{len(self.states)} states, {len(self.new)} new, {len(self.statements)} statements}}"

    def do_constant_folding(self, fgraph, node):
        return False

    def _split(self, inputs):
        """Number of steps, sequences, states, lengths, what stays the same."""
        ends = np.cumsum([1, self.n_sequences, len(self.states), len(self.new)])
        steps, *parts = np.split(np.arange(len(inputs)), ends)
        return (inputs[0], *([inputs[i] for i in part] for part in parts))

    def make_node(self, *inputs):
        inputs = [tt.as_tensor_variable(x) for x in inputs]
        _, _, states, _, _ = self._split(inputs)
        outputs = [x.type() for x in states]
        outputs += [tt.TensorType(dtype, (False, *broadcastable))() for dtype, broadcastable in self.new]
        return Apply(self, inputs, outputs)

    def dtypes(self, node):
        """Of what is read and written, in the order of `axes`."""
        _, sequences, _, _, same = self._split(node.inputs)
        return [x.dtype for x in (*sequences, *node.outputs, *same)]

    def input_axes(self):
        """For every input but the lengths, in order, the numbers of the sizes and whether it has time; None else."""
        n, m = self.n_sequences + len(self.states), self.n_sequences + len(self.states) + len(self.new)
        found = [None] + [(axes, True) for axes in self.axes[:n]] + [None] * len(self.new)
        return found + [(axes, False) for axes in self.axes[m:]]

    def where_sizes_are(self, node):
        """All (number of the size, number of the input, its dimension)."""
        found = []
        for k, (x, entry) in enumerate(zip(node.inputs, self.input_axes())):
            if entry is not None:
                axes, has_time = entry
                own = [d for d in range(int(has_time), x.ndim) if not x.broadcastable[d]]
                found += [(number, k, d) for number, d in zip(axes, own)]
        return found

    def indices(self):
        """All (number of a size, index that is read or set along an axis of it); 0 for one that a step makes."""
        n = self.n_sequences
        axes = [*self.axes[:n], *(self.axes[n + k] for k, state in enumerate(self.states) for _ in state.taps)]
        axes += [*self.axes[n + len(self.states) + len(self.new) :], *(own_axes(s) for s in self.statements)]
        found = {(s.axes[a.axis], _known(a.index)) for s in self.statements for a in s.arguments if isinstance(a, At)}
        for view in (*self.results, *(a for s in self.statements for a in s.arguments)):
            if isinstance(view, View):
                entries = zip(axes[view.value], view.axes)
                found |= {(axis, _known(entry.index)) for axis, entry in entries if isinstance(entry, Place)}
        return sorted(found)

    def infer_shape(self, fgraph, node, shapes):
        _, _, states, _, _ = self._split(shapes)
        _, _, _, lengths, _ = self._split(node.inputs)
        sizes = {k: tt.constant(n, dtype="int64") for k, n in enumerate(self.sizes) if n is not None}
        for number, k, d in self.where_sizes_are(node):
            sizes.setdefault(number, shapes[k][d])
        one = tt.constant(1, dtype="int64")
        new = []
        for n, (_, broad), axes in zip(lengths, self.new, self.axes[self.n_sequences + len(self.states) :]):
            own = iter(axes)
            new.append((n, *(one if b else sizes[next(own)] for b in broad)))
        return [*states, *new]

    # ---------------------------------------------------------------- Python
    def perform(self, node, inputs, output_storage):
        steps, sequences, states, lengths, same = self._split(inputs)
        _check_steps(steps, sequences)
        sizes = self._numbers(node, inputs)
        buffers = [np.array(x) for x in states]
        for length, (dtype, broad), axes in zip(lengths, self.new, self.axes[self.n_sequences + len(states) :]):
            own = iter(axes)
            buffers.append(np.zeros((int(length), *(1 if b else sizes[next(own)] for b in broad)), dtype))
        stores = [State((), ()) for _ in self.new]
        every = [*self.states, *stores]
        at = [state.first_place() % len(x) for state, x in zip(every, buffers)]
        for i in range(int(steps)):
            values = [x[i] for x in sequences]
            for state, x, k in zip(self.states, buffers, at):
                values += [np.array(x[(k + tap) % len(x)]) for tap in state.taps]
            values += same
            values = [np.squeeze(x, dims) for x, dims in zip(values, self._of_length_one(node))]
            for statement in self.statements:
                values.append(_statement_value(statement, values, sizes))
            results = iter(self.results)
            for state, x, k, axes in zip(every, buffers, at, self.axes[self.n_sequences :]):
                for place in state.writes or (0,):
                    value = _read(next(results), values, axes, sizes)
                    x[k + place] = np.reshape(np.broadcast_to(value, [sizes[a] for a in axes]), np.shape(x[0]))
            at = [(k + 1) % len(x) for k, x in zip(at, buffers)]
        for cell, state, x, k in zip(output_storage, every, buffers, at):
            made = int(steps) + state.first_place()
            if not state.writes and len(x) < made:
                x = np.roll(x, -k, axis=0)
            elif not state.writes:
                x[made:] = 0
            cell[0] = x

    def _numbers(self, node, inputs):
        """All sizes."""
        sizes = list(self.sizes)
        for number, k, d in self.where_sizes_are(node):
            if sizes[number] is None:
                sizes[number] = inputs[k].shape[d]
            elif sizes[number] != inputs[k].shape[d]:
                raise ValueError(f"ScanLoop: sizes {sizes[number]} and {inputs[k].shape[d]} do not fit.")
        for number, index in self.indices():
            if not -sizes[number] <= index < sizes[number]:
                raise IndexError(f"ScanLoop: index {index} is out of {sizes[number]}.")
        return sizes

    def _of_length_one(self, node):
        """Which axes of every value that a step begins with are of length one."""
        _, sequences, states, _, same = self._split(node.inputs)
        patterns = [x.broadcastable[1:] for x in sequences]
        for state, x in zip(self.states, states):
            patterns += [x.broadcastable[1:]] * len(state.taps)
        patterns += [x.broadcastable for x in same]
        return [tuple(d for d, one in enumerate(pattern) if one) for pattern in patterns]

    # ---------------------------------------------------------------- C
    def c_headers(self, **kwargs):
        return ["<numpy/arrayobject.h>", "<math.h>", "<algorithm>"]

    def c_compile_args(self, **kwargs):
        return ["-fopenmp-simd", "-fno-math-errno"]

    def c_libraries(self, **kwargs):
        return vector_math_libraries()

    def c_support_code(self, **kwargs):
        pieces = [VECTOR_KERNELS, vector_math_declarations(), c_source("scan_loop.h")]
        if not self._has_products():
            return pieces
        headers = [c_source(f"{name}.h") for name in ("products", "small_products", "scan_product")]
        return [*pieces, *declarations(["gemm"]), *headers]

    def c_init_code(self, **kwargs):
        return initialisation(["gemm"]) if self._has_products() else []

    def _has_products(self):
        return any(isinstance(statement.op, Product) for statement in self.statements)

    def c_code_cache_version(self):
        return (4,)

    def c_support_code_apply(self, node, name):
        return StepCode(self, self.dtypes(node), name).source()

    def c_code(self, node, name, inputs, outputs, sub):
        return _call_code(self, node, name, inputs, outputs, sub["fail"])


def _check_steps(steps, sequences):
    if steps < 0:
        raise IndexError(f"Scan was asked to run for negative number of step {int(steps)}")
    if steps == 0:
        raise NotImplementedError("We didn't implemented yet the case where scan do 0 iteration")
    for x in sequences:
        if len(x) < steps:
            raise ValueError(f"A sequence of {len(x)} is shorter than the {int(steps)} steps of the loop.")


def _known(index):
    return 0 if isinstance(index, View) else index


def _index(index, values):
    return int(values[index.value]) if isinstance(index, View) else index


def _read(argument, values, axes, sizes):
    """An argument as an array that fits a loop along `axes`."""
    shape = [1] * len(axes)
    if isinstance(argument, Literal):
        return np.reshape(np.asarray(argument.value, dtype=argument.dtype), shape)
    if isinstance(argument, Size):
        return np.reshape(np.int64(sizes[argument.number]), shape)
    if isinstance(argument, At):
        shape[argument.axis] = sizes[axes[argument.axis]]
        places = np.zeros(shape[argument.axis], dtype=bool)
        places[_index(argument.index, values)] = True
        return np.reshape(places, shape)
    value = _at_places(argument, values)
    positions = [a for a in argument.axes if not isinstance(a, Place)]
    value = np.transpose(value, np.argsort(positions))
    for p, n in zip(sorted(positions), np.shape(value)):
        shape[p] = n
    return np.reshape(value, shape)


def _at_places(view, values):
    """The part of a value that a view reads."""
    places = (_index(a.index, values) if isinstance(a, Place) else slice(None) for a in view.axes)
    return np.asarray(values[view.value])[tuple(places)]


_UFUNCS = {"Add": np.add, "Mul": np.multiply, "ScalarMaximum": np.maximum, "ScalarMinimum": np.minimum}


def _statement_value(statement, values, sizes):
    if isinstance(statement.op, Product):
        one, two = (_at_places(a, values) for a in statement.arguments)
        own = [[p for p in a.axes if not isinstance(p, Place)] for a in statement.arguments]
        left = [p for p in range(len(statement.axes)) if p not in statement.reduced]
        return np.einsum(one, own[0], two, own[1], left)
    arguments = [_read(a, values, statement.axes, sizes) for a in statement.arguments]
    if not statement.reduced:
        value = apply_scalar(statement.op, arguments)
        return np.broadcast_to(value, [sizes[a] for a in statement.axes])
    (value,) = arguments
    value = np.broadcast_to(value, [sizes[a] for a in statement.axes]).astype(statement.dtype)
    return _UFUNCS[type(statement.op).__name__].reduce(value, axis=statement.reduced)


def _call_code(op, node, name, inputs, outputs, fail):
    """C code of the node: check sizes, allocate outputs, run the steps, put circular buffers in order."""
    steps, sequences, states, lengths, same = op._split(inputs)
    n_states, n = len(op.states), len(op.states) + len(op.new)
    whole = f"(npy_intp)*(npy_{node.inputs[0].dtype}*)PyArray_DATA({steps})"
    code = [f"const npy_intp n = {whole};", f"pv_scan<{len(op.axes)}, {n}> s;"]
    code.append(f"if (!pv_scan_steps(n)) {{ {fail} }}")
    code += [f"npy_intp c{k} = {-1 if size is None else size};" for k, size in enumerate(op.sizes)]
    for number, k, d in op.where_sizes_are(node):
        code.append(f"if (!pv_scan_size(PyArray_DIM({inputs[k]}, {d}), c{number})) {{ {fail} }}")
    for number, index in op.indices():
        code.append(f"if (!pv_scan_index({index}, c{number})) {{ {fail} }}")
    for statement in op.statements:
        if type(statement.op).__name__ in ("ScalarMaximum", "ScalarMinimum") and statement.reduced:
            empty = " || ".join(f"c{statement.axes[p]} == 0" for p in statement.reduced)
            code.append(f"if (!pv_scan_not_empty({empty})) {{ {fail} }}")
    for slot, x in enumerate(sequences):
        code.append(f"if (!s.read({slot}, {x}, n)) {{ {fail} }}")
    for k, (x, z) in enumerate(zip(states, outputs)):
        code.append(f"if (!s.begin({op.n_sequences + k}, {k}, {x}, &{z}, {op.states[k].first_place()})) {{ {fail} }}")
    for k, (length, (dtype, broad), z) in enumerate(zip(lengths, op.new, outputs[n_states:])):
        variable = node.inputs[1 + op.n_sequences + n_states + k]
        own = iter(op.axes[op.n_sequences + n_states + k])
        dims = [f"(npy_intp)*(npy_{variable.dtype}*)PyArray_DATA({length})"]
        dims += ["1" if b else f"c{next(own)}" for b in broad]
        code.append(f"{{ npy_intp dims[] = {{{', '.join(dims)}}};")
        code.append(f"if (!s.make({op.n_sequences + n_states + k}, {n_states + k}, {len(dims)}, dims, ")
        code.append(f"{np.dtype(dtype).num}, &{z})) {{ {fail} }} }}")
    for k, x in enumerate(same):
        code.append(f"if (!s.read({op.n_sequences + n + k}, {x}, -1)) {{ {fail} }}")
    step = StepCode(op, op.dtypes(node), name)
    code.append(f"if (!s.take({step.room()})) {{ {fail} }}")
    call = f"{name}_scan({', '.join(['n', *step.sizes()])}, s.room, s.p, s.step, s.at, s.size)"
    code.append(f"if (!{call} && !pv_scan_outside()) {{ {fail} }}")
    for k, state in enumerate([*op.states, *([State((), ())] * len(op.new))]):
        if not state.writes:
            code.append(f"s.end({op.n_sequences + k}, {k}, n + {state.first_place()});")
    return "{\n" + "\n".join(code) + "\n}"
