"""Nested state of any kind as JSON, with its arrays beside it."""

import numbers

import numpy as np

__all__ = ["pack", "unpack"]

_ARRAY, _FLOAT = "__array__", "__float__"


def pack(tree, arrays, prefix):
    """JSON-able form of nested dicts, lists and tuples of numbers, strings, None and arrays.

    Parameters
    ----------
    tree : object
        Keys of dicts are strings; tuples come back as lists.
    arrays : dict
        Receives the arrays, under names that begin with `prefix`.
    prefix : str

    Raises
    ------
    TypeError
        For anything else, with the place where it is.
    """
    if isinstance(tree, dict):
        if not all(isinstance(key, str) and not key.startswith("__") for key in tree):
            raise TypeError(f"{prefix} has the keys {list(tree)}; only strings can be stored")
        return {key: pack(value, arrays, f"{prefix}/{key}") for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [pack(value, arrays, f"{prefix}/{i}") for i, value in enumerate(tree)]
    if isinstance(tree, np.ndarray):
        if tree.dtype.kind not in "biuf":
            raise TypeError(f"{prefix} is an array of {tree.dtype}; only numbers can be stored")
        arrays[prefix] = tree
        return {_ARRAY: prefix}
    if tree is None or isinstance(tree, (bool, str)):
        return tree
    if isinstance(tree, np.bool_):
        return bool(tree)
    if isinstance(tree, numbers.Integral):
        return int(tree)
    if isinstance(tree, numbers.Real):
        return float(tree) if np.isfinite(tree) else {_FLOAT: repr(float(tree))}
    raise TypeError(f"{prefix} is {type(tree).__name__}, which cannot be stored")


def unpack(packed, arrays):
    """What :func:`pack` was given."""
    if isinstance(packed, list):
        return [unpack(value, arrays) for value in packed]
    if not isinstance(packed, dict):
        return packed
    if _ARRAY in packed:
        return arrays[packed[_ARRAY]]
    if _FLOAT in packed:
        return float(packed[_FLOAT])
    return {key: unpack(value, arrays) for key, value in packed.items()}
