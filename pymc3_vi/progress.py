"""The progress bar of everything that may take long."""

import time

from fastprogress.fastprogress import progress_bar

__all__ = ["Progress", "speed"]

#: Seconds after which a bar comes that nobody asked for.
WAIT = 3.0
#: Part of the work before which no time left is shown: loading and first steps are no guide to the others.
EARLY = 0.05


def speed(count, seconds, unit):
    """So many of a `unit` in a second, to two digits: ``'12,000 steps/s'``."""
    rate = count / max(seconds, 1e-9)
    return f"{float(f'{rate:.2g}'):,.{0 if rate >= 10 else 1}f} {unit}/s"


class Progress:
    """Progress bar that is drawn at most a few times a second.

    Parameters
    ----------
    total : int
        Steps to do.
    display : bool or None
        None for a bar that comes after three seconds.
    interval : float
        Seconds between refreshes.
    """

    def __init__(self, total, display=True, interval=0.25):
        self.total, self.interval = total, interval
        self.bar, self._late = None, display is None and total > 0
        self._last = self._begin = time.perf_counter()
        if display and total:
            self._show()

    def _show(self):
        self.bar, self._late = progress_bar(range(self.total)), False
        self.bar.update(0)

    def update(self, done, comment=""):
        """Show that `done` steps are done; skipped when the last refresh was a moment ago."""
        now = time.perf_counter()
        if self._late and now - self._begin > WAIT and done < self.total:
            self._show()
            self._last -= self.interval
        if self.bar is None or (done < self.bar.total and now - self._last < self.interval):
            return
        self._last = now
        self.bar.comment = comment
        if done < EARLY * self.bar.total:
            self.bar.last_t, self.bar.pred_t = time.time(), None
            self.bar.update_bar(done)
        else:
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
