"""Rows of a call that copies of this process help to evaluate."""

import contextlib
import mmap
import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings
from collections import namedtuple

import numpy as np

__all__ = ["ForkedHelp"]

#: Seconds of calls before copies are made, which take some 0.01 each, and of a call that is worth dealing out.
BEFORE, WORTH = 0.1, 1e-3
#: Rows that are dealt out at once.
MOST_ROWS = 4096
#: Bytes of a question.
LENGTH = 32

#: A copy: its process, and the ends of pipes to tell it a number of rows and to hear that they are done.
_Helper = namedtuple("_Helper", "pid, ask, answer")


class ForkedHelp:
    """Context that gives a function whose rows are dealt out to forked copies of this process, once it takes long.

    Copies know what this process knew when they were made.  Where there can be none (outside of Linux, and in threads,
    whose locks a copy would find locked), or others work beside this one (processes of ``multiprocessing``), the
    function runs here alone, as it does where a copy is lost.

    Parameters
    ----------
    function : callable
        Rows (n, d) -> values (n,) and slopes (n, d), each row the same whatever other rows there are.
    d : int
    count : int
        Of processes, with this one.
    prepare : callable, optional
        Called in a copy before anything else.
    """

    def __init__(self, function, d, count, prepare=lambda: None):
        self.function, self.d, self.prepare = function, d, prepare
        self.count = count if sys.platform.startswith("linux") else 1
        self._helpers, self._seconds, self._rows = [], 0.0, 0
        self._thread = None

    def __enter__(self):
        self._thread = threading.get_ident()
        is_one_of_many = multiprocessing.parent_process() is not None
        if is_one_of_many or threading.current_thread() is not threading.main_thread():
            self.count = 1
        return self

    def __exit__(self, *exc_info):
        self.close()

    def __call__(self, z):
        """Values (n,) and slopes (n, d) at `z` (n, d)."""
        if self.count == 1 or threading.get_ident() != self._thread:
            return self.function(z)
        if len(z) > MOST_ROWS:
            parts = [self(z[begin : begin + MOST_ROWS]) for begin in range(0, len(z), MOST_ROWS)]
            return tuple(np.concatenate(part) for part in zip(*parts))
        if len(z) < 2 or self._seconds < BEFORE or len(z) * self._seconds < WORTH * self._rows:
            return self._here(z)
        try:
            if not self._helpers:
                self._make_helpers()
            return self._dealt_out(z)
        except BaseException:  # a Ctrl-C, say: an answer that comes late would be taken for that of the next call
            self.close()
            raise

    def close(self):
        """End the copies; what is asked for afterwards is evaluated here."""
        self.count = 1
        while self._helpers:
            helper = self._helpers.pop()
            os.close(helper.ask)
            os.close(helper.answer)
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(helper.pid, signal.SIGKILL)
                os.waitpid(helper.pid, 0)

    # ---------------------------------------------------------------- here
    def _here(self, z):
        begin = time.perf_counter()
        found = self.function(z)
        self._seconds += time.perf_counter() - begin
        self._rows += len(z)
        return found

    def _dealt_out(self, z):
        n, processes = len(z), 1 + len(self._helpers)
        self._points[:n] = z
        values, slopes = np.empty(n), np.empty((n, self.d))
        asked = [_is_sent(helper.ask, f"{n} {processes}") for helper in self._helpers]
        rows = _share(n, 0, processes)
        values[rows], slopes[rows] = self._here(z[rows])
        for number, helper in enumerate(self._helpers, start=1):
            rows = _share(n, number, processes)
            if asked[number - 1] and os.read(helper.answer, 1):
                values[rows], slopes[rows] = self._values[rows], self._slopes[rows]
            else:  # lost, or something was raised that this process is to see
                asked[number - 1] = False
                values[rows], slopes[rows] = self._here(z[rows])
        if not all(asked):
            self.close()
        return values, slopes

    # ---------------------------------------------------------------- copies
    def _make_helpers(self):
        rows, d = MOST_ROWS, self.d
        memory = np.frombuffer(mmap.mmap(-1, 8 * rows * (2 * d + 1)))  # shared with copies; pages come when used
        self._points, self._slopes = memory[: 2 * rows * d].reshape(2, rows, d)
        self._values = memory[2 * rows * d :]
        for number in range(1, self.count):
            try:
                self._helpers.append(self._copy(number))
            except OSError:  # no more processes, or no memory for one
                break
        self.count = 1 + len(self._helpers)

    def _copy(self, number):
        theirs, ask = os.pipe()
        answer, mine = os.pipe()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that other threads are not copied
                pid = os.fork()
            if not pid:
                try:
                    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for the one that is asked by the user
                    for fd in [ask, answer, *(fd for helper in self._helpers for fd in helper[1:])]:
                        os.close(fd)
                    self.prepare()
                    self._serve(number, theirs, mine)
                finally:
                    os._exit(0)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            os.close(theirs)
            os.close(mine)
        return _Helper(pid, ask, answer)

    def _serve(self, number, questions, answers):
        """In a copy: evaluate shares until nobody asks any more, or something is raised."""
        while True:
            question = os.read(questions, LENGTH)
            if len(question) < LENGTH:
                return
            n, processes = map(int, question.split())
            rows = _share(n, number, processes)
            self._values[rows], self._slopes[rows] = self.function(self._points[rows])
            os.write(answers, b"1")


def _share(n, number, processes):
    """Rows of `n` that process `number` evaluates."""
    return slice(n * number // processes, n * (number + 1) // processes)


def _is_sent(pipe, question):
    try:
        return os.write(pipe, question.ljust(LENGTH).encode()) == LENGTH
    except BrokenPipeError:
        return False
