"""Symbolic attributes that are built once per object."""

import functools

from ..compiler import without_test_values

__all__ = ["Memoised", "append_name", "cache_of", "graph_property", "made_once", "node_property", "value_property"]


def cache_of(owner):
    """What was made once for `owner`, by name; see :class:`Memoised`."""
    return owner.__dict__.setdefault("_cache", {})


def made_once(owner, name, make, key=()):
    """What ``make()`` gives, made once for `owner`, `name` and `key`."""
    entries = cache_of(owner).setdefault(name, {})
    if key in entries:
        return entries[key]
    value = make()
    # Making it may itself have cleared the cache, so look it up again.
    cache_of(owner).setdefault(name, {})[key] = value
    return value


def value_property(function):
    """Property that is computed once per object.

    ``functools.cached_property`` of Python before 3.12 holds a lock of all objects while it computes one's value: two
    threads, one of which builds a graph and needs the value, the other of which computes it and needs a graph, would
    wait for each other for ever.
    """

    @functools.wraps(function)
    def getter(self):
        return made_once(self, function.__name__, lambda: function(self))

    return property(getter)


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
    """Mixin that owns the cache of :func:`made_once`.

    ``_cache`` maps name to ``{key: value}``; it is dropped when the object is pickled, since graphs are
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
        return made_once(self, function.__name__, lambda: build(self))

    return property(getter)


def node_property(name_or_function):
    """Property whose symbolic value is built once, with test values off; ``@node_property('x')`` also names it."""
    if callable(name_or_function):
        return _memoised_property(name_or_function, None)
    return lambda function: _memoised_property(function, name_or_function)
