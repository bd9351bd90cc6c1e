"""Log-likelihoods of single observations where there are many rows: of all of them, or of some, block after block."""

import numpy as np
import theano
import theano.tensor as tt

from ..compiler import compile_function, without_test_values
from ..data import RowsArray
from ..model import pointwise_logp
from ..progress import Progress

__all__ = ["RowLikelihood"]

#: Log-likelihoods that are evaluated at once.
AT_ONCE = 2**21


class RowLikelihood:
    r"""Evaluates :math:`\log p(y_i \mid z_s)` of the rows of a model, not scaled by ``total_size``.

    Parameters
    ----------
    approx : Approximation
        Without amortised or rowwise groups.
    model : RowModel

    Attributes
    ----------
    tables : dict
        Name of an observed variable -> table of its rows; None for one that reads none.
    """

    @without_test_values
    def __init__(self, approx, model):
        ends = np.cumsum([g.ddim for g in approx.groups])
        self._slices = [slice(int(end) - g.ddim, int(end)) for g, end in zip(approx.groups, ends)]
        points = [tt.matrix(f"z_{i}", dtype=theano.config.floatX) for i in range(len(self._slices))]
        stand_ins = {v: v.type() for part in model.parts for v in part.inputs}
        nodes = pointwise_logp(approx.view, stand_ins)
        self.tables = dict.fromkeys(nodes)
        self._inputs = {name: [] for name in nodes}
        for part in model.parts:
            for name in part.names:
                self.tables[name], self._inputs[name] = part.table, [stand_ins[v] for v in part.inputs]
        self._functions, self._nodes, self._points = {}, nodes, points
        self._approx = approx

    @without_test_values
    def _function(self, name):
        if name not in self._functions:
            node = self._approx.evaluate([self._nodes[name]], self._points, batched=True)[0]
            self._functions[name] = compile_function(
                self._inputs[name] + self._points, node, name="log-likelihood of rows"
            )
        return self._functions[name]

    def at(self, name, z, columns):
        """(s, n, ...) for the rows in `columns` at the draws `z` (s, d)."""
        columns = [np.asarray(c, v.dtype) for c, v in zip(columns, self._inputs[name])]
        points = [np.ascontiguousarray(z[:, part], dtype=theano.config.floatX) for part in self._slices]
        with np.errstate(all="ignore"):
            return self._function(name)(*columns, *points)

    def blocks(self, name, z, rows=None):
        """Iterator of (first, values (s, n, ...)), over all rows or those of the ascending numbers `rows`.

        `first` counts among the rows that are asked for.  A variable without rows is one block.
        """
        table = self.tables[name]
        if table is None:
            yield 0, self.at(name, z, [])
            return
        length = max(AT_ONCE // max(len(z), 1), 1)
        if rows is None:
            for begin, columns in table.blocks():
                for first in range(0, len(columns[0]), length):
                    yield begin + first, self.at(name, z, [c[first : first + length] for c in columns])
            return
        for first in range(0, len(rows), length):
            yield first, self.at(name, z, table.take(rows[first : first + length]))

    def values(self, name, z, rows=None, progressbar=False):
        """(s, rows, ...) of all rows or those of the ascending numbers `rows`; large ones are in a temporary file."""
        table, found = self.tables[name], None
        progress = Progress(0 if table is None else len(table) if rows is None else len(rows), progressbar)
        for first, values in self.blocks(name, z, rows):
            if table is None:
                return values
            if found is None:
                count = len(table) if rows is None else len(rows)
                found = RowsArray(len(z), count, values.shape[2:], values.dtype)
            found.put(first, values)
            progress.update(first + values.shape[1], f"log-likelihood of {name}")
        return found.array
