"""A recursion over time whose steps are elementwise expressions: ``theano.scan`` without Python between its steps."""

from collections import namedtuple

import numpy as np
import theano.tensor as tt
from theano.graph.basic import Apply
from theano.graph.op import COp

from .._csrc import c_source
from ._fused_loop import apply_scalar
from ._kernels import VECTOR_KERNELS
from ._loop_code import Literal, ctype, value_statement
from ._scalar_code import literal, vector_math_declarations, vector_math_libraries

__all__ = ["ScanLoop", "State"]

#: A state of the recursion: the `taps` that a step reads, as distances in time from its own place, and those that it
#: `writes`, which is () for its own place in a buffer that may be shorter than time and is then read in a circle.
State = namedtuple("State", "taps writes")


class ScanLoop(COp):
    """Runs a recursion; each of its values is one number, or one for every lane of a batch.

    Inputs are the number of steps, the sequences, the states' buffers with what they begin with, the lengths of the new
    arrays, and what stays the same; outputs are the states' buffers and the new arrays.  Time is the first axis, the
    lane the second.  What they hold at the end is what ``theano.scan`` leaves in them.

    Parameters
    ----------
    n_sequences : int
    states : tuple of State
    new : tuple of (dtype, broadcastable)
        Of a step's value of every new array.
    instructions : tuple of Instruction
        Their arguments are Literals, or numbers of a step's inputs (sequences, taps of the states, what stays the
        same) and of instructions after these.
    results : tuple of int or Literal
        What a step writes: every place of every state, then the new arrays.
    """

    __props__ = ("n_sequences", "states", "new", "instructions", "results")

    def __init__(self, n_sequences, states, new, instructions, results):
        self.n_sequences, self.states, self.new = n_sequences, states, new
        self.instructions, self.results = instructions, results

    def __str__(self):
        return f"ScanLoop{{{len(self.states)} states, {len(self.new)} new, {len(self.instructions)} instructions}}"

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

    def _arrays(self, node):
        """Variables that are read and written, in the order of the C code's slots, each with whether it has time."""
        _, sequences, _, _, same = self._split(node.inputs)
        return [(x, True) for x in (*sequences, *node.outputs)] + [(x, False) for x in same]

    @staticmethod
    def _has_lanes(variable, has_time):
        return variable.ndim == 1 + has_time and not variable.broadcastable[-1]

    def _inputs_with_lanes(self, node):
        """Whether each input has a lane axis."""
        steps, sequences, states, lengths, same = self._split(node.inputs)
        found = [False] + [self._has_lanes(x, True) for x in (*sequences, *states)] + [False] * len(lengths)
        return found + [self._has_lanes(x, False) for x in same]

    def infer_shape(self, fgraph, node, shapes):
        lanes = [shape[-1] for shape, has_lanes in zip(shapes, self._inputs_with_lanes(node)) if has_lanes]
        _, _, states, _, _ = self._split(shapes)
        _, _, _, lengths, _ = self._split(node.inputs)
        one = tt.constant(1, dtype="int64")
        new = [(n, *(one if b else lanes[0] for b in broad)) for n, (_, broad) in zip(lengths, self.new)]
        return [*states, *new]

    # ---------------------------------------------------------------- Python
    def perform(self, node, inputs, output_storage):
        steps, sequences, states, lengths, same = self._split(inputs)
        _check_steps(steps, sequences)
        lanes = {x.shape[-1] for x, has_lanes in zip(inputs, self._inputs_with_lanes(node)) if has_lanes} or {1}
        if len(lanes) > 1:
            raise ValueError(f"ScanLoop: the batch has sizes {sorted(lanes)}.")
        buffers = [np.array(x) for x in states]
        for length, (dtype, broad) in zip(lengths, self.new):
            buffers.append(np.zeros((int(length), *(1 if b else next(iter(lanes)) for b in broad)), dtype))
        stores = [State((), ()) for _ in self.new]
        every = [*self.states, *stores]
        at = [_first_place(state) % len(x) for state, x in zip(every, buffers)]
        for i in range(int(steps)):
            values = [x[i] for x in sequences]
            for state, x, k in zip(self.states, buffers, at):
                values += [np.array(x[(k + tap) % len(x)]) for tap in state.taps]
            values += same
            for instruction in self.instructions:
                arguments = [
                    np.asarray(a.value, dtype=a.dtype) if isinstance(a, Literal) else np.asarray(values[a])
                    for a in instruction.arguments
                ]
                values.append(apply_scalar(instruction.op, arguments))
            results = iter([a.value if isinstance(a, Literal) else values[a] for a in self.results])
            for state, x, k in zip(every, buffers, at):
                for place in state.writes or (0,):
                    x[k + place] = np.reshape(next(results), np.shape(x[0])) if np.ndim(x[0]) else next(results)
            at = [(k + 1) % len(x) for k, x in zip(at, buffers)]
        for cell, state, x, k in zip(output_storage, every, buffers, at):
            made = int(steps) + _first_place(state)
            if not state.writes and len(x) < made:
                x = np.roll(x, -k, axis=0)
            elif not state.writes:
                x[made:] = 0
            cell[0] = x

    # ---------------------------------------------------------------- C
    def c_headers(self, **kwargs):
        return ["<numpy/arrayobject.h>", "<math.h>", "<algorithm>"]

    def c_compile_args(self, **kwargs):
        return ["-fopenmp-simd", "-fno-math-errno"]

    def c_libraries(self, **kwargs):
        return vector_math_libraries()

    def c_support_code(self, **kwargs):
        return [VECTOR_KERNELS, vector_math_declarations(), c_source("scan_loop.h")]

    def c_code_cache_version(self):
        return (1,)

    def c_support_code_apply(self, node, name):
        return _StepCode(self, node, name).source()

    def c_code(self, node, name, inputs, outputs, sub):
        return _call_code(self, node, name, inputs, outputs, sub["fail"])


def _first_place(state):
    """Where the first step writes in a state's buffer: after what it begins with."""
    return -min(state.taps, default=0)


def _check_steps(steps, sequences):
    if steps < 0:
        raise IndexError(f"Scan was asked to run for negative number of step {int(steps)}")
    if steps == 0:
        raise NotImplementedError("We didn't implemented yet the case where scan do 0 iteration")
    for x in sequences:
        if len(x) < steps:
            raise ValueError(f"A sequence of {len(x)} is shorter than the {int(steps)} steps of the loop.")


class _StepCode:
    """Source of the function that runs one ScanLoop.

    What does not depend on the lane is computed once, before the loop over the lanes.
    """

    def __init__(self, op, node, name):
        self.op, self.name = op, name
        arrays = op._arrays(node)
        self.dtypes = [x.dtype for x, _ in arrays]
        self.lanes = [op._has_lanes(x, has_time) for x, has_time in arrays]
        self.n_arrays = len(arrays)
        self.first_state = op.n_sequences
        self.first_new = op.n_sequences + len(op.states)
        self.first_same = self.first_new + len(op.new)

    def source(self):
        op = self.op
        pointers, outside, inside, stores_outside, stores_inside = [], [], [], [], []
        dtypes, varies = [], []

        def read(slot, place):
            number, dtype = len(dtypes), self.dtypes[slot]
            pointers.append(f"const npy_{dtype}* a{number} = (const npy_{dtype}*)(p[{slot}] + {place});")
            test = " != 0" if dtype == "bool" else ""
            load = f"const {ctype(dtype)} v{number} = a{number}[{'l' if self.lanes[slot] else '0'}]{test};"
            (inside if self.lanes[slot] else outside).append(load)
            dtypes.append(dtype)
            varies.append(self.lanes[slot])

        for slot in range(op.n_sequences):
            read(slot, f"i * step[{slot}]")
        for k, state in enumerate(op.states):
            slot = self.first_state + k
            for tap in state.taps:
                read(slot, f"pv_around(at[{k}] + ({tap}), size[{k}]) * step[{slot}]")
        for slot in range(self.first_same, self.n_arrays):
            read(slot, "0")
        for instruction in op.instructions:
            number = len(dtypes)
            text = value_statement(instruction, number, dtypes)
            inner = any(varies[a] for a in instruction.arguments if not isinstance(a, Literal))
            (inside if inner else outside).append(text)
            dtypes.append(instruction.dtype)
            varies.append(inner)
        results = iter(op.results)
        for k, writes in enumerate([state.writes or (0,) for state in op.states] + [(0,)] * len(op.new)):
            slot = self.first_state + k
            for place in writes:
                result = next(results)
                value = literal(*result) if isinstance(result, Literal) else f"v{result}"
                target, dtype = f"w{k}_{len(pointers)}", self.dtypes[slot]
                pointers.append(
                    f"npy_{dtype}* {target} = (npy_{dtype}*)(p[{slot}] + (at[{k}] + {place}) * step[{slot}]);"
                )
                store = f"{target}[{'l' if self.lanes[slot] else '0'}] = (npy_{dtype}){value};"
                (stores_inside if self.lanes[slot] else stores_outside).append(store)
        body = [*pointers, *outside, *stores_outside]
        if any(self.lanes):
            body += ["#pragma omp simd", "for (npy_intp l = 0; l < lanes; ++l) {", *inside, *stores_inside, "}"]
        n = len(op.states) + len(op.new)
        body.append(f"for (int k = 0; k < {n}; ++k) at[k] = at[k] + 1 == size[k] ? 0 : at[k] + 1;")
        return c_source("scan_loop.c", name=self.name, body="\n".join(body))


def _call_code(op, node, name, inputs, outputs, fail):
    """C code of the node: check sizes, allocate outputs, run the steps, put circular buffers in order."""
    steps, sequences, states, lengths, same = op._split(inputs)
    arrays, n_states, n = op._arrays(node), len(op.states), len(op.states) + len(op.new)
    lanes = [op._has_lanes(x, has_time) for x, has_time in arrays]
    whole = f"(npy_intp)*(npy_{node.inputs[0].dtype}*)PyArray_DATA({steps})"
    code = [f"const npy_intp n = {whole};", "npy_intp lanes = 1;", f"pv_scan<{len(arrays)}, {n}> s;"]
    code.append(f"if (!pv_scan_steps(n)) {{ {fail} }}")
    # the arrays that are read come first, as the new ones may need the number of lanes
    names = [*sequences, *states, *([None] * len(op.new)), *same]
    known = False
    for slot, x in enumerate(names):
        if x is None or not lanes[slot]:
            continue
        size = f"PyArray_DIM({x}, {int(arrays[slot][1])})"
        code.append(f"if (!pv_scan_lanes({size}, lanes)) {{ {fail} }}" if known else f"lanes = {size};")
        known = True
    for slot, x in enumerate(sequences):
        code.append(f"if (!s.read({slot}, {x}, n, {int(lanes[slot])})) {{ {fail} }}")
    for k, (x, z) in enumerate(zip(states, outputs)):
        code.append(
            f"if (!s.begin({op.n_sequences + k}, {k}, {x}, &{z}, {-min(op.states[k].taps, default=0)})) {{ {fail} }}"
        )
    for k, (length, (dtype, broad), z) in enumerate(zip(lengths, op.new, outputs[n_states:])):
        variable = node.inputs[1 + op.n_sequences + n_states + k]
        dims = [f"(npy_intp)*(npy_{variable.dtype}*)PyArray_DATA({length})", *("1" if b else "lanes" for b in broad)]
        code.append(f"{{ npy_intp dims[] = {{{', '.join(dims)}}};")
        code.append(f"if (!s.make({op.n_sequences + n_states + k}, {n_states + k}, {len(dims)}, dims, ")
        code.append(f"{np.dtype(dtype).num}, &{z})) {{ {fail} }} }}")
    for k, x in enumerate(same):
        slot = op.n_sequences + n + k
        code.append(f"if (!s.read({slot}, {x}, -1, {int(lanes[slot])})) {{ {fail} }}")
    code.append(f"{name}_scan(n, lanes, s.p, s.step, s.at, s.size);")
    for k, state in enumerate([*op.states, *([State((), ())] * len(op.new))]):
        if not state.writes:
            code.append(f"s.end({op.n_sequences + k}, {k}, n + {_first_place(state)});")
    return "{\n" + "\n".join(code) + "\n}"
