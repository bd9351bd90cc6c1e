"""Theano's flags, changed for one thread alone, and the lock on what cannot be.

Theano keeps one value of each flag for the whole process.  What one thread changes for a moment, another one would see:
it would find no compiler, or build graphs under test values, and two that change a flag at the same time may leave it
changed for good.  Inside :func:`flags` a flag has a value for this thread only, whoever reads or sets it there.
"""

import contextlib
import os
import threading

from theano import config
from theano.configparser import ConfigParam

from ..compat._patch import Replacements

__all__ = ["THREAD_FLAGS", "alone", "flags", "process_value"]

_thread = (
    threading.local()
)  # .contexts: dicts from parameter to value, the innermost last; .values: what they add up to
_get, _set = ConfigParam.__get__, ConfigParam.__set__


def _get_of_thread(self, owner, kind, delete_key=False):
    values = getattr(_thread, "values", None)
    if values and owner is config and self in values:
        return values[self]
    return _get(self, owner, kind, delete_key)


def _set_of_thread(self, owner, value):
    values = getattr(_thread, "values", None)
    if values and owner is config and self in values:
        values[self] = _checked(self, value)
        next(changed for changed in reversed(_thread.contexts) if self in changed)[self] = values[self]
    else:
        _set(self, owner, value)


THREAD_FLAGS = Replacements(
    "thread_flags",
    "A flag of Theano that one thread changes for a moment, another one sees: it would find no compiler, say.",
    lambda: [(ConfigParam, "__get__", _get_of_thread), (ConfigParam, "__set__", _set_of_thread)],
    when="import",
)
THREAD_FLAGS.apply()


def _checked(parameter, value):
    value = parameter.apply(value)
    parameter.validate(value)
    return value


@contextlib.contextmanager
def flags(**changes):
    """Context in which flags of Theano have other values, for this thread alone.

    Parameters
    ----------
    **changes
        New values; a dot in a flag's name is written as two underscores.
    """
    changed = {config._config_var_dict[name]: value for name, value in changes.items()}
    changed = {parameter: _checked(parameter, value) for parameter, value in changed.items()}
    here = vars(_thread)
    contexts = here.setdefault("contexts", [])
    contexts.append(changed)
    here["values"] = _added_up(contexts)
    try:
        yield
    finally:
        # By identity, and wherever it lies: generators and fixtures leave contexts in any order.
        contexts[:] = [other for other in contexts if other is not changed]
        here["values"] = _added_up(contexts)


def _added_up(contexts):
    return {parameter: value for changed in contexts for parameter, value in changed.items()}


_lock = threading.RLock()


def _renew_lock():
    """In a forked process the thread that held it does not exist."""
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


@contextlib.contextmanager
def alone():
    """Context that one thread at a time is in: graphs are rewritten and compiled here, which Theano does not share."""
    lock = _lock
    with lock:
        yield


def process_value(name):
    """Value of a flag outside of :func:`flags`."""
    return _get(config._config_var_dict[name], config, type(config))
