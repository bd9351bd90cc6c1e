"""Batches that are fitted elsewhere: by local processes, or by what a Dask client leads."""

import hashlib
import multiprocessing
import threading
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager

from ..errors import ConvergenceWarning
from ..validation import warn_user
from ..workers import Crew, Gone, Lacking, portable, unpacked
from ._batches import Fitter

__all__ = ["fitted_in_order", "submitter"]

#: Batches that wait for a worker, for each that it is working on.
AHEAD = 2

#: Of this process: Fitter by digest of its recipe and thread.
_fitters = {}


def fit_batch(key, recipe, batch):
    """Fit a batch in a worker, which compiles when it sees a recipe for the first time; it may be lacking one."""
    own = key, threading.get_ident()
    if own not in _fitters:
        if recipe is None:
            return Lacking("recipe")
        _fitters[own] = Fitter(*unpacked(recipe))
    return _fitters[own].fit(batch)


@contextmanager
def submitter(recipe, cores, client):
    """Context of a :class:`Fits`, and of how many batches may be under way; None where all is done here.

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
    recipe = portable(recipe, "The model")
    if client is None:
        # Not forked: threads of BLAS and locks of the compiler do not survive it.
        with ProcessPoolExecutor(cores, mp_context=multiprocessing.get_context("spawn")) as pool:
            yield Fits(Crew(pool), recipe, AHEAD * cores), AHEAD * cores
        return
    crew = Crew(client)
    ahead = AHEAD * len(crew.slots())
    yield Fits(crew, recipe, ahead), ahead


class Fits:
    """Fits of batches by a :class:`Crew`.

    Parameters
    ----------
    crew : Crew
    recipe : bytes
    first : int
        Batches that the recipe goes with; later ones meet workers that have it, or say so.
    """

    def __init__(self, crew, recipe, first):
        self.crew, self.recipe, self.first = crew, recipe, first
        self.key = hashlib.sha256(recipe).hexdigest()

    def begin(self, batch):
        """A future."""
        self.first -= 1
        return self.crew.future(fit_batch, self.key, self.recipe if self.first >= 0 else None, batch)

    def outcome(self, future, batch):
        """A :class:`Part`, or a :class:`Gone`."""
        found = self.crew.outcome(future)
        if isinstance(found, Lacking):
            found = self.crew.outcome(self.crew.future(fit_batch, self.key, self.recipe, batch))
        return found


def fitted_in_order(batches, files, fitter, fits, ahead):
    """Iterator over (batch, :class:`Part`), in the order of `batches`; every part is on disk when it comes.

    Parameters
    ----------
    batches : iterator
    files : PartFiles
    fitter : Fitter
        Of this process.
    fits : Fits or None
    ahead : int
        Batches that may be under way.
    """
    waiting, gone = deque(), False
    for batch in batches:
        part = files.read(batch)
        future = None
        if part is None and fits is not None and not gone:
            future = fits.begin(batch)
        waiting.append((batch, part, future))
        while len(waiting) > ahead:
            gone = yield from _next(waiting, files, fitter, fits, gone)
    while waiting:
        gone = yield from _next(waiting, files, fitter, fits, gone)


def _next(waiting, files, fitter, fits, gone):
    batch, part, future = waiting.popleft()
    if part is None:
        part = fitter.fit(batch) if future is None else fits.outcome(future, batch)
        if isinstance(part, Gone):
            if not gone:
                warn_user(f"The workers are gone ({part.why}); the rest is fitted here.", ConvergenceWarning)
            gone, part = True, fitter.fit(batch)
        files.write(batch, part)
    yield batch, part
    return gone
