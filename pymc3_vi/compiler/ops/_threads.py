"""The threads that long loops run on: their number, and the C++ of the pool.

A loop is cut into chunks by its sizes alone, and each chunk has sums of its own that are added in order: results do not
depend on the number of threads.  A thread takes the next chunk when it has done one, and the caller works like the
others, so that on a busy machine nobody waits for a thread that the system lets sleep.
"""

import contextlib
import os

from .._csrc import c_source

__all__ = ["PARALLEL", "one_thread", "set_thread_count", "thread_count"]

#: More threads are used only if asked for: loops wait for the memory, which few threads keep busy.
_ENOUGH = 8

#: What compiled modules look up here: the number of threads, and the pool of the first module that needed one.
count = 1
pool = None


def thread_count():
    """Number of threads that long loops use, with the one that calls."""
    return count


def set_thread_count(number=None):
    """Set the number of threads of long loops.

    Parameters
    ----------
    number : int, optional
        By default the environment's ``OMP_NUM_THREADS``, else the number of processors that this process may use, at
        most 8.
    """
    global count
    count = _default_count() if number is None else max(1, int(number))


@contextlib.contextmanager
def one_thread():
    """Context in which long loops use one thread."""
    before = count
    set_thread_count(1)
    try:
        yield
    finally:
        set_thread_count(before)


def _default_count():
    try:
        return max(1, int(os.environ.get("OMP_NUM_THREADS", "").split(",")[0]))
    except ValueError:
        pass
    if hasattr(os, "sched_getaffinity"):
        return min(len(os.sched_getaffinity(0)), _ENOUGH)
    return min(os.cpu_count() or 1, _ENOUGH)


set_thread_count()

PARALLEL = c_source("threads.h")
