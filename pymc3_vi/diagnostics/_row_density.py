"""The log density of a model with many rows: a sum over blocks, many points at once."""

from copy import copy
from typing import Any

import numpy as np
import theano
import theano.tensor as tt

from ..compiler import compile_function, with_linear_algebra_in_c, without_test_values
from ..graph import substitute
from ._spread_rows import SpreadRows, TreeSum
from ._undefined import where_defined

__all__ = ["PassSum", "RowDensity"]

#: Numbers that a slice of rows and the temporaries of its points may take: they stay in the second cache.
SLICE_NUMBERS, SMALLEST_SLICE, LARGEST_SLICE = 2**17, 256, 8192
#: Points that are evaluated at once.
MOST_POINTS = 512


class RowDensity:
    r"""Evaluates :math:`\log p` and :math:`\nabla \log p` at points z (s, d), as a sum over slices of rows.

    Points are flat on the unconstrained scale, group after group.  A slice at all points is one call of a compiled
    function, whose products with the data are one product for all points.  Slices are added in the order of the rows,
    so that a result does not depend on how a pass is cut.

    Parameters
    ----------
    approx : Approximation
        Without amortised or rowwise groups.
    model : RowModel

    Attributes
    ----------
    d : int
    spread : SpreadRows or None
        Where all rows are read instead, by workers.
    """

    spread: Any = None

    @without_test_values
    def __init__(self, approx, model):
        self.model = model
        ends = np.cumsum([g.ddim for g in approx.groups])
        self.slices = [slice(int(end) - g.ddim, int(end)) for g, end in zip(approx.groups, ends)]
        self.d = int(ends[-1])
        points = [tt.matrix(f"z_{i}", dtype=theano.config.floatX) for i in range(len(self.slices))]
        self._graphs = [self._graph(approx, points, [], tt.add(*model.rest) if model.rest else None)]
        self._dtypes = []
        for part in model.parts:
            inputs = [v.type() for v in part.inputs]
            node = substitute(part.node, dict(zip(part.inputs, inputs)))
            self._graphs.append(self._graph(approx, points, inputs, node))
            self._dtypes.append([v.dtype for v in inputs])
        self._functions = {}

    @staticmethod
    def _graph(approx, points, inputs, node):
        """Inputs, points and log p (s,) of a part; None without one."""
        if node is None:
            return None
        (logp,) = with_linear_algebra_in_c(approx.evaluate([node], points, batched=True))
        return inputs, points, logp

    @without_test_values
    def _function(self, number, with_slopes):
        """Compiled function of part `number`, 0 for what reads no rows; made when first needed."""
        key = number, with_slopes
        if key not in self._functions:
            inputs, points, logp = self._graphs[number]
            slopes = tt.grad(tt.sum(logp), points, disconnected_inputs="ignore") if with_slopes else []
            self._functions[key] = compile_function(inputs + points, [logp] + slopes, name="log density of rows")
        return self._functions[key]

    def __getstate__(self):
        return dict(vars(self), _functions={}, model=None, spread=None)

    def rows_alone(self):
        """The same without what reads no rows, and without the rows: what other processes need."""
        found = copy(self)
        found.__dict__.update(vars(self), _graphs=[None, *self._graphs[1:]], _functions=self._functions)
        return found

    def graphs_of_rows(self):
        """Inputs, points and log p (s,) of each part that reads rows."""
        return self._graphs[1:]

    def _split(self, z):
        return [np.ascontiguousarray(z[:, part], dtype=theano.config.floatX) for part in self.slices]

    def _call(self, number, with_slopes, columns, z):
        """log p (s,) of part `number` and its gradients at the points `z`, NaN where an Op has no value."""
        function = self._function(number, with_slopes)

        def evaluate(z):
            logp, *parts = function(*columns, *self._split(z))
            if not parts:
                return logp, np.zeros((len(logp), 0))
            return logp, parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

        with np.errstate(all="ignore"):
            return where_defined(evaluate, z, self.d if with_slopes else 0)

    # ---------------------------------------------------------------- parts of the sum
    def rest(self, z, with_slopes=True):
        """log p (s,) and its gradients (s, d) of what reads no rows."""
        logp, grad = np.zeros(len(z)), np.zeros((len(z), self.d if with_slopes else 0))
        if self._graphs[0] is not None:
            for at in self._chunks(z):
                logp[at], grad[at] = self._call(0, with_slopes, [], z[at])
        return logp, grad

    def rest_values(self, z):
        """log p (s,) of what reads no rows."""
        return self.rest(z, with_slopes=False)[0]

    def slice_length(self, part, columns, points):
        """Rows of a slice of part number `part`."""
        numbers = sum(int(np.prod(np.shape(c)[1:])) for c in columns) + 2 * min(points, MOST_POINTS)
        return int(np.clip(SLICE_NUMBERS // max(numbers, 1), SMALLEST_SLICE, LARGEST_SLICE))

    @staticmethod
    def _chunks(z):
        return [slice(begin, begin + MOST_POINTS) for begin in range(0, len(z), MOST_POINTS)]

    def of_slice(self, part, columns, z, with_slopes=True):
        """log p (s,) and its gradients (s, d) of the rows `columns` at the points `z`."""
        columns = [np.asarray(c, dtype) for c, dtype in zip(columns, self._dtypes[part])]
        found = [self._call(1 + part, with_slopes, columns, z[at]) for at in self._chunks(z)]
        return found[0] if len(found) == 1 else [np.concatenate(values) for values in zip(*found)]

    def slopes(self, z, tables=None):
        """log p (s,) and its gradients (s, d) at the points `z` (s, d) on the rows of `tables`; default: all rows."""
        total = self.all_rows(z) if tables is None else PassSum(self, z, tables)
        total.finish()
        return total.logp, total.grad

    def values(self, z, tables=None):
        """log p (s,) alone; see :meth:`slopes`."""
        total = self.all_rows(z, False) if tables is None else PassSum(self, z, tables, with_slopes=False)
        return total.finish().logp

    def all_rows(self, z, with_slopes=True):
        """A pass over all rows at the points `z`, to be made in pieces."""
        return PassSum(self, z, None, with_slopes) if self.spread is None else self.spread.sum(z, with_slopes)

    def all_rows_from(self, state):
        """A pass over all rows from its snapshot."""
        if "branches" in state:
            return TreeSum.restored(SpreadRows(self, None) if self.spread is None else self.spread, state)
        return PassSum.restored(self, state)


class PassSum:
    """One pass over the rows, which may be made in pieces.

    Parameters
    ----------
    density : RowDensity
    z : ndarray (s, d)
    tables : list of Table, optional
        Default: those of the model.

    Attributes
    ----------
    logp, grad : ndarray (s,), (s, d)
        Sums over the rows so far, with what reads no rows.
    rows : int
        Rows so far.
    suspect : tuple or None
        Part, and first row of the first slice without a finite log p at any point.
    """

    def __init__(self, density, z, tables=None, with_slopes=True):
        self.density, self.z = density, z
        self.tables = density.model.tables if tables is None else tables
        self.with_slopes = with_slopes
        self.logp, self.grad = density.rest(z, with_slopes)
        self.part, self.position, self.rows = 0, 0, 0
        self._open = self.suspect = None

    @property
    def complete(self):
        """Whether all rows have been read."""
        return self.part == len(self.tables)

    def finish(self):
        """Read all rows that are left; returns itself."""
        while not self.complete:
            self.advance(LARGEST_SLICE)
        return self

    def advance(self, rows):
        """Read at least `rows` more rows, in whole slices, or all that are left."""
        wanted = self.rows + rows
        while self.rows < wanted and not self.complete:
            begin, columns = self._block()
            length = self.density.slice_length(self.part, columns, len(self.z))
            first = self.position - begin
            piece = [c[first : first + length] for c in columns]
            logp, grad = self.density.of_slice(self.part, piece, self.z, self.with_slopes)
            if self.suspect is None and not np.isfinite(logp).any():
                self.suspect = self.part, self.position
            self._move(len(piece[0]), self.logp + logp, self.grad + grad)

    def _move(self, count, logp, grad):
        position, part = self.position + count, self.part
        if position >= len(self.tables[part]):
            position, part = 0, part + 1
            self._open = None
        # By one call: Ctrl-C may come in between, and what belongs together must stay so.
        vars(self).update(rows=self.rows + count, position=position, part=part, logp=logp, grad=grad)

    def _block(self):
        """The block that the next row is in: its first row and its columns."""
        if self._open is None:
            self._open = [self.tables[self.part].blocks(self.position), 0, []]
        blocks, begin, columns = self._open
        if not columns or self.position >= begin + len(columns[0]):
            begin, columns = next(blocks)
            self._open[1:] = [begin, columns]
        return begin, columns

    # ---------------------------------------------------------------- state
    def snapshot(self):
        """State as a dict of arrays and numbers."""
        return {
            "z": self.z,
            "logp": self.logp,
            "grad": self.grad,
            "place": [self.part, self.position, self.rows],
        }

    @classmethod
    def restored(cls, density, state):
        """Pass over all rows from what :meth:`snapshot` gave."""
        total = cls.__new__(cls)
        total.density, total.tables = density, density.model.tables
        total._open = total.suspect = None
        total.with_slopes = True
        total.z, total.logp, total.grad = (np.asarray(state[name]) for name in ("z", "logp", "grad"))
        total.part, total.position, total.rows = map(int, state["place"])
        return total
