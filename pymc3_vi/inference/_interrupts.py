"""Ctrl-C during a fit: it ends the loop, and never the bookkeeping around it."""

import signal
import sys
import threading

__all__ = ["Interrupts"]


class Interrupts:
    """Context in which Ctrl-C raises KeyboardInterrupt only between :meth:`start` and :meth:`stop`.

    One that comes before waits for :meth:`start`. One that comes while code deals with a KeyboardInterrupt
    (``except``, ``finally``), whoever raised that, is not raised: it has nothing left to end. Code that swallows
    the exception (``__del__``, the hooks of a display) does not hold up the end: :meth:`check` raises again, and so
    does the next Ctrl-C. Outside of the main thread, and where the program has a handler of its own, nothing is
    changed.
    """

    def __init__(self):
        self._open = False
        self._asked = False
        self._outer = None
        self._before = None

    def __enter__(self):
        self._outer = sys.exc_info()[1]
        is_main = threading.current_thread() is threading.main_thread()
        if is_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *error):
        self._outer = None
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _handle(self, number, frame):
        self._asked = True
        if self._open and not self._is_dealt_with():
            raise KeyboardInterrupt

    def _is_dealt_with(self):
        """Whether this is called from code that handles a KeyboardInterrupt, other than one from before the context.

        Not just the last one that was raised here: that may have been lost in a destructor of what the one before it
        unwinds.
        """
        error = sys.exc_info()[1]
        while error is not None and error is not self._outer:
            if isinstance(error, KeyboardInterrupt):
                return True
            error = error.__context__
        return False

    def start(self):
        """From now on Ctrl-C raises."""
        self._open = True
        self.check()

    def check(self):
        """Raise if there was a Ctrl-C that has not ended the loop."""
        if self._asked:
            raise KeyboardInterrupt

    def stop(self):
        """From now on it does not."""
        self._open = False
