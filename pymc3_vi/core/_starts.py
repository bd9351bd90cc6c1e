"""Starts by name, for every ``start=`` that takes a dict."""

from collections import namedtuple

from ..errors import StartError
from ..registry import Registry
from ..validation import did_you_mean

__all__ = ["STARTS", "Start", "named_start"]

#: Starts by name: functions ``(view, seeds) -> Start``.
STARTS = Registry("start")

#: `point`: name -> array on the unconstrained scale.  `curvature`: negative Hessian of the log density there over the
#: flat vector of the model, where q is to take its scale from it; None where it is not.
Start = namedtuple("Start", "point, curvature")


def named_start(name, view, seeds):
    """The :class:`Start` called `name`.

    Raises
    ------
    StartError
        For an unknown name, with the close match.
    """
    if name not in STARTS:
        raise StartError(
            f"The 'start' parameter must be a dict of values or one of {STARTS.names()}. Got {name!r} instead."
            f"{did_you_mean(name, STARTS.names())}"
        )
    return STARTS.get(name)(view, seeds)
