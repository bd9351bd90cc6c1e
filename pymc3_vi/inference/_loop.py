"""The fitting loop: compiled chunks between the moments at which Python has something to do."""

import logging
import time
from collections import namedtuple

from ..compiler import small_algebra
from ..progress import Progress, speed
from ._history import LossView

__all__ = ["LoopEnd", "run_loop"]

logger = logging.getLogger("pymc3_vi")

#: Seconds that a chunk should take: long enough to amortise Python, short enough for a lively bar.
CHUNK_SECONDS = 0.1
MAX_CHUNK = 100_000

#: How a loop ended: `reason` in {'done', 'stopped', 'interrupted'}, `message` in words, `steps` done.
LoopEnd = namedtuple("LoopEnd", "reason, message, steps")


def run_loop(approx, step, n, history, first, callbacks, progressbar, interrupts):
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
    interrupts : Interrupts
        Context that the loop is run in.

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
    begin, recorded = step.steps_done, len(history)
    done, chunk = 0, 1
    reason, message = "done", f"ran all {n:,} steps"
    try:
        interrupts.start()
        while done < n:
            interrupts.check()
            size = min(chunk, n - done)
            for callback in callbacks:
                size = min(size, max(callback.due - (first + done), 1))
            clock = time.perf_counter()
            with small_algebra(approx.ddim):
                losses = step.run(size)
            elapsed = time.perf_counter() - clock
            asked, done = done + size, step.steps_done - begin
            if losses is not None:
                history.extend(losses)
            chunk = _next_chunk(chunk, size, elapsed)
            comment = step.comment or _comment(history, losses, size, elapsed)
            progress.update(done, comment)
            if callbacks:
                approx.hist = history.array
                view = None if losses is None else LossView(history.array)
                for callback in callbacks:
                    callback.call(approx, view, first + done)
            if done < asked:
                message = f"nothing was left to do after {done:,} of {n:,} steps"
                progress.finish(done, comment)
                break
        interrupts.check()
        interrupts.stop()
    except StopIteration as stop:
        reason, message = "stopped", stop_message(stop, first + step.steps_done - begin)
    except KeyboardInterrupt:
        interrupts.stop()
        reason, message = "interrupted", "interrupted by the user"
    finally:
        interrupts.stop()
        done = step.steps_done - begin
        missing = done - (len(history) - recorded)
        losses = step.recent_losses()
        if losses is not None and missing > 0:  # what ended the loop came before they could be recorded
            history.extend(losses[-missing:])
        progress.close(done)
    logger.info("After %d of %d steps: %s", done, n, message)
    return LoopEnd(reason, message, done)


def _next_chunk(chunk, size, elapsed):
    """Chunk size that should take `CHUNK_SECONDS`, growing by at most a factor of 4 at a time."""
    if size < chunk:
        return chunk
    wanted = int(size * CHUNK_SECONDS / max(elapsed, 1e-7))
    return max(1, min(wanted, 4 * chunk, MAX_CHUNK))


def _comment(history, losses, steps, seconds):
    pace = speed(steps, seconds, "steps")
    return pace if losses is None else f"Average Loss = {history.running_mean():,.5g}, {pace}"


def stop_message(stop, i):
    """Who stopped a fit at step `i`, from the StopIteration that did it."""
    who = getattr(stop, "callback", None)
    words = str(stop).splitlines()
    reason = f": {words[0]}" if words else ""
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
