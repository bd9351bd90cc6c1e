"""What a compiled function is to those who call it."""

import collections
import copy
from os import getpid
from threading import RLock

from theano.compile.function.types import Function, _pickle_Function

__all__ = ["CompiledFunction"]

_call = Function.__call__


class CompiledFunction(Function):
    """A Theano function that one thread at a time is in, while others wait.

    What it is called with and what it computes lie in memory of its own, which a second call would overwrite.
    """

    @classmethod
    def of(cls, function):
        """`function` itself, as one of these."""
        function.__class__ = cls
        # One for each process: in a forked one, the thread that held its parent's does not exist.
        function._locks = collections.defaultdict(RLock)
        return function

    def held(self):
        """Context in which other threads wait, for several calls and what they read and leave in shared variables."""
        return self._locks[getpid()]

    def __call__(self, *args, **kwargs):
        with self.held():
            return _call(self, *args, **kwargs)

    def copy(self, *args, **kwargs):
        return self.of(super().copy(*args, **kwargs))

    def __deepcopy__(self, memo):
        make, arguments = _pickle_Function(self)
        return self.of(make(*copy.deepcopy(arguments, memo)))
