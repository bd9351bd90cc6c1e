"""What an Op raises that has no value at a point, as Cholesky factors do."""

import numpy as np

__all__ = ["UNDEFINED", "as_undefined"]

UNDEFINED = (np.linalg.LinAlgError, ArithmeticError)
#: Words of a ValueError that mean the same: of SciPy, and of Python's math.
_WORDS = ("infs or NaNs", "math domain error")


def as_undefined(error):
    """`error` if it is one of `UNDEFINED`, such a one in place of a ValueError that means the same, otherwise None."""
    if isinstance(error, UNDEFINED):
        return error
    if isinstance(error, ValueError) and any(words in str(error) for words in _WORDS):
        return FloatingPointError(str(error))
    return None
