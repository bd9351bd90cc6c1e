"""Warnings that are collected as they are shown, in several threads at once."""

import contextlib
import threading
import warnings
from pathlib import Path

__all__ = ["seen_warnings"]

#: Libraries below, whose use of each other no user can mend.
_LIBRARIES = {"theano", "pymc3", "numpy", "scipy", "arviz", "xarray", "pandas"}
_AGEING = (DeprecationWarning, PendingDeprecationWarning, FutureWarning)

_lock = threading.RLock()
_thread = threading.local()  # .lists: those that the warnings of this thread go to
_state = {"open": 0, "show": None}


def _note_and_show(message, category, filename, *args, **kwargs):
    if not _is_housekeeping(category, filename):
        for seen in getattr(_thread, "lists", ()):
            seen.append(f"{category.__name__}: {message}")
    _state["show"](message, category, filename, *args, **kwargs)


def _is_housekeeping(category, filename):
    """Whether a warning tells one library that another one is about to change, which is no matter of a fit."""
    return issubclass(category, _AGEING) and not _LIBRARIES.isdisjoint(Path(filename).parts)


@contextlib.contextmanager
def seen_warnings(seen):
    """Context that appends this thread's warnings to the list `seen`; they are shown as ever.

    ``warnings.showwarning`` belongs to the process: the first thread replaces it, the last one puts it back.
    """
    lists = vars(_thread).setdefault("lists", [])
    with _lock:
        if warnings.showwarning is not _note_and_show:
            _state["show"] = warnings.showwarning
            warnings.showwarning = _note_and_show
        _state["open"] += 1
        # Python forgets here what it has warned of, so that a second fit has its warnings too.
        with warnings.catch_warnings():
            pass
    lists.append(seen)
    try:
        yield
    finally:
        lists[:] = [other for other in lists if other is not seen]
        with _lock:
            _state["open"] -= 1
            if not _state["open"] and warnings.showwarning is _note_and_show:
                warnings.showwarning = _state["show"]
