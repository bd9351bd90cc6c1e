"""What a worker does for a pass over rows that are spread over several, and what it keeps in between."""

import hashlib
import sys
import threading
from collections import OrderedDict, namedtuple
from contextlib import contextmanager

import numpy as np

from ..compiler import flags
from ..workers import Lacking, unpacked
from ._leaves import Leaves

__all__ = ["Task", "key_of", "sums_of"]

#: Jobs that a process keeps: compiled densities, open files, and rows that were sent.
MOST_JOBS = 4

#: What is to be done: leaves from `begin` to `end` of the job `key` at the points `z`; `recipe` (bytes) and `rows`
#: (dict (table, begin, end) -> list of arrays) come with it where the worker is not known to have them.
Task = namedtuple("Task", "key, begin, end, z, with_slopes, recipe, rows")

_jobs, _lock = OrderedDict(), threading.Lock()


class _Job:
    """Of one process: densities by thread, open columns, rows that were sent."""

    def __init__(self, recipe):
        found = unpacked(recipe)
        self.density_bytes = found["density"]
        self.leaves, self.floatX, self.batch_sizes = Leaves(found["lengths"]), found["floatX"], found["batch_sizes"]
        self.columns = [[None if way is None else way.open() for way in ways] for ways in unpacked(found["ways"])]
        self.densities, self.rows = {}, {}

    def density(self):
        """Compiled functions belong to one thread."""
        thread = threading.get_ident()
        if thread not in self.densities:
            self.densities[thread] = unpacked(self.density_bytes)
        return self.densities[thread]

    def has(self, begin, end):
        return all(None not in self.columns[k] or self._sent(k, a, b) for k, a, b in self.leaves.ranges(begin, end))

    def _sent(self, number, begin, end):
        for (table, first, last), arrays in self.rows.items():
            if table == number and first <= begin and end <= last:
                return first, arrays
        return None

    def parts(self, number, begin, end):
        columns = self.columns[number]
        if None not in columns:
            return columns
        first, arrays = self._sent(number, begin, end)
        return [(first, array) if column is None else column for column, array in zip(columns, arrays)]

    def sums(self, task):
        evaluate = self.leaves.evaluate(self.density(), self.parts, self.batch_sizes, task.z, task.with_slopes)
        return self.leaves.sums(task.begin, task.end, evaluate)


def sums_of(task):
    """Sums (branches, s, 1 + d) over the leaves of a :class:`Task`, or what is :class:`Lacking`."""
    with _lock:
        job = _jobs.get(task.key)
        if job is None and task.recipe is None:
            return Lacking("recipe")
        if job is None:
            job = _jobs[task.key] = _Job(task.recipe)
        _jobs.move_to_end(task.key)
        while len(_jobs) > MOST_JOBS:
            _jobs.popitem(last=False)
        job.rows.update({place: [_aligned(a) for a in arrays] for place, arrays in task.rows.items()})
        if not job.has(task.begin, task.end):
            return Lacking("rows")
    with flags(floatX=job.floatX), _no_tasks_of_tasks():
        return job.sums(task._replace(z=_aligned(task.z)))


def _aligned(array):
    """What comes out of a message may lie at any address."""
    return None if array is None else np.require(array, requirements="A")


@contextmanager
def _no_tasks_of_tasks():
    """Context in which this thread reads Dask arrays itself: a worker that waits for its own threads hangs."""
    dask = sys.modules.get("dask")
    if dask is None:
        yield
        return
    with dask.config.set(scheduler="synchronous"):
        yield


def key_of(recipe, version):
    """Name of a job."""
    return hashlib.sha256(recipe + version).hexdigest()[:32]
