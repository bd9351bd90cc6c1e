"""What Theano's registered rewrites are, told in the same words by every process."""

from theano.compile.mode import optdb
from theano.graph.op import Op
from theano.graph.opt import GlobalOptimizer, LocalOptimizer
from theano.graph.optdb import DB

from ._flat_graph import NotPlain, is_fixed

__all__ = ["describe_rewrites"]

_last: dict = {"registered": None, "texts": None}


def describe_rewrites(query):
    """All rewrites, and what `query` takes of them; NotPlain where a user's are among them."""
    registered = _registered(optdb, set())
    if registered != _last["registered"]:
        _last.update(registered=registered, texts=_texts(registered))
    tags = [sorted(map(str, names)) for names in (query.include, query.require, query.exclude, query.subquery)]
    extra = [(type(r).__qualname__, getattr(r, "__name__", ""), at) for r, at in query.extra_optimizations]
    return tags, str(query.position_cutoff), extra, _last["texts"]


def _registered(database, seen):
    """Names of a database and its entry, and the rewrite, for all that are registered."""
    seen.add(id(database))
    found = []
    for name, rewrites in database.__db__.items():
        for rewrite in rewrites:
            if not isinstance(rewrite, DB):
                found.append((database.name, name, rewrite))
            elif id(rewrite) not in seen:
                found += _registered(rewrite, seen)
    return found


def _texts(registered):
    seen: set = set()  # parts of several rewrites are looked at once
    for _, _, rewrite in registered:
        _check(rewrite, seen)
    return sorted(map(_text, registered))


def _text(place):
    database, name, rewrite = place
    text = str(rewrite)
    return f"{database}.{name}: {type(rewrite).__name__ if ' at 0x' in text else text}"


def _check(part, seen):
    """NotPlain where `part` is made of a user's code, which may be other code next time.

    Ops tell themselves; groups of rewrites note the types of those that they have met.
    """
    code = part if hasattr(part, "__qualname__") else type(part)
    if id(part) in seen or isinstance(part, (str, bytes, int, float, type(None))) or _is_op(code):
        return
    seen.add(id(part))
    if not is_fixed(code):
        raise NotPlain(f"{part} is of {code.__module__}")
    if isinstance(part, dict):
        part = [*part, *part.values()]
    elif isinstance(part, (GlobalOptimizer, LocalOptimizer)):
        part = list(vars(part).values())
    if isinstance(part, (list, tuple, set, frozenset)):
        for inner in part:
            _check(inner, seen)


def _is_op(kind):
    return isinstance(kind, type) and Op in kind.__mro__  # without the search of an ABC through all subclasses
