"""One way of giving tasks to threads, to processes and to a cluster, and one set of errors."""

import pickle
import queue
import time
import uuid
from collections import namedtuple
from concurrent.futures import BrokenExecutor, CancelledError

from ..errors import ParametrizationError, VariationalInferenceError, WorkerError

try:
    import cloudpickle
except ImportError:  # models of plain distributions need it not
    cloudpickle = pickle

__all__ = ["Crew", "Gone", "Lacking", "portable", "unpacked"]

#: Seconds that a cluster is given to have a worker.
PATIENCE = 60
#: Seconds between looks at whether there are workers, while nothing comes from them.
LOOK = 5
#: What ends a future when whoever was to work on it is gone for good.
_BROKEN = (BrokenExecutor, CancelledError)
#: The same by name, for packages that may not be installed.
_GONE = {"CommClosedError", "FutureCancelledError", "CancelledError", "ClosedClientError", "ConnectionError"}

#: Result of a task that nobody will do any more; `why` in words.
Gone = namedtuple("Gone", "why")
#: What a worker answers that was sent too little: it is new, or has forgotten what others got with earlier tasks.
Lacking = namedtuple("Lacking", "what")


def portable(thing, what):
    """`thing` as bytes for other processes.

    Raises
    ------
    ParametrizationError
        Where it cannot be sent, with the reason.
    """
    try:
        return cloudpickle.dumps(thing)
    except Exception as error:  # whatever an object of the user's raises
        raise ParametrizationError(
            f"{what} cannot be sent to other processes: {error!r} Work without a client and with cores=1, or define "
            "its functions in a module that the workers can import."
        ) from None


def unpacked(thing):
    """What :func:`portable` packed, in a worker.

    Raises
    ------
    WorkerError
        Where this process lacks what is needed, or has another version of it.
    """
    try:
        return pickle.loads(thing)
    except Exception as error:  # whatever another version of a package raises
        raise WorkerError(
            f"The model cannot be read by a worker: {error!r} Install the same versions of Python and of all packages "
            "on the workers as here, and put the modules that the model needs where they find them."
        ) from None


class _Call:
    """What calls a function when it is unpickled, and is replaced by the result.

    Dask's scheduler unpickles what it sends on: so it sees bytes, and needs neither this package nor the task's.
    """

    def __init__(self, function, arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


class Crew:
    """Workers behind a client.

    Parameters
    ----------
    client : dask.distributed.Client or concurrent.futures.Executor
        Anything with ``submit(function, *arguments)``.

    Raises
    ------
    WorkerError
        If it is closed, or asynchronous.
    """

    def __init__(self, client):
        self.client = client
        self.is_cluster = hasattr(client, "nthreads") and hasattr(client, "scatter")
        self._done = queue.Queue()
        self._futures, self._places = {}, {}
        if self.is_cluster and getattr(client, "asynchronous", False) is True:
            raise WorkerError(f"The 'client' is asynchronous: {client!r}. Make it without asynchronous=True.")
        closed = getattr(client, "status", "running") in ("closed", "closing") if self.is_cluster else _is_shut(client)
        if closed:
            raise WorkerError(f"The 'client' is closed: {client!r}. Make a new one.")

    def slots(self):
        """What works at the same time: the address of a cluster's worker for each of its threads; numbers otherwise."""
        if not self.is_cluster:
            return list(range(max(getattr(self.client, "_max_workers", 4), 1)))
        found = self._threads()
        if not found:
            try:
                self.client.wait_for_workers(1, timeout=PATIENCE)
            except Exception:  # TimeoutError of several modules
                raise WorkerError(
                    f"The cluster of {self.client!r} has no workers after {PATIENCE} seconds. Start some: "
                    "dask worker ADDRESS."
                ) from None
            found = self._threads()
        return [address for address in sorted(found) for _ in range(found[address])]

    def _threads(self):
        try:
            return self.client.nthreads()
        except Exception as error:  # of whatever the connection is made of
            raise WorkerError(f"The cluster of the 'client' does not answer: {error!r}. Make a new one.") from None

    def _present(self):
        """Workers that there are; none where nobody answers."""
        try:
            return self._threads() if self.is_cluster else {}
        except WorkerError:
            return {}

    def future(self, function, *arguments, slot=None):
        """A future, or a :class:`Gone`; on a cluster the worker `slot` does it, or another one when that is lost."""
        try:
            if not self.is_cluster:
                return self.client.submit(function, *arguments)
            where = {} if slot is None else dict(workers=[slot], allow_other_workers=True)
            call = pickle.dumps(_Call(function, arguments), protocol=4)
            return self.client.submit(pickle.loads, call, key=f"pymc3_vi-{uuid.uuid4().hex}", **where)
        except RuntimeError as error:  # it is shut down, or closed
            return Gone(_words(error))

    def give(self, name, function, *arguments, slot=None):
        """Begin a task; `name` comes back with its result."""
        future = self.future(function, *arguments, slot=slot)
        if isinstance(future, Gone):
            self._done.put((name, None, future))
            return
        self._futures[name], self._places[name] = future, slot
        future.add_done_callback(lambda future: self._done.put((name, future, None)))

    def next(self):
        """(name, result) of the next task that ends, in no order; a :class:`Gone` where nobody is left to do it.

        Raises
        ------
        WorkerError
            Where workers lack the package, or die of the task.
        Exception
            What the task has raised otherwise.
        """
        seen = time.monotonic()
        while True:
            try:
                name, future, result = self._done.get(timeout=LOOK)
            except queue.Empty:
                # One that is lost is replaced after some seconds by whoever has started it.
                present = self._present()
                if not self.is_cluster or present:
                    seen = time.monotonic()
                    for name in [
                        n for n in self._futures if self.is_cluster and self._places[n] not in (None, *present)
                    ]:
                        # Its worker was retired before it came there: whoever gave it gives it to others.
                        self._futures.pop(name).cancel()
                        return name, Lacking("worker")
                elif time.monotonic() - seen > PATIENCE:
                    return None, Gone(f"the cluster has had no workers for {PATIENCE} seconds")
                continue
            if future is None:
                return name, result
            if self._futures.get(name) is future:
                del self._futures[name]
                return name, self.outcome(future)

    def outcome(self, future):
        """Result of a future, see :meth:`next`; waits for it."""
        if isinstance(future, Gone):
            return future
        try:
            return future.result()
        except VariationalInferenceError:
            raise
        except _BROKEN as error:
            return Gone(_words(error))
        except Exception as error:  # of the task, or of the way there
            if type(error).__name__ in _GONE or isinstance(error, ConnectionError):
                return Gone(_words(error))
            translated = _translated(error)
            if translated is error:
                raise
            raise translated from error

    def dismiss(self):
        """Forget all tasks under way."""
        futures, self._futures = list(self._futures.values()), {}
        for future in futures:
            try:
                future.cancel()
            except Exception:  # of a client that is closed: there is nothing left to cancel
                return


def _is_shut(executor):
    return bool(getattr(executor, "_shutdown", False) or getattr(executor, "_shutdown_thread", False))


def _words(error):
    return str(error) or type(error).__name__


def _translated(error):
    """An error of the user's setting in words, or the error itself."""
    if type(error).__name__ == "KilledWorker":
        return WorkerError(
            f"Workers ended while they did the same task, several one after the other: {error} They may have been out "
            "of memory (fewer threads for each worker, or a larger memory limit), or an Op of the model crashes."
        )
    cause = error
    while cause is not None:
        if isinstance(cause, ImportError):
            return WorkerError(
                f"A worker cannot import what it needs: {cause}. Install pymc3_vi on the workers, in the same version "
                "as here, with all that the model needs."
            )
        cause = cause.__cause__ or cause.__context__
    return error
