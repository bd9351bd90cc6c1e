"""One step of a recursion as statements about small arrays."""

import numpy as np
import theano.tensor as tt
from theano import scalar as ts
from theano.graph.basic import Constant
from theano.tensor.basic import Alloc, Dot, Join, Reshape, ScalarFromTensor, TensorFromScalar
from theano.tensor.elemwise import CAReduce, DimShuffle, Elemwise
from theano.tensor.opt import MakeVector, Shape_i
from theano.tensor.subtensor import IncSubtensor, Subtensor, get_idx_list

from ._loop_groups import is_plain, scalar_constant
from ._scan_sizes import Sizes, Unsupported
from .ops import At, BatchMatmul, Literal, Place, Product, ScanLoop, Size, Statement, View
from .ops._scalar_code import scalar_expression, supported_dtypes

__all__ = ["Step", "is_array", "pattern"]

_FLOATS = ("float64", "float32")

#: Loops inside of loops over more axes than this gain nothing.
_MOST_AXES = 4


def is_array(variable):
    """Whether a variable is a small tensor, or one of Theano's scalars, which indices are."""
    return getattr(variable, "ndim", 9) <= _MOST_AXES and variable.dtype in supported_dtypes


def pattern(variable):
    """Which dimensions have length one."""
    return tuple(getattr(variable, "broadcastable", ()))


class Step:
    """One step of a recursion as Statements.

    ``self._seen[variable]`` is ``(value, entries)``: a Literal, or the name of an input's or a Statement's value, with
    the variable's dimension that each axis of the value is, or the Place where it is read.  Along its other dimensions
    the variable is constant.
    """

    def __init__(self, graph, n_sequences, states):
        self._sizes, self._axes, self._dtypes = Sizes(), {}, {}
        self._seen, self._lengths, self._statements, self.constants = {}, {}, [], []
        self._graph, self._n_inputs = graph, len(graph.inputs)
        for k, v in enumerate(graph.inputs):
            self._add_input(k, v)
        taps = [k for k, state in enumerate(states) for _ in state.taps]
        self._state_axes = {}
        for position, k in enumerate(taps, start=n_sequences):
            axes = self._axes["input", position]
            for one, two in zip(self._state_axes.setdefault(k, axes), axes):
                self._sizes.join(one, two)
        for node in graph.toposort():
            self._add(node)

    def _add_input(self, number, variable):
        value, own = ("input", number), [d for d, b in enumerate(pattern(variable)) if not b]
        self._axes[value] = tuple(self._sizes.new() for _ in own)
        self._dtypes[value] = variable.dtype
        self._seen[variable] = value, tuple(own)

    def _of(self, variable):
        """A variable's value and entries."""
        if variable in self._seen:
            return self._seen[variable]
        if self._lengths.get(variable) is not None:
            return Size(self._lengths[variable]), ()
        if not isinstance(variable, Constant) or not is_array(variable):
            raise Unsupported
        number = scalar_constant(variable)
        if number is not None and is_plain(number):
            return Literal(number.item(), variable.dtype), ()
        self._add_input(self._n_inputs + len(self.constants), variable)
        self.constants.append(variable)
        return self._seen[variable]

    # ---------------------------------------------------------------- Ops
    def _add(self, node):
        op, (out, *more) = node.op, node.outputs
        if more:
            raise Unsupported
        if isinstance(op, (ScalarFromTensor, TensorFromScalar)):
            self._seen[out] = self._of(node.inputs[0])
        elif isinstance(op, Shape_i):
            self._lengths[out] = self._size_of(node.inputs[0], op.i)
        elif out.dtype == "int64" and isinstance(op, MakeVector):
            pass  # a shape, read where it is used; an error elsewhere
        elif not is_array(out):
            raise Unsupported
        else:
            make = next((make for kind, make in _OPS.items() if isinstance(op, kind)), None)
            if make is None:
                raise Unsupported
            self._seen[out] = make(self, op, node, out)

    def _size_of(self, variable, dimension):
        """Size of a dimension, or None."""
        value, entries = self._of(variable)
        return self._axes[value][entries.index(dimension)] if dimension in entries else None

    def _length(self, variable):
        """Size that a number stands for: -1, 1, or what `Sizes` calls it; None if unknown."""
        if isinstance(variable, Constant):
            return self._length_of(int(variable.data))
        found = self._lengths.get(variable)
        return None if found is None else ("size", found)

    def _length_of(self, number):
        return number if number in (-1, 1) else ("size", self._sizes.new(number))

    def _dimshuffle(self, op, node, out):
        value, entries = self._of(node.inputs[0])
        return value, tuple(e if isinstance(e, Place) else op.new_order.index(e) for e in entries)

    def _alloc(self, op, node, out):
        x, *shape = node.inputs
        value, entries = self._of(x)
        shifted = tuple(e if isinstance(e, Place) else e + out.ndim - x.ndim for e in entries)
        extra = [(d, self._length(n)) for d, n in enumerate(shape) if d not in shifted]
        extra = {d: n[1] for d, n in extra if isinstance(n, tuple)}
        return self._elementwise(ts.identity, [(value, shifted)], out.dtype, extra) if extra else (value, shifted)

    def _elemwise(self, op, node, out):
        return self._elementwise(op.scalar_op, [self._of(x) for x in node.inputs], out.dtype)

    def _elementwise(self, op, operands, dtype, extra=(), conditions=()):
        """Value and entries of a Statement over all dimensions along which an operand varies, and `extra`."""
        sizes = dict(extra)
        for value, entries in operands:
            for axis, d in enumerate(entries):
                if not isinstance(d, Place):
                    self._sizes.join(sizes.setdefault(d, self._axes[value][axis]), self._axes[value][axis])
        dimensions = sorted(sizes)
        arguments = [At(dimensions.index(d), n) for d, n in conditions]
        arguments += [self._along(operand, dimensions) for operand in operands]
        return self._statement(op, arguments, dtype, tuple(sizes[d] for d in dimensions)), tuple(dimensions)

    @staticmethod
    def _along(operand, dimensions):
        """How a loop along `dimensions` reads an operand."""
        value, entries = operand
        if isinstance(value, (Literal, Size)):
            return value
        return value, tuple(e if isinstance(e, Place) else dimensions.index(e) for e in entries)

    def _statement(self, op, arguments, dtype, axes, reduced=()):
        """The value of a new Statement."""
        types = [dtype] * 2 if reduced else [self._dtype(a) for a in arguments]
        constants = [a.value if isinstance(a, Literal) else None for a in arguments] if not reduced else [None] * 2
        if len(axes) > _MOST_AXES:
            raise Unsupported
        if not isinstance(op, Product) and scalar_expression(op, ["x"] * len(types), types, dtype, constants) is None:
            raise Unsupported
        value = ("statement", len(self._statements))
        self._statements.append((op, arguments, dtype, axes, reduced))
        self._axes[value] = tuple(a for p, a in enumerate(axes) if p not in reduced)
        self._dtypes[value] = dtype
        return value

    def _dtype(self, argument):
        if isinstance(argument, (At, Size)):
            return "bool" if isinstance(argument, At) else "int64"
        return argument.dtype if isinstance(argument, Literal) else self._dtypes[argument[0]]

    def _reduce(self, op, node, out):
        (x,) = node.inputs
        gone = range(x.ndim) if op.axis is None else [d % x.ndim for d in op.axis]
        accumulator = "float64" if x.dtype == "bool" else getattr(op, "acc_dtype", None) or out.dtype
        return self._reduced(op.scalar_op, self._of(x), gone, x, accumulator, out.dtype)

    def _reduced(self, op, operand, gone, x, accumulator, dtype):
        """Value and entries of a reduction of an operand over the dimensions `gone`."""
        value, entries = operand
        if type(op) not in (ts.Add, ts.Mul, ts.ScalarMaximum, ts.ScalarMinimum) or accumulator not in _FLOATS:
            raise Unsupported
        if any(d not in entries and not x.broadcastable[d] for d in gone):
            raise Unsupported  # so many times the same
        dimensions = sorted(e for e in entries if not isinstance(e, Place))
        reduced = tuple(p for p, d in enumerate(dimensions) if d in gone)
        if reduced:
            axes = tuple(self._axes[value][entries.index(d)] for d in dimensions)
            value = self._statement(op, [self._along(operand, dimensions)], accumulator, axes, reduced)
            entries = tuple(d for d in dimensions if d not in gone)
        entries = tuple(e if isinstance(e, Place) else e - sum(g < e for g in gone) for e in entries)
        if self._dtype(self._along((value, entries), range(x.ndim))) != dtype:
            return self._elementwise(ts.Cast(ts.get_scalar_type(dtype)), [(value, entries)], dtype)
        return value, entries

    def _dot(self, op, node, out):
        x, y = node.inputs
        if not 1 <= min(x.ndim, y.ndim) <= max(x.ndim, y.ndim) <= 2:
            raise Unsupported
        dimensions = [d for d, wanted in enumerate((False, x.ndim == 2, False, y.ndim == 2)) if wanted]
        return self._product(range(3 - x.ndim, 3), range(2, 2 + y.ndim), node, dimensions)

    def _batch_matmul(self, op, node, out):
        return self._product((0, 1, 2), (0, 2, 3), node, (0, 1, 3))

    def _product(self, left, right, node, dimensions):
        """Sum over dimension 2 of (stack, row, middle, column), to which those of the two factors belong."""
        (x, y), dtype = node.inputs, node.outputs[0].dtype
        operands, sizes, broad = [], {}, [True] * 4
        for variable, places in ((x, left), (y, right)):
            value, entries = self._of(variable)
            operands.append((value, tuple(e if isinstance(e, Place) else places[e] for e in entries)))
            for axis, d in zip(self._axes.get(value, ()), operands[-1][1]):
                if not isinstance(d, Place):
                    self._sizes.join(sizes.setdefault(d, axis), axis)
            for d, b in zip(places, variable.broadcastable):
                broad[d] = broad[d] and b
        if 2 in sizes and not all(2 in entries for _, entries in operands):
            self._sizes.join(sizes[2], self._sizes.new(1))  # the other factor has one row or column there
        present = sorted(sizes)
        if (
            all(2 in entries and self._dtypes[value] == dtype for value, entries in operands)
            and (1 in sizes or 3 in sizes)
            and dtype in _FLOATS
        ):
            axes = tuple(sizes[d] for d in present)
            arguments = [self._along(operand, present) for operand in operands]
            flags = Product(*(d in sizes for d in (0, 1, 3)))
            value = self._statement(flags, arguments, dtype, axes, (present.index(2),))
            entries = tuple(d for d in present if d != 2)
        else:
            product = self._elementwise(ts.mul, operands, dtype)
            value, entries = self._reduced(ts.add, product, [2], tt.TensorType(dtype, broad)(), dtype, dtype)
            entries = tuple(e if isinstance(e, Place) else e + (e == 2) for e in entries)
        return value, tuple(e if isinstance(e, Place) else dimensions.index(e) for e in entries)

    def _reshape(self, op, node, out):
        """Where dimensions of length one come and go alone."""
        x, shape = node.inputs
        value, entries = self._of(x)
        if isinstance(shape, Constant):
            lengths = [self._length_of(int(n)) for n in shape.data]
        elif shape.owner and isinstance(shape.owner.op, MakeVector):
            lengths = [self._length(n) for n in shape.owner.inputs]
        else:
            raise Unsupported
        long = [d for d, b in enumerate(x.broadcastable) if not b]
        own = [d for d, n in enumerate(lengths) if n != 1]
        if None in lengths or len(long) != len(own) or any(d not in entries for d in long):
            raise Unsupported
        for d, e in zip(long, own):
            size = self._axes[value][entries.index(d)]
            if lengths[e] != -1 and self._sizes.root(lengths[e][1]) != self._sizes.root(size):
                raise Unsupported
        return value, tuple(e if isinstance(e, Place) else own[long.index(e)] for e in entries)

    # ---------------------------------------------------------------- indices
    def _places(self, op, node):
        """Dimension -> index of an indexing by whole dimensions and numbers."""
        inputs = node.inputs if isinstance(op, Subtensor) else [node.inputs[0], *node.inputs[2:]]
        indices = dict(enumerate(get_idx_list(inputs, op.idx_list)))
        found = {d: index for d, index in indices.items() if index != slice(None)}
        return {d: self._index(index) for d, index in found.items()}

    def _index(self, index):
        """A number, or the value that is one."""
        if isinstance(index, slice):
            raise Unsupported
        if isinstance(index, (Constant, int, np.integer)):
            return int(getattr(index, "data", index))
        value, entries = self._of(index)
        if isinstance(value, Literal):
            return int(value.value)
        dtype = self._dtypes.get(value, "")
        if not dtype.startswith(("int", "uint")):
            raise Unsupported
        # an element of an array gets a name of its own
        copy = ts.Cast(ts.get_scalar_type(dtype))
        return self._elementwise(copy, [(value, entries)], dtype)[0] if entries else value

    def _subtensor(self, op, node, out):
        places, x = self._places(op, node), node.inputs[0]
        value, entries = self._of(x)
        for d, index in places.items():
            if d not in entries and not (x.broadcastable[d] and index in (0, -1)):
                raise Unsupported  # nothing would tell whether the index is there
        return value, tuple(
            e if isinstance(e, Place) else Place(places[e]) if e in places else e - sum(d < e for d in places)
            for e in entries
        )

    def _inc_subtensor(self, op, node, out):
        x, y, *_ = node.inputs
        places = self._places(op, node)
        rest = [d for d in range(x.ndim) if d not in places]
        base, (value, entries) = self._of(x), self._of(y)
        part = value, tuple(e if isinstance(e, Place) else rest[len(rest) - y.ndim + e] for e in entries)
        new = part if op.set_instead_of_inc else self._elementwise(ts.add, [base, part], out.dtype)
        for d, index in places.items():
            if d not in base[1]:
                raise Unsupported
            new = self._elementwise(ts.switch, [new, base], out.dtype, conditions=[(d, index)])
        return new

    def _stack(self, operands, dimension, dtype):
        """Operands one after the other along a dimension of theirs of length one."""
        extra = {dimension: self._sizes.new(len(operands))}
        last = operands[-1]
        for k in reversed(range(len(operands) - 1)):
            last = self._elementwise(ts.switch, [operands[k], last], dtype, extra, [(dimension, k)])
        return last

    def _join(self, op, node, out):
        axis, *parts = node.inputs
        if not isinstance(axis, Constant) or len(parts) < 2:
            raise Unsupported
        d = int(axis.data) % out.ndim
        if not all(x.broadcastable[d] for x in parts):
            raise Unsupported
        return self._stack([self._of(x) for x in parts], d, out.dtype)

    def _make_vector(self, op, node, out):
        if len(node.inputs) < 2:
            raise Unsupported
        return self._stack([self._of(x) for x in node.inputs], 0, out.dtype)

    # ---------------------------------------------------------------- the Op
    def loop(self, n_sequences, states, new):
        """The ScanLoop of the step."""
        taps = [k for k, state in enumerate(states) for _ in state.taps]
        targets = [k for k, state in enumerate(states) for _ in state.writes or (0,)]
        targets += range(len(states), len(states) + len(new))
        results, written = [], dict(self._state_axes)
        for k, variable in zip(targets, self._graph.outputs):
            value, entries = operand = self._of(variable)
            broad = new[k - len(states)][1] if k >= len(states) else variable.broadcastable
            own = [d for d, b in enumerate(broad) if not b]
            if any(e not in own for e in entries if not isinstance(e, Place)):
                raise Unsupported
            if k not in written:
                if any(d not in entries for d in own):
                    raise Unsupported
                written[k] = tuple(self._axes[value][entries.index(d)] for d in own)
            if len(written[k]) != len(own):
                raise Unsupported
            for e, axis in zip(entries, self._axes.get(value, ())):
                if not isinstance(e, Place):
                    self._sizes.join(written[k][own.index(e)], axis)
            results.append(self._along(operand, own))
        inputs = [("input", k) for k in range(self._n_inputs + len(self.constants))]
        arrays = [self._axes[v] for v in inputs[:n_sequences]]
        arrays += [written[k] for k in range(len(states) + len(new))]
        arrays += [self._axes[v] for v in inputs[n_sequences + len(taps) :]]
        return self._numbered(n_sequences, states, new, arrays, results, inputs)

    def _numbered(self, n_sequences, states, new, arrays, results, inputs):
        numbers = {}

        def sizes(axes):
            return tuple(numbers.setdefault(self._sizes.root(a), len(numbers)) for a in axes)

        def argument(a):
            if isinstance(a, Literal):
                return a
            if isinstance(a, At):
                return At(a.axis, index(a.index))
            if isinstance(a, Size):
                return Size(*sizes([a.number]))
            value, entries = a
            return View(number(value), tuple(Place(index(e.index)) if isinstance(e, Place) else e for e in entries))

        def number(value):
            kind, position = value
            return position if kind == "input" else len(inputs) + position

        def index(found):
            return found if isinstance(found, int) else View(number(found), ())

        first_new = n_sequences + len(states)
        given = {self._sizes.root(a) for axes in arrays[:first_new] + arrays[first_new + len(new) :] for a in axes}
        axes = tuple(sizes(a) for a in arrays)
        statements = tuple(
            Statement(op, tuple(argument(a) for a in arguments), dtype, sizes(loop), reduced)
            for op, arguments, dtype, loop, reduced in self._statements
        )
        results = tuple(argument(a) for a in results)
        known = tuple(self._sizes.known(root) for root in numbers)
        if any(n is None and root not in given for root, n in zip(numbers, known)):
            raise Unsupported
        return ScanLoop(n_sequences, states, new, axes, known, statements, results)


#: Op -> method of a step that gives its value
_OPS = {
    DimShuffle: Step._dimshuffle,
    Alloc: Step._alloc,
    Elemwise: Step._elemwise,
    CAReduce: Step._reduce,
    Dot: Step._dot,
    BatchMatmul: Step._batch_matmul,
    Reshape: Step._reshape,
    Subtensor: Step._subtensor,
    IncSubtensor: Step._inc_subtensor,
    Join: Step._join,
    MakeVector: Step._make_vector,
}
