"""Passes over rows that are spread over workers."""

import uuid
from typing import Any

import numpy as np
import theano

from ..data import way_to
from ..errors import ConvergenceWarning
from ..graph import shared_inputs
from ..validation import warn_user
from ..workers import Crew, Gone, Lacking, portable
from ._leaves import Leaves
from ._worker_rows import Task, key_of, sums_of

__all__ = ["SpreadRows", "TreeSum"]

#: Rows times points times values of a task at most: some seconds, so that a bar moves and little is lost with a worker.
TASK_WORK = 1e10
#: Entries of an array that are looked at beside its identity, to notice changes in place.
LOOKED_AT = 1000


class SpreadRows:
    """The rows of a model on workers, each of which reads its own part of them.

    Parameters
    ----------
    density : RowDensity
    client : dask.distributed.Client, concurrent.futures.Executor or None
        None evaluates everything here, in the same order.
    """

    def __init__(self, density, client):
        self.density = density
        self.crew: Any = None if client is None else Crew(client)
        self.batch_sizes = [table.batch_size for table in density.model.tables]
        #: Workers of the last pass, and how often tasks under way were dismissed.
        self.workers = self.round = 0
        #: Workers that have the present job.
        self.informed = set()
        self._here, self._recipe, self._key, self._seen = density.rows_alone(), None, None, None

    def sum(self, z, with_slopes=True):
        """:class:`TreeSum` over all rows at the points `z` (s, d)."""
        return TreeSum(self, z, with_slopes)

    def prepare(self):
        """Notice what has changed since the last pass, and which workers there are; returns their slots."""
        seen = self._signatures()
        if self._seen is None or not all(_equal(a, b) for a, b in zip(self._seen, seen)):
            self._seen, self._recipe = seen, None
        if self._recipe is None:
            tables = self.density.model.tables
            what = dict(
                density=portable(self._here, "The model"),
                ways=portable([[way_to(c) for c in t.columns] for t in tables], "The source of the DataLoader"),
                lengths=[len(t) for t in tables],
                batch_sizes=self.batch_sizes,
                floatX=theano.config.floatX,
            )
            self._recipe = portable(what, "The model")
            sent = any(way_to(c) is None for t in tables for c in t.columns)
            self._key = key_of(self._recipe, uuid.uuid4().bytes if sent else b"")
            self.informed = set()
        slots = self.crew.slots()
        self.workers = len(set(slots))
        return slots

    def _signatures(self):
        nodes = [logp for graph in self.density.graphs_of_rows() for logp in graph[2:]]
        arrays = [v.get_value(borrow=True) for v in shared_inputs(nodes)]
        for table in self.density.model.tables:
            arrays += [c.array for c in table.columns if c.in_memory]
        return [_signature(a) for a in arrays]

    def task(self, begin, end, z, with_slopes, complete):
        """:class:`Task` for some leaves, with all that a worker needs to have where it is to be `complete`."""
        leaves = self.leaves
        recipe, rows = (self._recipe, {}) if complete else (None, {})
        if complete:
            for number, first, last in leaves.ranges(begin, end):
                columns = self.density.model.tables[number].columns
                found = [np.asarray(c.read(first, last)) if way_to(c) is None else None for c in columns]
                if any(a is not None for a in found):
                    rows[number, first, last] = found
        return Task(self._key, begin, end, z, with_slopes, recipe, rows)

    @property
    def leaves(self):
        """:class:`Leaves` of the tables as long as they are now."""
        return Leaves([len(table) for table in self.density.model.tables])

    def sums_here(self, begin, end, z, with_slopes):
        """What a worker would give for some leaves."""
        tables, leaves = self.density.model.tables, self.leaves
        evaluate = leaves.evaluate(
            self._here, lambda number, *_: tables[number].columns, self.batch_sizes, z, with_slopes
        )
        return leaves.sums(begin, end, evaluate)

    def dismiss(self):
        """Forget what workers still do."""
        self.round += 1
        if self.crew is not None:
            self.crew.dismiss()

    def lost(self, why):
        """Go on without workers."""
        if self.crew is not None:
            warn_user(f"The workers are gone ({why}); the rest is evaluated here.", ConvergenceWarning)
            self.crew, self.workers = None, 0


class TreeSum:
    """One pass over all rows, as a ``PassSum``; the sum is that of the tree of :class:`Leaves`.

    Parameters
    ----------
    spread : SpreadRows
    z : ndarray (s, d)
    with_slopes : bool
    """

    #: Where rows may be bad is known to workers alone.
    suspect = None

    def __init__(self, spread, z, with_slopes=True):
        self.spread, self.z, self.with_slopes = spread, np.asarray(z, dtype="float64"), with_slopes
        self.base = spread.density.rest(self.z, with_slopes)
        self.leaves = spread.leaves
        #: Sum of each branch that is done.
        self.known = {}
        self.rows, self.complete = 0, False
        self._tasks, self._round = [], None
        self.logp = self.grad = None

    def finish(self):
        """Read all rows that are left; returns itself."""
        while not self.complete:
            self.advance(1)
        return self

    def advance(self, rows):
        """Wait for at least `rows` more rows, or all that are left."""
        wanted = self.rows + rows
        while self.rows < wanted and not self.complete:
            if self.spread.crew is None:
                self._advance_here()
            else:
                self._advance_there()

    # ---------------------------------------------------------------- where it is done
    def _advance_here(self):
        begin, end = self._missing()[0]
        end = min(end, begin + 1)
        self._keep(begin, end, self.spread.sums_here(begin, end, self.z, self.with_slopes))

    def _advance_there(self):
        spread, crew = self.spread, self.spread.crew
        if self._round != spread.round:
            self._begin()
        number, found = crew.next()
        if isinstance(found, Gone):
            spread.dismiss()
            spread.lost(found.why)
            return
        slot, begin, end = self._tasks[number]
        if isinstance(found, Lacking):
            self._give(number, True)
        else:
            spread.informed.add(slot)
            self._keep(begin, end, found)

    def _begin(self):
        slots = self.spread.prepare()
        work = self.leaves.rows(0, len(self.leaves)) * self.z.size / len(slots)
        pieces = 1 << max(int(np.ceil(np.log2(work / TASK_WORK))), 0)
        self._tasks, self._round = [], self.spread.round
        for worker, begin, end in self.leaves.shares(len(slots), pieces):
            for first, last in self._missing(begin, end):
                self._tasks.append((slots[worker], first, last))
        for number, (slot, _, _) in enumerate(self._tasks):
            self._give(number, slot not in self.spread.informed)

    def _give(self, number, complete):
        slot, begin, end = self._tasks[number]
        task = self.spread.task(begin, end, self.z, self.with_slopes, complete)
        self.spread.crew.give(number, sums_of, task, slot=slot)

    # ---------------------------------------------------------------- what is done
    def _missing(self, begin=0, end=None):
        """Stretches of leaves that are not done."""
        done = np.zeros(len(self.leaves) + 2, dtype=bool)
        for low, high in self.known:
            done[1 + low : 1 + high] = True
        done[0] = done[-1] = True
        done[: 1 + begin] = True
        if end is not None:
            done[1 + end :] = True
        edges = np.diff(done.astype(int))
        return list(zip(np.flatnonzero(edges == -1).tolist(), np.flatnonzero(edges == 1).tolist()))

    def _keep(self, begin, end, sums):
        known = {**self.known, **dict(zip(self.leaves.branches(begin, end), sums))}
        vars(self).update(known=known, rows=self.rows + self.leaves.rows(begin, end))
        if self.rows == self.leaves.rows(0, len(self.leaves)):
            total = self.leaves.total(known)
            logp, grad = self.base
            vars(self).update(logp=logp + total[:, 0], grad=grad + total[:, 1:], complete=True)

    # ---------------------------------------------------------------- state
    def snapshot(self):
        """State as a dict of arrays and numbers."""
        logp, grad = self.base
        width = 1 + grad.shape[1]
        return {
            "z": self.z,
            "logp": logp,
            "grad": grad,
            "place": [0, 0, self.rows],
            "branches": np.array(list(self.known), dtype="int64").reshape(-1, 2),
            "sums": np.array(list(self.known.values())).reshape(-1, len(self.z), width),
        }

    @classmethod
    def restored(cls, spread, state):
        """Pass over all rows from what :meth:`snapshot` gave."""
        total = cls(spread, state["z"])
        total.base = tuple(np.asarray(state[name]) for name in ("logp", "grad"))
        branches = [tuple(int(n) for n in pair) for pair in state["branches"]]
        total.known = dict(zip(branches, np.asarray(state["sums"])))
        total.rows = sum(total.leaves.rows(*pair) for pair in branches)
        return total


def _signature(array):
    """The array itself, which holds its identity, and a copy of a part of it."""
    if not isinstance(array, np.ndarray):
        return array, None
    flat = array.reshape(-1) if array.flags.c_contiguous else array.ravel()
    return array, np.array(flat[:: max(flat.size // LOOKED_AT, 1)])


def _equal(a, b):
    return a[0] is b[0] and (a[1] is None or np.array_equal(a[1], b[1]))
