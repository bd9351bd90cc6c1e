"""Symbolic attributes that are built once per object."""

import functools

from ..compiler import without_test_values

__all__ = ["Memoised", "graph_property", "node_property", "append_name"]


def graph_property(function):
    """Property that builds a small graph at every access, with test values off."""
    return property(without_test_values(function))


def append_name(name):
    """Decorator: give the variable that a function returns the name `name` (None leaves it alone)."""

    def decorate(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            variable = function(*args, **kwargs)
            if name is not None:
                variable.name = name
            return variable

        return wrapper

    return decorate


class Memoised:
    """Mixin that owns the cache of :func:`node_property`.

    ``_cache`` maps attribute name to ``{(): value}``; it is dropped when the object is pickled, since graphs are
    cheap to build again and deep to pickle.
    """

    def __getstate__(self):
        state = self.__dict__.copy()
        state.pop("_cache", None)
        return state


def _memoised_property(function, name):
    build = without_test_values(append_name(name)(function))

    @functools.wraps(function)
    def getter(self):
        cache = self.__dict__.setdefault("_cache", {}).setdefault(function.__name__, {})
        if () not in cache:
            value = build(self)
            # The build may itself have cleared the cache, so look it up again.
            self.__dict__.setdefault("_cache", {}).setdefault(function.__name__, {})[()] = value
            return value
        return cache[()]

    return property(getter)


def node_property(name_or_function):
    """Property whose symbolic value is built once, with test values off; ``@node_property('x')`` also names it."""
    if callable(name_or_function):
        return _memoised_property(name_or_function, None)
    return lambda function: _memoised_property(function, name_or_function)
