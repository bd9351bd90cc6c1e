"""Options of a fit as JSON, and back, as far as that is possible without pickle."""

import functools
import inspect

import numpy as np

from .. import updates
from ..updates import OPTIMIZERS, Schedule

__all__ = ["describe", "rebuild", "is_opaque", "opaque_names"]


def describe(value):
    """JSON form of an option.

    Numbers, strings, None and lists stand for themselves; registered optimizers with numeric or scheduled
    hyperparameters, schedules and dicts of such become dicts.  Anything else becomes ``{'opaque': <what it is, in
    words>}``, which tells that it must be passed again.
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        # repr keeps every bit, and JSON has no infinities
        return float(value) if np.isfinite(value) else {"float": repr(float(value))}
    if isinstance(value, (list, tuple)) and not value:
        return []
    if isinstance(value, dict) and not value:
        return None
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        entries = {key: describe(entry) for key, entry in value.items()}
        if not any(map(is_opaque, entries.values())):
            return {"entries": entries}
    optimizer = _optimizer(value)
    if optimizer is not None:
        return optimizer
    if isinstance(value, Schedule) and getattr(updates, type(value).__name__, None) is type(value):
        parameters = list(inspect.signature(type(value)).parameters)
        return {"schedule": type(value).__name__, "keywords": {p: describe(getattr(value, p)) for p in parameters}}
    return {"opaque": _words(value)}


def _optimizer(value):
    function, keywords = value, {}
    if isinstance(value, functools.partial) and not value.args:
        function, keywords = value.func, value.keywords
    name = getattr(function, "__name__", None)
    if name is None or name not in OPTIMIZERS or OPTIMIZERS.get(name) is not function:
        return None
    keywords = {k: describe(v) for k, v in keywords.items()}
    if any(is_opaque(v) for v in keywords.values()):
        return {"opaque": f"{name} with a shared or symbolic hyperparameter"}
    return {"optimizer": name, "keywords": keywords}


def _words(value):
    if isinstance(value, (list, tuple, dict)):
        names = [str(getattr(v, "name", v)) for v in value]
        return f"{type(value).__name__} of {', '.join(names)}"
    return getattr(value, "__name__", None) or type(value).__name__


def is_opaque(description):
    """Whether a description cannot be rebuilt."""
    return isinstance(description, dict) and "opaque" in description


def opaque_names(options):
    """Names of the options in a dict of descriptions that cannot be rebuilt."""
    return [name for name, description in options.items() if is_opaque(description)]


def rebuild(description):
    """Value of a description that is not opaque."""
    if isinstance(description, list):
        return [rebuild(d) for d in description]
    if not isinstance(description, dict):
        return description
    if "float" in description:
        return float(description["float"])
    if "entries" in description:
        return {key: rebuild(entry) for key, entry in description["entries"].items()}
    keywords = {k: rebuild(v) for k, v in description.get("keywords", {}).items()}
    if "schedule" in description:
        return _schedule_class(description["schedule"])(**keywords)
    if "optimizer" in description:
        function = OPTIMIZERS.get(description["optimizer"])
        return function(**keywords) if keywords else function
    raise ValueError(f"the option {description} cannot be rebuilt")


def _schedule_class(name):
    cls = getattr(updates, str(name), None)
    if not (isinstance(cls, type) and issubclass(cls, Schedule)):
        raise ValueError(f"there is no schedule {name!r}")
    return cls
