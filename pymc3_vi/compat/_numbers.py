"""Numbers as NumPy 1 took them, for the edited modules of Theano."""

import numpy as np

__all__ = ["as_array", "typed"]

_TYPES = {float: np.float64, int: np.int64}


def typed(values):
    """`values` with Python's floats and ints as NumPy's of 64 bits.

    Since NumPy 2 a Python float takes the precision of what it meets, so that its product with a float32 is rounded to
    one; NumPy 1 gave a float64.
    """
    return [_number(value) for value in values]


def _number(value):
    try:
        return _TYPES.get(type(value), _unchanged)(value)
    except OverflowError:  # an int of more than 64 bits
        return value


def _unchanged(value):
    return value


def as_array(values, dtype, order=None):
    """`np.asarray(values, dtype, order)`, where ints of up to 64 bits that are out of range wrap around.

    Raises
    ------
    OverflowError
        For ints that do not fit into an int64, as in NumPy 1.
    """
    try:
        return np.asarray(values, dtype=dtype, order=order)
    except OverflowError:
        return np.asarray(values, dtype="int64", order=order).astype(dtype)
