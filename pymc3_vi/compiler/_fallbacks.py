"""What the engine does where it cannot do what it should: it says so once, or fails where that is asked for."""

import logging
import os

from ..errors import EngineError, EngineWarning
from ..validation import warn_user

__all__ = ["STRICT", "fall_back", "tell_once"]

logger = logging.getLogger("pymc3_vi")

#: Environment variable that makes every fallback an error.
STRICT = "PYMC3_VI_STRICT_ENGINE"

_told = set()


def fall_back(what, reason, remedy=""):
    """Note that `what` happens because of `reason`: a warning the first time in a process, afterwards a debug message.

    Raises
    ------
    EngineError
        Where the environment variable `STRICT` is set and not ``0``.
    """
    message = f"{what}, because: {reason}"
    if os.environ.get(STRICT, "0") not in ("", "0"):
        raise EngineError(f"{message}.{remedy} Unset the environment variable {STRICT} to accept this.")
    advice = f"{remedy} This is said once; the environment variable {STRICT}=1 makes it an error."
    tell_once(message, advice, what)


def tell_once(message, remedy, key=None):
    """An EngineWarning the first time in a process for each `key` (default: the message), always a debug message."""
    logger.debug("%s", message)
    key = message if key is None else key
    if key not in _told:
        _told.add(key)
        warn_user(f"{message}. {remedy.strip()}", EngineWarning)
