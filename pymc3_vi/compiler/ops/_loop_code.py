"""C++ of the functions that run a fused loop."""

from collections import namedtuple

import numpy as np

from .._csrc import c_source
from ._scalar_code import has_vector_form, literal, scalar_expression

__all__ = ["Literal", "LoopKernel", "ctype", "is_total", "nanoseconds", "value_statement"]

#: a number in the code
Literal = namedtuple("Literal", "value dtype")


def is_total(output):
    """Whether an output of a loop is the sum over its whole range."""
    return output.reduced and all(axis is None for axis in output.axes)


def nanoseconds(op, dtypes):
    """Rough time of one point of a loop, by the functions that it calls and the bytes that it moves.

    Parameters
    ----------
    op : FusedLoop
    dtypes : list of str
        Types of the inputs.
    """
    arrays = [dtype for dtype, axes in zip(dtypes, op.inputs) if op.ndim - 1 in axes]
    arrays += [output.dtype for output in op.outputs if op.ndim - 1 in output.axes]
    moved = sum(np.dtype(dtype).itemsize for dtype in arrays)
    functions = sum(has_vector_form(instruction.op) for instruction in op.instructions)
    return 0.05 * moved + functions + 0.05 * len(op.instructions)


def value_statement(instruction, number, dtypes, name="v{}".format):
    """C statement that computes value `number` by an Instruction, from values of the types `dtypes`."""
    arguments = instruction.arguments
    types = [a.dtype if isinstance(a, Literal) else dtypes[a] for a in arguments]
    constants = [a.value if isinstance(a, Literal) else None for a in arguments]
    names = [literal(*a) if isinstance(a, Literal) else name(a) for a in arguments]
    text = scalar_expression(instruction.op, names, types, instruction.dtype, constants)
    if text is None:
        raise NotImplementedError(f"{instruction.op} has no vector code")
    return f"const {ctype(instruction.dtype)} {name(number)} = {text};"


class LoopKernel:
    """Source of the functions that run one FusedLoop, whole or on several threads; they see plain pointers and strides.

    The arguments are the sizes of the axes, pointers to the inputs and then the outputs, and their strides in numbers
    along each axis but the last, along which they must be without gaps.  Sums are added to what is in the outputs;
    for a sum over the whole range that is a double, whatever the type of the result.

    Parameters
    ----------
    op : FusedLoop
    dtypes : list of str
        Types of the inputs.
    name : str
        Of the node; part of the function's name.
    """

    def __init__(self, op, dtypes, name):
        self.op, self.name = op, name
        self.dtypes = [*dtypes, *(instruction.dtype for instruction in op.instructions)]
        self.inner = op.ndim - 1
        self.inputs_inside = [self.inner in axes for axes in op.inputs]
        self.inside = list(self.inputs_inside)
        for instruction in op.instructions:
            self.inside.append(any(self.inside[a] for a in instruction.arguments if not isinstance(a, Literal)))
        self.memory = {output: position for output, position in op.inplace}

    def _load(self, position, index):
        dtype = self.dtypes[position]
        test = " != 0" if dtype == "bool" else ""
        return f"const {ctype(dtype)} v{position} = a{position}[{index}]{test};"

    def source(self):
        op = self.op
        written_inputs = set(self.memory.values())
        outer, inside, after, pointers, sums = [], [], [], [], []
        for position in range(len(op.inputs)):
            const = "" if position in written_inputs else "const "
            dtype = f"npy_{self.dtypes[position]}"
            offset = _offset(f"s[{position}]", self.inner)
            pointers.append(f"{const}{dtype}* __restrict__ a{position} = ({const}{dtype}*)p[{position}]{offset};")
            (inside if self.inputs_inside[position] else outer).append(
                self._load(position, "j" if self.inputs_inside[position] else "0")
            )
        for number, instruction in enumerate(op.instructions, start=len(op.inputs)):
            statement = value_statement(instruction, number, self.dtypes)
            (inside if self.inside[number] else outer).append(statement)
        for k, output in enumerate(op.outputs):
            slot = len(op.inputs) + k
            # single precision is summed in double, as Theano does
            dtype = "npy_float64" if is_total(output) else f"npy_{output.dtype}"
            has_inner = self.inner in output.axes
            if k in self.memory:
                target = f"a{self.memory[k]}"
            else:
                target = f"o{k}"
                offset = _offset(f"s[{slot}]", self.inner)
                pointers.append(f"{dtype}* __restrict__ o{k} = ({dtype}*)p[{slot}]{offset};")
            value = f"({dtype})v{output.value}"
            if not output.reduced:
                inside.append(f"{target}[{'j' if has_inner else '0'}] = {value};")
            elif has_inner:
                inside.append(f"{target}[j] += {value};")
            else:
                outer.append(f"npy_float64 t{k} = 0;")
                inside.append(f"t{k} += v{output.value};")
                after.append(f"o{k}[0] += ({dtype})t{k};")
                sums.append(f"t{k}")
        reduction = f" reduction(+:{', '.join(sums)})" if sums else ""
        loop = "\n".join(
            [
                *pointers,
                *outer,
                f"#pragma omp simd{reduction}",
                f"for (npy_intp j = 0; j < n[{self.inner}]; ++j) {{",
                *inside,
                "}",
                *after,
            ]
        )
        for axis in range(self.inner - 1, -1, -1):
            loop = f"for (npy_intp i{axis} = 0; i{axis} < n[{axis}]; ++i{axis}) {{\n{loop}\n}}"
        if op.short is not None:
            loop = ShortAxis(self).source() + loop
        return c_source("loop_kernel.c", name=self.name, ndim=op.ndim, loop=loop)

    def parts(self):
        """Source of a function that runs the loop part by part along one axis, and of what it needs.

        Its arguments are those of the loop.  The parts and the order in which their sums are added depend on the sizes
        alone; several threads take them where that is worth waking them.
        """
        op, n_in = self.op, len(self.op.inputs)
        varying = [*op.inputs, *(output.axes for output in op.outputs)]
        totals = [n_in + k for k, output in enumerate(op.outputs) if is_total(output)]
        # Parts must not add to the same numbers, except to totals, which they have of their own.
        shared = [output.axes for output in op.outputs if not is_total(output)]
        axes = [axis for axis in sorted({0, self.inner}) if all(axis in kept for kept in shared)]
        if not axes:
            return f"#define {self.name}_parts {self.name}_loop"
        axis = str(axes[0]) if len(axes) == 1 else f"n[0] > 1 ? 0 : {self.inner}"
        dtypes = [*self.dtypes[:n_in], *("float64" if is_total(output) else output.dtype for output in op.outputs)]
        moves = []
        for slot, (kept, dtype) in enumerate(zip(varying, dtypes)):
            inner = f"axis == {self.inner} ? begin : " if self.inner in kept else ""
            if slot in totals:
                moves.append(f"p[{slot}] = r.totals + part * {len(totals)} + {totals.index(slot)};")
            elif op.ndim == 1:
                moves.append(f"p[{slot}] = (npy_{dtype}*)r.p[{slot}]{' + begin' if inner else ''};")
            else:
                moves.append(f"p[{slot}] = (npy_{dtype}*)r.p[{slot}] + ({inner}begin * r.s[{slot}][axis]);")
        newline, slots, cost = "\n", len(varying), nanoseconds(op, self.dtypes)
        points = " * ".join(f"n[{a}]" for a in range(op.ndim))
        return c_source(
            "loop_parts.c",
            name=self.name,
            ndim=op.ndim,
            slots=slots,
            moves=newline.join(moves),
            axis=axis,
            points=points,
            cost=f"{cost:.2f}",
            n_totals=max(1, len(totals)),
            add_totals=newline.join(
                f"        *(npy_float64*)p[{slot}] += totals[part * {len(totals)} + {i}];"
                for i, slot in enumerate(totals)
            ),
        )


class ShortAxis:
    """Source of a loop whose last axis has few indices: they are written out, and the axis before is the inner loop.

    It runs where that axis is as short as the loop was made for and arrays lie without gaps; where not, execution goes
    on behind it.
    """

    def __init__(self, kernel):
        self.kernel, self.op = kernel, kernel.op
        self.count, self.inner, self.rows = kernel.op.short, kernel.inner, kernel.inner - 1
        axes = list(self.op.inputs)
        for instruction in self.op.instructions:
            used = [axes[a] for a in instruction.arguments if not isinstance(a, Literal)]
            axes.append({axis for some in used for axis in some})
        #: Whether each value differs along the axis before the last, and along the last.
        self.by_row = [self.rows in some for some in axes]
        self.by_column = [self.inner in some for some in axes]

    def _names(self, number):
        """Of a value: one, or one for each index of the last axis."""
        return [f"v{number}_{j}" for j in range(self.count)] if self.by_column[number] else [f"v{number}"]

    def _place(self, axes, j):
        row = "r" if self.rows in axes else ""
        if self.inner not in axes:
            return row or "0"
        return f"r * {self.count} + {j}" if row else str(j)

    def _statements(self):
        """What is computed before the loop over rows, and in it."""
        before, inside = [], []
        for position, axes in enumerate(self.op.inputs):
            dtype = self.kernel.dtypes[position]
            test = " != 0" if dtype == "bool" else ""
            for j, name in enumerate(self._names(position)):
                load = f"const {ctype(dtype)} {name} = a{position}[{self._place(axes, j)}]{test};"
                (inside if self.by_row[position] else before).append(load)
        for number, instruction in enumerate(self.op.instructions, start=len(self.op.inputs)):
            for j in range(len(self._names(number))):
                text = value_statement(
                    instruction,
                    number,
                    self.kernel.dtypes,
                    lambda a, j=j: self._names(a)[j if self.by_column[a] else 0],
                )
                (inside if self.by_row[number] else before).append(text)
        return before, inside

    def source(self):
        before, inside = self._statements()
        pointers, checks, after, sums = [], [f"n[{self.inner}] == {self.count}"], [], []
        for slot, axes in enumerate([*self.op.inputs, *(output.axes for output in self.op.outputs)]):
            k = slot - len(self.op.inputs)
            if k in self.kernel.memory:
                continue
            total = k >= 0 and is_total(self.op.outputs[k])
            dtype = f"npy_{self.kernel.dtypes[slot] if k < 0 else 'float64' if total else self.op.outputs[k].dtype}"
            const = "const " if k < 0 and slot not in self.kernel.memory.values() else ""
            offset = _offset(f"s[{slot}]", self.rows)
            name = f"a{slot}" if k < 0 else f"o{k}"
            pointers.append(f"{const}{dtype}* __restrict__ {name} = ({const}{dtype}*)p[{slot}]{offset};")
            if self.rows in axes:
                checks.append(f"s[{slot}][{self.rows}] == {self.count if self.inner in axes else 1}")
        for k, output in enumerate(self.op.outputs):
            names, kept = self._names(output.value), [axis in output.axes for axis in (self.rows, self.inner)]
            target = f"a{self.kernel.memory[k]}" if k in self.kernel.memory else f"o{k}"
            dtype = "npy_float64" if is_total(output) else f"npy_{output.dtype}"
            if not kept[1] and output.reduced:  # in double: narrow integers and single precision are not enough
                wide = [f"(npy_float64){name}" for name in names]
                names = [" + ".join(wide) if len(wide) > 1 else f"{self.count} * {wide[0]}"]
            elif kept[1] and len(names) == 1:
                names = names * self.count
            for j, name in enumerate(names):
                place = f"{target}[{self._place(output.axes, j)}]"
                if kept[0] or not output.reduced:
                    inside.append(f"{place} {'+' if output.reduced else ''}= ({dtype})({name});")
                    continue
                sums.append(f"t{k}_{j}")
                before.append(f"npy_float64 t{k}_{j} = 0;")
                inside.append(f"t{k}_{j} += {name};")
                after.append(f"{place} += ({dtype})t{k}_{j};")
        reduction = f" reduction(+:{', '.join(sums)})" if sums else ""
        rows = [f"#pragma omp simd{reduction}", f"for (npy_intp r = 0; r < n[{self.rows}]; ++r) {{", *inside, "}"]
        loop = "\n".join([*pointers, *before, *rows, *after])
        for axis in range(self.rows - 1, -1, -1):
            loop = f"for (npy_intp i{axis} = 0; i{axis} < n[{axis}]; ++i{axis}) {{\n{loop}\n}}"
        return f"if ({' && '.join(checks)}) {{\n{loop}\nreturn;\n}}\n"


def ctype(dtype):
    """C type of a value while it is worked on."""
    # C's own bool: vectorised comparisons do not pass through bytes.
    return "bool" if dtype == "bool" else f"npy_{dtype}"


def _offset(strides, inner):
    return "".join(f" + i{axis} * {strides}[{axis}]" for axis in range(inner))
