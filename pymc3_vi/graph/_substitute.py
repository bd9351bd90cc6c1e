"""Replacing parts of a graph."""

import numpy as np
import theano
import theano.tensor as tt

from ..compiler import with_pattern, without_test_values

__all__ = ["substitute", "match_pattern", "floatx", "shared_inputs"]


@without_test_values
def substitute(nodes, replacements):
    """Copy of `nodes` in which every key of `replacements` is its value.

    Parameters
    ----------
    nodes : Variable or list of Variable
    replacements : dict of Variable to Variable or array, or None
        Values are cast to the key's dtype and broadcast pattern where Theano can do so safely.

    Returns
    -------
    Variable or list of Variable, like `nodes`.
    """
    if not replacements:
        return nodes
    pairs = {old: match_pattern(tt.as_tensor_variable(new), old) for old, new in replacements.items()}
    return theano.clone(nodes, pairs, strict=False)


def match_pattern(new, old):
    """`new` with the dtype and broadcast pattern of `old`, as far as their types differ and allow it."""
    new_type, old_type = new.type, getattr(old, "type", None)
    if new_type == old_type or not hasattr(old_type, "broadcastable"):
        return new
    if new.dtype != old.dtype and not (new.dtype.startswith("float") and old.dtype.startswith("int")):
        new = tt.cast(new, old.dtype)
    return with_pattern(new, old.broadcastable) if new.ndim == old.ndim else new


def floatx(value):
    """`value` (number, array or variable) in Theano's ``floatX``."""
    if isinstance(value, theano.graph.basic.Variable):
        return value if value.dtype == theano.config.floatX else tt.cast(value, theano.config.floatX)
    return np.asarray(value, dtype=theano.config.floatX)


def shared_inputs(nodes):
    """Shared variables that `nodes` depend on, in order of discovery."""
    nodes = nodes if isinstance(nodes, (list, tuple)) else [nodes]
    return [v for v in theano.graph.basic.graph_inputs(nodes) if isinstance(v, theano.compile.SharedVariable)]
