"""Batches that are fitted elsewhere: by local processes, or by what a Dask client leads."""

import hashlib
import multiprocessing
import pickle
import threading
from collections import deque
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from contextlib import contextmanager

from ..errors import ConvergenceWarning, ParametrizationError
from ..validation import warn_user
from ._batches import Fitter

try:
    import cloudpickle
except ImportError:  # models of plain distributions need it not
    cloudpickle = pickle

__all__ = ["fitted_in_order", "submitter"]

#: Batches that wait for a worker, for each that it is working on.
AHEAD = 2

#: Of this process: Fitter by digest of its recipe and thread.
_fitters = {}


def fit_batch(recipe, batch):
    """Fit a batch in a worker, which compiles when it sees a recipe for the first time."""
    key = hashlib.sha256(recipe).digest(), threading.get_ident()
    if key not in _fitters:
        _fitters[key] = Fitter(*pickle.loads(recipe))
    return _fitters[key].fit(batch)


@contextmanager
def submitter(recipe, cores, client):
    """Context of a function ``batch -> future``, and of how many batches may be under way; None where all is done here.

    Parameters
    ----------
    recipe : tuple
        Arguments of :class:`Fitter`.
    cores : int
    client : object with ``submit``, or None
        It wins over `cores`.
    """
    if client is None and cores == 1:
        yield None, 0
        return
    try:
        recipe = cloudpickle.dumps(recipe)
    except Exception as error:  # whatever a variable of the user's raises
        raise ParametrizationError(
            f"The model cannot be sent to other processes: {error!r} Fit with cores=1 and without a client, or define "
            "its functions in a module."
        ) from None
    if client is None:
        # Not forked: threads of BLAS and locks of the compiler do not survive it.
        with ProcessPoolExecutor(cores, mp_context=multiprocessing.get_context("spawn")) as pool:
            yield lambda batch: pool.submit(fit_batch, recipe, batch), AHEAD * cores
    else:
        kept = client.scatter(recipe, broadcast=True) if hasattr(client, "scatter") else recipe
        pure = {"pure": False} if hasattr(client, "scatter") else {}
        yield lambda batch: client.submit(fit_batch, kept, batch, **pure), AHEAD * _workers(client)


def _workers(client):
    """How many batches a client works on at once."""
    if hasattr(client, "nthreads"):
        return max(sum(client.nthreads().values()), 1)
    return getattr(client, "_max_workers", 4)


def fitted_in_order(batches, files, fitter, submit, ahead):
    """Iterator over (batch, :class:`Part`), in the order of `batches`; every part is on disk when it comes.

    Parameters
    ----------
    batches : iterator
    files : PartFiles
    fitter : Fitter
        Of this process.
    submit : callable or None
        ``batch -> future``.
    ahead : int
        Batches that may be under way.
    """
    waiting, broken = deque(), False
    for batch in batches:
        part = files.read(batch)
        future = None
        if part is None and submit is not None and not broken:
            future = submit(batch)
        waiting.append((batch, part, future))
        while len(waiting) > ahead:
            broken = yield from _next(waiting, files, fitter, broken)
    while waiting:
        broken = yield from _next(waiting, files, fitter, broken)


def _next(waiting, files, fitter, broken):
    batch, part, future = waiting.popleft()
    if part is None:
        try:
            part = fitter.fit(batch) if future is None else future.result()
        except BrokenExecutor as error:
            if not broken:
                warn_user(f"The worker processes are gone ({error}); the rest is fitted here.", ConvergenceWarning)
            broken, part = True, fitter.fit(batch)
        files.write(batch, part)
    yield batch, part
    return broken
