"""The progress bar of a fit."""

import time

from fastprogress.fastprogress import progress_bar

__all__ = ["Progress"]


class Progress:
    """Progress bar that is drawn at most a few times a second.

    Parameters
    ----------
    total : int
        Steps to do.
    display : bool
    interval : float
        Seconds between refreshes.
    """

    def __init__(self, total, display=True, interval=0.25):
        self.bar = progress_bar(range(total), display=display) if display and total else None
        self.interval = interval
        self._last = time.perf_counter()
        if self.bar is not None:
            self.bar.update(0)

    def update(self, done, comment=""):
        """Show that `done` steps are done; skipped when the last refresh was a moment ago."""
        if self.bar is None:
            return
        now = time.perf_counter()
        if done < self.bar.total and now - self._last < self.interval:
            return
        self._last = now
        self.bar.comment = comment
        self.bar.update(done)

    def finish(self, done, comment=""):
        """Say that `done` steps were all there was to do."""
        if self.bar is not None and 0 < done < self.bar.total:
            self.bar.total = done
            self.update(done, comment)

    def close(self, done, comment=""):
        """Draw the bar as it was left."""
        if self.bar is not None and done < self.bar.total:
            self.bar.comment = comment
            self.bar.update_bar(done)
            self.bar.on_interrupt()
