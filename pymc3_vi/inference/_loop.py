"""The fitting loop: compiled chunks between the moments at which Python has something to do."""
import logging
import time
from collections import namedtuple

from ..engines import StepDiverged
from ._history import LossView
from ._progress import Progress

__all__ = ["run_loop", "LoopEnd", "Scheduled", "stop_message"]

logger = logging.getLogger("pymc3_vi")

#: Seconds that a chunk should take: long enough to amortise Python, short enough for a lively bar.
CHUNK_SECONDS = 0.1
MAX_CHUNK = 100_000

#: How a loop ended: `reason` in {'done', 'stopped', 'interrupted'}, `message` in words, `steps` done.
LoopEnd = namedtuple("LoopEnd", "reason, message, steps")


def run_loop(approx, step, n, history, first, callbacks=(), progressbar=True):
    """Run `n` steps.

    Parameters
    ----------
    approx : Approximation
        What callbacks are shown; its ``hist`` is kept current while they run.
    step : Step
    n : int
    history : History
        Receives the losses, whatever ends the loop.
    first : int
        Number of steps done before; callback indices go on from there.
    callbacks : list of callables
    progressbar : bool

    Returns
    -------
    LoopEnd

    Raises
    ------
    StepDiverged
        See :class:`Step`.
    """
    callbacks = [Scheduled(callback, first) for callback in callbacks]
    progress = Progress(n, progressbar)
    done, chunk = 0, 1
    try:
        while done < n:
            size = min(chunk, n - done)
            for callback in callbacks:
                size = min(size, max(callback.due - (first + done), 1))
            begin = time.perf_counter()
            losses = step.run(size)
            elapsed = time.perf_counter() - begin
            done += size
            if losses is not None:
                history.extend(losses)
            chunk = _next_chunk(chunk, size, elapsed)
            progress.update(done, _comment(history, losses))
            if callbacks:
                approx.hist = history.array
                view = None if losses is None else LossView(history.array)
                for callback in callbacks:
                    callback.call(approx, view, first + done)
    except StopIteration as stop:
        message = stop_message(stop, first + done)
        logger.info("After %d steps %s", done, message)
        return LoopEnd("stopped", message, done)
    except KeyboardInterrupt as stop:
        partial = getattr(stop, "losses", None)
        done += getattr(stop, "steps", 0)
        if partial is not None:
            history.extend(partial)
        logger.info("Interrupted after %d of %d steps: everything so far is kept.", done, n)
        return LoopEnd("interrupted", "interrupted by the user", done)
    except StepDiverged as stop:
        stop.steps += done
        if len(stop.losses):
            history.extend(stop.losses)
        raise
    finally:
        progress.close(done)
    return LoopEnd("done", f"ran all {n:,} steps", done)


def _next_chunk(chunk, size, elapsed):
    """Chunk size that should take `CHUNK_SECONDS`, growing by at most a factor of 4 at a time."""
    if size < chunk:
        return chunk
    wanted = int(size * CHUNK_SECONDS / max(elapsed, 1e-7))
    return max(1, min(wanted, 4 * chunk, MAX_CHUNK))


def _comment(history, losses):
    return "" if losses is None else f"Average Loss = {history.running_mean():,.5g}"


def stop_message(stop, i):
    """Who stopped a fit at step `i`, from the StopIteration that did it."""
    who = getattr(stop, "callback", None)
    reason = f": {stop}" if str(stop) else ""
    return f"stopped by {'the data' if who is None else who} at step {i:,}{reason}"


class Scheduled:
    """A callback and the step at which it is due next."""

    def __init__(self, callback, done):
        self.callback = callback
        self._next = getattr(callback, "next_call", None)
        self.due = self._after(done)

    def _after(self, i):
        return i + 1 if self._next is None else max(int(self._next(i)), i + 1)

    def call(self, approx, losses, i):
        """Call it if it is due."""
        if i >= self.due:
            try:
                self.callback(approx, losses, i)
            except StopIteration as stop:
                stop.callback = getattr(self.callback, "__name__", type(self.callback).__name__)
                raise
            finally:
                self.due = self._after(i)
