"""Static broadcast patterns."""

from theano.compile.ops import Rebroadcast

__all__ = ["with_pattern"]


def with_pattern(variable, pattern):
    """`variable` with the broadcast pattern `pattern`; a size that must be 1 is checked when the graph runs.

    Theano's own `patternbroadcast` fails on the outputs of elementwise Ops with one input, such as a cast.
    """
    if tuple(variable.broadcastable) == tuple(pattern):
        return variable
    return Rebroadcast(*enumerate(bool(flag) for flag in pattern))(variable)
