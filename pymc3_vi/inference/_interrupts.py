"""Ctrl-C during a fit: it ends the loop once, and never the bookkeeping around it."""

import signal
import threading

__all__ = ["Interrupts"]


class Interrupts:
    """Context in which Ctrl-C raises KeyboardInterrupt only between :meth:`start` and the first one or :meth:`stop`.

    One that comes before waits for :meth:`start`; those that come after have nothing left to end.  Outside of the main
    thread, and where the program has a handler of its own, nothing is changed.
    """

    def __init__(self):
        self._open = False
        self._waiting = False
        self._before = None

    def __enter__(self):
        is_main = threading.current_thread() is threading.main_thread()
        if is_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *error):
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _handle(self, number, frame):
        if self._open:
            self._open = False
            raise KeyboardInterrupt
        self._waiting = True

    def start(self):
        """From now on Ctrl-C raises."""
        if self._waiting:
            raise KeyboardInterrupt
        self._open = True

    def stop(self):
        """From now on it does not."""
        self._open = False
