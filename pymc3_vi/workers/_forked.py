"""Rows of a call that copies of this process help to evaluate."""

import contextlib
import mmap
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
import warnings
from collections import namedtuple

import numpy as np

__all__ = ["ForkedHelp"]

#: Seconds of calls before copies are made, which take some 0.01 each, and of a call that is worth dealing out.
BEFORE, WORTH = 0.1, 3e-4
#: Rows that are dealt out at once, or a piece for every process.
MOST_ROWS = 4096
#: A copy is lost if it takes so many seconds and times the time of this process for its own share.
PATIENCE, SLOWER = 10.0, 20.0
#: Bytes of a question.
LENGTH = 32

#: A copy: its process, and the socket to tell it a number of rows and to hear that they are done.
_Helper = namedtuple("_Helper", "pid, end")


class ForkedHelp:
    """Context that gives a function whose rows are dealt out to forked copies of this process, once it takes long.

    Copies know what this process knew when they were made.  Where there can be none (outside of Linux, and in threads,
    whose locks a copy would find locked), or others work beside this one (processes of ``multiprocessing``), the
    function runs here alone, as it does where a copy is lost.  A Ctrl-C may come before Python reaches what ends the
    context: copies end when its object is gone at the latest.

    Parameters
    ----------
    function : callable
        Rows (n, d) -> values (n,) and slopes (n, d).
    d : int
    count : int
        Of processes, with this one.
    alone : callable, optional
        Gives the context in which a process is while there are others.
    piece : int
        A row's values are the same whatever other rows there are beyond the multiples of this that it is between.
    """

    def __init__(self, function, d, count, alone=contextlib.nullcontext, piece=1):
        self.function, self.d, self.alone, self.piece = function, d, alone, piece
        self.count = count if sys.platform.startswith("linux") else 1
        self._most_rows = max(MOST_ROWS // piece, count) * piece
        self._helpers, self._seconds, self._rows = [], 0.0, 0
        self._thread, self._process, self._alone = None, os.getpid(), contextlib.ExitStack()
        self.is_open = True

    def __enter__(self):
        self._thread = threading.get_ident()
        is_one_of_many = multiprocessing.parent_process() is not None
        if is_one_of_many or threading.current_thread() is not threading.main_thread():
            self.count = 1
        return self

    def __exit__(self, *exc_info):
        self.is_open = False
        self.close()

    def __del__(self):
        if self._helpers and self._process == os.getpid():  # not one that the program has forked meanwhile
            self.close()

    def __call__(self, z):
        """Values (n,) and slopes (n, d) at `z` (n, d)."""
        if self.count == 1 or threading.get_ident() != self._thread:
            return self.function(z)
        if len(z) <= self.piece or self._seconds < BEFORE or len(z) * self._seconds < WORTH * self._rows:
            return self._here(z)
        if len(z) > self._most_rows:
            parts = [self(z[begin : begin + self._most_rows]) for begin in range(0, len(z), self._most_rows)]
            return tuple(np.concatenate(part) for part in zip(*parts))
        try:
            if not self._helpers:
                self._make_helpers()
            return self._dealt_out(z) if self._helpers else self.function(z)
        except BaseException:  # a Ctrl-C, say: an answer that comes late would be taken for that of the next call
            self.close()
            raise

    def close(self):
        """End the copies; what is asked for afterwards is evaluated here."""
        self.count = 1
        with _interrupts_wait():
            while self._helpers:
                helper = self._helpers.pop()
                helper.end.close()
                with contextlib.suppress(ProcessLookupError, ChildProcessError):
                    if os.waitpid(helper.pid, os.WNOHANG) == (0, 0):  # not one of the program's own reaping
                        os.kill(helper.pid, signal.SIGKILL)
                        os.waitpid(helper.pid, 0)
            self._alone.close()

    # ---------------------------------------------------------------- here
    def _here(self, z):
        begin = time.perf_counter()
        found = self.function(z)
        self._seconds += time.perf_counter() - begin
        self._rows += len(z)
        return found

    def _dealt_out(self, z):
        n = len(z)
        helpers = self._helpers[: -(-n // self.piece) - 1]
        processes = 1 + len(helpers)
        self._points[:n] = z
        values, slopes = np.empty(n), np.empty((n, self.d))
        begin, rows = time.perf_counter(), self._share(n, 0, processes)
        asked = [_is_sent(helper.end, f"{n} {processes}") for helper in helpers]
        values[rows], slopes[rows] = self._here(z[rows])
        patience = PATIENCE + SLOWER * (time.perf_counter() - begin)
        for number, helper in enumerate(helpers, start=1):
            rows = self._share(n, number, processes)
            if asked[number - 1] and _has_answered(helper.end, patience):
                values[rows], slopes[rows] = self._values[rows], self._slopes[rows]
            else:  # lost, or something was raised that this process is to see
                asked[number - 1] = False
                values[rows], slopes[rows] = self._here(z[rows])
        if not all(asked):
            self.close()
        return values, slopes

    def _share(self, n, number, processes):
        """Rows of `n` that process `number` evaluates: whole pieces."""
        pieces = -(-n // self.piece)
        return slice(*(min(self.piece * (pieces * k // processes), n) for k in (number, number + 1)))

    # ---------------------------------------------------------------- copies
    def _make_helpers(self):
        rows, d = self._most_rows, self.d
        with contextlib.suppress(Exception):  # no more processes or files, no memory for them, forking forbidden
            memory = np.frombuffer(mmap.mmap(-1, 8 * rows * (2 * d + 1)))  # shared with copies; pages come when used
            self._points, self._slopes = memory[: 2 * rows * d].reshape(2, rows, d)
            self._values = memory[2 * rows * d :]
            for number in range(1, self.count):
                with _interrupts_wait():
                    self._helpers.append(self._copy(number))
        self.count = 1 + len(self._helpers)
        if self._helpers:
            with _interrupts_wait():
                self._alone.enter_context(self.alone())

    def _copy(self, number):
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # that other threads are not copied
                    pid = os.fork()
            except BaseException:
                ours.close()
                raise
            if not pid:
                try:
                    # Signals to all processes of a terminal are for this program, whose handlers a copy must not call.
                    signal.signal(signal.SIGINT, signal.SIG_IGN)
                    signal.signal(signal.SIGTERM, signal.SIG_DFL)
                    for end in (ours, *(helper.end for helper in self._helpers)):
                        end.close()
                    with self.alone():
                        self._serve(number, theirs)
                finally:
                    os._exit(0)
        return _Helper(pid, ours)

    def _serve(self, number, end):
        """In a copy: evaluate shares until nobody asks any more, or something is raised."""
        while True:
            question = end.recv(LENGTH, socket.MSG_WAITALL)
            if len(question) < LENGTH:
                return
            n, processes = map(int, question.split())
            rows = self._share(n, number, processes)
            self._values[rows], self._slopes[rows] = self.function(self._points[rows])
            end.sendall(b"1", socket.MSG_NOSIGNAL)


@contextlib.contextmanager
def _interrupts_wait():
    """A Ctrl-C amid this context comes at its end, so that no process is made and forgotten."""
    handler, waiting = signal.getsignal(signal.SIGINT), []
    if not callable(handler) or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, lambda *arguments: waiting.append(arguments))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if waiting:
            handler(*waiting[0])


def _is_sent(end, question):
    try:
        end.sendall(question.ljust(LENGTH).encode(), socket.MSG_NOSIGNAL)
    except OSError:
        return False
    return True


def _has_answered(end, patience):
    end.settimeout(patience)
    try:
        return end.recv(1) == b"1"
    except OSError:
        return False
