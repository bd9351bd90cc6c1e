"""Whether two fits have the same options, so that the second may go on with what the first compiled."""

from ..updates import PartialOptimizer, Schedule

__all__ = ["same"]


def same(a, b):
    """Equality of nested options: optimizers by name and hyperparameters, graphs and functions by identity."""
    if a is b:
        return True
    if isinstance(a, (tuple, list)) and type(a) is type(b):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return len(a) == len(b) and all(k in b and same(v, b[k]) for k, v in a.items())
    if isinstance(a, PartialOptimizer) and isinstance(b, PartialOptimizer):
        return a.func is b.func and same(a.args, b.args) and same(a.keywords, b.keywords)
    return isinstance(a, (int, float, str, bool, Schedule)) and type(a) is type(b) and a == b
