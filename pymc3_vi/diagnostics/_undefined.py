"""Values at many points in one call, some of which may have none."""

import numpy as np

from ..compiler import as_undefined

__all__ = ["where_defined"]


def where_defined(evaluate, z, width):
    """What ``evaluate(z)`` gives, NaN at the points for which an Op raises that it has no value.

    Parameters
    ----------
    evaluate : callable
        From points (s, d) to values (s,) and slopes (s, width).
    z : ndarray (s, d)
    width : int
    """
    try:
        return evaluate(z)
    except Exception as error:
        if as_undefined(error) is None:
            raise
    half = len(z) // 2
    if not half:
        return np.full(1, np.nan), np.full((1, width), np.nan)
    parts = [where_defined(evaluate, part, width) for part in (z[:half], z[half:])]
    return tuple(np.concatenate(values) for values in zip(*parts))
