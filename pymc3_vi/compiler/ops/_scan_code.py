"""C++ of the function that runs a recursion over time: one step is a list of loops over small arrays."""

from collections import namedtuple

import numpy as np
from theano import scalar as ts

from .._csrc import c_source
from ._loop_code import Literal, ctype
from ._scalar_code import literal, scalar_expression

__all__ = ["At", "Place", "Product", "Size", "State", "Statement", "StepCode", "View", "own_axes", "read_by"]


class State(namedtuple("State", "taps writes")):
    """A state of a recursion.

    Parameters
    ----------
    taps : tuple of int
        The places that a step reads, as distances in time from its own.
    writes : tuple of int
        Those that it writes; () for its own in a buffer that may be shorter than time and is then read in a circle.
    """

    __slots__ = ()

    def first_place(self):
        """Where the first step writes in the buffer: after what it begins with."""
        return -min(self.taps, default=0)


#: A value of `dtype`: the scalar `op` of `arguments` (View, At, Size, Literal) in a loop along `axes`, numbers of
#: sizes; with `reduced`, positions among them, what `op` makes of its one argument along these (Product: of two).
Statement = namedtuple("Statement", "op arguments dtype axes reduced")

#: A value by its number; every entry of `axes` says how one of its axes is read: a position in the loop, or a Place.
View = namedtuple("View", "value axes")

#: One index of an axis, from its end if negative: a number, or the View of one that is made in the step.
Place = namedtuple("Place", "index")

#: A length by its number, as an int64.
Size = namedtuple("Size", "number")

#: Whether the position `axis` of the loop is at `index`.
At = namedtuple("At", "axis index")

#: The `op` of products of matrices (n, k) and (k, m) along axes (stack, n, k, m), a call in the place of loops.  Flags
#: say which of the axes there are besides k.
Product = namedtuple("Product", "stacked, rows, columns")

#: What a reduction begins with.
_FIRST = {ts.Add: 0.0, ts.Mul: 1.0, ts.ScalarMaximum: -np.inf, ts.ScalarMinimum: np.inf}


def own_axes(statement):
    """Numbers of the sizes of a statement's value."""
    return tuple(a for p, a in enumerate(statement.axes) if p not in statement.reduced)


class _Loops:
    """Nested loops along `axes` that compute several statements, or a call in their place."""

    def __init__(self, axes, is_call):
        self.axes, self.numbers, self.before, self.loaded, self.inside = axes, [], [], {}, []
        self.is_call = is_call

    def text(self, has_simd):
        if self.is_call:
            return self.inside
        lines = list(self.before)
        for p, axis in enumerate(self.axes):
            if has_simd and p == len(self.axes) - 1:
                lines.append("#pragma omp simd")
            lines.append(f"for (npy_intp j{p} = 0; j{p} < c{axis}; ++j{p}) {{")
        return [*lines, *self.inside, "}" * len(self.axes)]


class StepCode:
    """Source of the function that runs one ScanLoop.

    Statements along the same axes that read each other at their own place share loops, in which their values are
    numbers; other values of more than one number are kept in `room`.

    Parameters
    ----------
    op : ScanLoop
    dtypes : list of str
        Of the arrays, in the order of ``op.axes``.
    name : str
        Of the node; part of the function's name.
    """

    def __init__(self, op, dtypes, name):
        self.op, self.name, self.array_dtypes = op, name, dtypes
        self.first_new = op.n_sequences + len(op.states)
        self.reads = [(k, f"i * step[{k}]") for k in range(op.n_sequences)]  # slot and place of every input of a step
        for k, state in enumerate(op.states):
            slot = op.n_sequences + k
            self.reads += [(slot, f"pv_around(at[{k}] + ({tap}), size[{k}]) * step[{slot}]") for tap in state.taps]
        self.reads += [(slot, "0") for slot in range(self.first_new + len(op.new), len(dtypes))]
        self.count, self.loads = len(self.reads), 0
        self.statements = list(op.statements)
        self.targets = []  # slot, its number among what is written, place and statement of everything that is written
        results = iter(op.results)
        for k, state in enumerate([*op.states, *([State((), ())] * len(op.new))]):
            for place in state.writes or (0,):
                self.targets.append((op.n_sequences + k, k, place, self._as_statement(next(results), k)))
        self.dtypes = [dtypes[slot] for slot, _ in self.reads] + [s.dtype for s in self.statements]
        self.axes = [op.axes[slot] for slot, _ in self.reads] + [own_axes(s) for s in self.statements]
        self._group()

    def _as_statement(self, result, k):
        """Number of the statement whose value, along the axes of the array, is a result."""
        axes, dtype = self.op.axes[self.op.n_sequences + k], self.array_dtypes[self.op.n_sequences + k]
        whole = tuple(range(len(axes)))
        if isinstance(result, View) and result.value >= self.count and result.axes == whole:
            made = self.statements[result.value - self.count]
            if made.axes == axes and not made.reduced and made.dtype == dtype:
                return result.value
        self.statements.append(Statement(ts.Cast(ts.get_scalar_type(dtype)), (result,), dtype, axes, ()))
        return self.count + len(self.statements) - 1

    def _group(self):
        """Put every statement in the first loops that come after all that it reads."""
        self.groups, self.group_of = [], {}
        for number, s in enumerate(self.statements, start=self.count):
            earliest = 0
            for a in read_by(s):
                if a.value >= self.count:
                    earliest = max(earliest, self.group_of[a.value] + (not self._is_local(a, s)))
            is_call = isinstance(s.op, Product)
            for g in range(len(self.groups) if is_call else earliest, len(self.groups) + 1):
                if g == len(self.groups):
                    self.groups.append(_Loops(s.axes, is_call))
                if self.groups[g].axes == s.axes and self.groups[g].is_call == is_call:
                    break
            self.groups[g].numbers.append(number)
            self.group_of[number] = g
        # values that are read after their loops
        self.kept = {n for n, s in enumerate(self.statements, self.count) if s.reduced and self.axes[n]}
        for number, s in enumerate(self.statements, self.count):
            for a in read_by(s):
                if a.value >= self.count and self.axes[a.value]:
                    if self.group_of[a.value] != self.group_of[number]:
                        self.kept.add(a.value)
        self.direct = [self._may_be_stored(slot, number) for slot, _, _, number in self.targets]
        self.kept |= {n for (_, _, _, n), direct in zip(self.targets, self.direct) if not direct and self.axes[n]}

    def _is_local(self, view, reader):
        """Whether a statement reads the value of another in the same round of the same loops."""
        made = self.statements[view.value - self.count]
        if made.reduced or isinstance(reader.op, Product):
            return False
        return made.axes == reader.axes and view.axes == tuple(range(len(made.axes)))

    def _may_be_stored(self, slot, number):
        """Whether a result may be stored where it is made: whether nothing is read there after that."""
        if not self.axes[number]:
            return False  # after all else
        for reader, s in enumerate(self.statements, self.count):
            for a in read_by(s):
                if a.value < self.count and self.reads[a.value][0] == slot:
                    g = self.group_of[reader]
                    whole = a.axes == tuple(range(len(s.axes)))
                    if g > self.group_of[number] or (g == self.group_of[number] and not whole):
                        return False
        return True

    def _place(self, index, axis, loops=None):
        """Place of an index; of one that a step makes, looked up once before the loops."""
        if not isinstance(index, View):
            return str(index) if index >= 0 else f"(c{axis} - {-index})"
        text = f"pv_scan_place((npy_intp)v{index.value}, c{axis}, &outside)"
        if loops is None or not loops.axes:
            return text
        if (index, axis) not in loops.loaded:
            loops.loaded[index, axis] = f"q{self.loads}"
            loops.before.append(f"const npy_intp q{self.loads} = {text};")
            self.loads += 1
        return loops.loaded[index, axis]

    def sizes(self):
        """Names of the numbers that sizes have in the code."""
        return [f"c{k}" for k in range(len(self.op.sizes))]

    def _length(self, number):
        return " * ".join(["(npy_intp)1", *(f"c{a}" for a in self.axes[number])])

    def room(self):
        """C expression of how many doubles are kept from one loop to the next."""
        kept = [self._length(number) for number in sorted(self.kept)]
        return " + ".join(["1", *kept, *(f"pv_scan_factor({k}, {m})" for _, k, m in map(_matrices, self.products()))])

    def products(self):
        return [s for s in self.statements if isinstance(s.op, Product)]

    def source(self):
        begin = []
        for number in sorted(self.kept):
            dtype = self.dtypes[number]
            begin.append(
                f"npy_{dtype}* const __restrict__ t{number} = (npy_{dtype}*)room; room += {self._length(number)};"
            )
        body = []
        for number, (slot, place) in enumerate(self.reads):
            dtype = self.dtypes[number]
            body.append(f"const npy_{dtype}* a{number} = (const npy_{dtype}*)(p[{slot}] + {place});")
            if not self.axes[number]:
                body.append(f"const {ctype(dtype)} v{number} = a{number}[0]{' != 0' if dtype == 'bool' else ''};")
        for number, s in enumerate(self.statements, self.count):
            self._add(number, s)
        after = []
        for k, ((slot, written, place, number), direct) in enumerate(zip(self.targets, self.direct)):
            dtype = self.array_dtypes[slot]
            body.append(f"npy_{dtype}* w{k} = (npy_{dtype}*)(p[{slot}] + (at[{written}] + {place}) * step[{slot}]);")
            if direct:
                index = self._index(number, tuple(range(len(self.axes[number]))))
                self.groups[self.group_of[number]].inside.append(f"w{k}[{index}] = (npy_{dtype})v{number};")
            elif self.axes[number]:
                after.append(f"memcpy(w{k}, t{number}, sizeof(npy_{dtype}) * ({self._length(number)}));")
            else:
                after.append(f"w{k}[0] = (npy_{dtype})v{number};")
        for loops in self.groups:
            inner = len(loops.axes) - 1
            members = [self.statements[n - self.count] for n in loops.numbers]
            body += loops.text(has_simd=not any(inner in s.reduced for s in members))
        n = len(self.op.states) + len(self.op.new)
        after.append(f"for (int k = 0; k < {n}; ++k) at[k] = at[k] + 1 == size[k] ? 0 : at[k] + 1;")
        sizes = "".join(f", npy_intp {c}" for c in self.sizes())
        return c_source(
            "scan_loop.c", name=self.name, sizes=sizes, begin="\n".join(begin), body="\n".join(body + after)
        )

    def _add(self, number, s):
        """Put the code of a statement into its loops."""
        loops = self.groups[self.group_of[number]]
        if isinstance(s.op, Product):
            loops.inside.append(self._product(number, s))
            return
        names = [self._name(a, number, loops) for a in s.arguments]
        types = [self._dtype(a) for a in s.arguments]
        constants = [a.value if isinstance(a, Literal) else None for a in s.arguments]
        if not s.reduced:
            text = scalar_expression(s.op, names, types, s.dtype, constants)
            loops.inside.append(f"const {ctype(s.dtype)} v{number} = {text};")
            if number in self.kept:
                index = self._index(number, tuple(range(len(s.axes))))
                loops.inside.append(f"t{number}[{index}] = v{number};")
            return
        first = literal(_FIRST[type(s.op)], s.dtype)
        if self.axes[number]:
            loops.before.append(f"for (npy_intp e = 0; e < {self._length(number)}; ++e) t{number}[e] = {first};")
            target = f"t{number}[{self._index(number, tuple(p for p in range(len(s.axes)) if p not in s.reduced))}]"
        else:
            loops.before.append(f"{ctype(s.dtype)} v{number} = {first};")
            target = f"v{number}"
        one = scalar_expression(ts.Cast(ts.get_scalar_type(s.dtype)), names, types, s.dtype, constants)
        value = scalar_expression(s.op, [target, f"e{number}"], [s.dtype, s.dtype], s.dtype, [None, None])
        loops.inside.append(f"const {ctype(s.dtype)} e{number} = {one}; {target} = {value};")

    def _product(self, number, s):
        """Calls of the product of two matrices, of which one may be a row or a column."""
        (middle,) = s.reduced
        stack = "j0" if s.op.stacked else "0"
        factors = []
        places = ((middle - 1 if s.op.rows else None, middle), (middle, middle + 1))
        for a, (rows, columns) in zip(s.arguments, places):
            own = dict(zip(a.axes, self._distances(a.value)))
            memory = f"{'t' if a.value >= self.count else 'a'}{a.value} + {self._start(a)}"
            if s.op.stacked:
                memory += f" + {stack} * {own.get(0, '0')}"
            factors += [memory, own.get(rows, "0"), own.get(columns, "0")]
        letter = "d" if s.dtype == "float64" else "s"
        n, k, m = _matrices(s)
        made = f"t{number} + {stack} * {n} * {m}"
        call = f"pv_scan_product({n}, {k}, {m}, {', '.join(factors)}, room, {made}, pv_{letter}gemm);"
        return f"for (npy_intp j0 = 0; j0 < c{s.axes[0]}; ++j0) {call}" if s.op.stacked else call

    def _distances(self, number):
        """Of the elements of a value along each of its axes, in memory."""
        axes = self.axes[number]
        return [" * ".join(["(npy_intp)1", *(f"c{a}" for a in axes[p + 1 :])]) for p in range(len(axes))]

    def _start(self, view):
        """Distance of the first element that is read."""
        steps = zip(self.axes[view.value], view.axes, self._distances(view.value))
        return " + ".join(["0", *(f"{self._place(e.index, a)} * {d}" for a, e, d in steps if isinstance(e, Place))])

    def _dtype(self, argument):
        if isinstance(argument, (At, Size)):
            return "bool" if isinstance(argument, At) else "int64"
        return argument.dtype if isinstance(argument, Literal) else self.dtypes[argument.value]

    def _name(self, argument, reader, loops):
        """C expression of an argument of statement `reader`; what is in memory is loaded once per round."""
        if isinstance(argument, Literal):
            return literal(*argument)
        if isinstance(argument, Size):
            return f"((npy_int64)c{argument.number})"
        if isinstance(argument, At):
            return f"(j{argument.axis} == {self._place(argument.index, loops.axes[argument.axis], loops)})"
        number = argument.value
        if not self.axes[number] or self.group_of.get(number) == self.group_of[reader]:
            return f"v{number}"
        if argument not in loops.loaded:
            name, dtype = f"x{self.loads}", self.dtypes[number]
            self.loads += 1
            loops.loaded[argument] = name
            memory = f"{'t' if number >= self.count else 'a'}{number}[{self._index(number, argument.axes, loops)}]"
            loops.inside.append(f"const {ctype(dtype)} {name} = {memory}{' != 0' if dtype == 'bool' else ''};")
        return loops.loaded[argument]

    def _index(self, number, entries, loops=None):
        """Place of a value's element in memory."""
        text = "0"
        for axis, entry in zip(self.axes[number], entries):
            own = self._place(entry.index, axis, loops) if isinstance(entry, Place) else f"j{entry}"
            text = own if text == "0" else f"({text}) * c{axis} + {own}"
        return text


def read_by(statement):
    """All Views of a statement: its arguments, and the indices in these."""
    found = []
    for argument in statement.arguments:
        if isinstance(argument, At) and isinstance(argument.index, View):
            found.append(argument.index)
        if isinstance(argument, View):
            found.append(argument)
            found += [e.index for e in argument.axes if isinstance(e, Place) and isinstance(e.index, View)]
    return found


def _matrices(product):
    """Lengths n, k, m of products (n, k) by (k, m)."""
    (middle,) = product.reduced
    names = [f"c{a}" for a in product.axes]
    return (
        names[middle - 1] if product.op.rows else "1",
        names[middle],
        names[middle + 1] if product.op.columns else "1",
    )
