"""Checks on what users pass in, with one form of message for all of them."""

import difflib
import inspect
import math
import numbers
import os
import reprlib
import sys
import warnings

from .errors import ParameterTypeError, ParameterValueError, ParametrizationError, UnknownNameError

__all__ = [
    "shown",
    "close_match",
    "did_you_mean",
    "require",
    "require_memory",
    "check_positive_int",
    "check_number",
    "check_callable",
    "is_listlike",
    "unknown_name",
    "warn_user",
    "reject_unknown_keywords",
    "accepted_keywords",
]


def close_match(name, options):
    """Closest string to `name` among `options`, or None."""
    options = [str(o) for o in options]
    found = difflib.get_close_matches(str(name), options, n=1, cutoff=0.6)
    return found[0] if found else None


def did_you_mean(name, options):
    """``" Did you mean 'x'?"`` for the closest option, or an empty string."""
    match = close_match(name, options)
    return f" Did you mean {match!r}?" if match is not None else ""


class _Short(reprlib.Repr):
    """One line for any object, however long or broken its own text is."""

    def __init__(self):
        super().__init__()
        self.maxstring, self.maxother, self.maxlist, self.maxtuple, self.maxdict = 80, 100, 6, 6, 6

    def repr_instance(self, x, level):
        """An object that is no container of Python's."""
        if isinstance(x, type):
            return f"the class {x.__name__}"
        if inspect.isroutine(x):
            return f"the function {getattr(x, '__name__', x)}"
        try:
            text = " ".join(repr(x).split())
        except Exception:  # a broken __repr__ must not hide the error that is being reported
            return f"an object of type {type(x).__name__}"
        if type(x).__name__ == "Model" or len(text) > self.maxother:
            return f"an object of type {type(x).__name__}"
        return text


#: Text of a value for a message.
shown = _Short().repr


def warn_user(message, category=UserWarning):
    """Warn as if at the user's own line, the last one outside of this package."""
    package, frame, level = os.path.dirname(__file__) + os.sep, sys._getframe(1), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(package):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def require(condition, error, parameter, caller, constraint, value):
    """Raise `error` in the package's standard sentence unless `condition` holds.

    For TypeError and ValueError, the package's own class derived from it is raised.
    """
    if not condition:
        error = {TypeError: ParameterTypeError, ValueError: ParameterValueError}.get(error, error)
        raise error(f"The {parameter!r} parameter of {caller} must be {constraint}. Got {shown(value)} instead.")


def require_memory(numbers, subject, advice):
    """Raise ParametrizationError, before anything is allocated, where so many float64 do not fit into memory."""
    limit = _memory()
    if 8 * numbers > limit:
        raise ParametrizationError(
            f"{subject}; a fit needs about {8 * numbers / 2**30:,.1f} GiB for it. The machine has "
            f"{limit / 2**30:,.1f} GiB. {advice}"
        )


def _memory():
    """Bytes of this machine."""
    try:
        pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not on this system
        return math.inf
    return pages * size if pages > 0 else math.inf


def check_positive_int(value, parameter, caller, minimum=1, error=ValueError):
    """Return `value` as int if it is an integer of at least `minimum`."""
    is_int = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    require(is_int, TypeError, parameter, caller, f"an integer of at least {minimum}", value)
    require(value >= minimum, error, parameter, caller, f"an integer of at least {minimum}", value)
    return int(value)


def check_number(value, parameter, caller, low=None, high=None, low_open=False, error=ValueError):
    """Return `value` as float if it is a finite real number inside the given bounds."""
    words = ["a finite number"]
    if low is not None:
        words.append(f"{'greater than' if low_open else 'at least'} {low}")
    if high is not None:
        words.append(f"at most {high}")
    constraint = " ".join([words[0], " and ".join(words[1:])]).strip()
    is_real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    require(is_real, TypeError, parameter, caller, constraint, value)
    number = float(value)
    inside = number - number == 0.0
    if low is not None:
        inside = inside and (number > low if low_open else number >= low)
    if high is not None:
        inside = inside and number <= high
    require(inside, error, parameter, caller, constraint, value)
    return number


def check_callable(value, parameter, caller, signature):
    """Raise unless `value` can be called; `signature` tells the user how it will be."""
    require(callable(value), TypeError, parameter, caller, f"a callable with signature {signature}", value)
    return value


def accepted_keywords(*callables):
    """Names of the keyword parameters that any of `callables` takes."""
    names = []
    for function in callables:
        for parameter in inspect.signature(function).parameters.values():
            if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                if parameter.name not in ("self", "cls") and parameter.name not in names:
                    names.append(parameter.name)
    return names


def unknown_name(name, known, parameter, caller, what="variable"):
    """The UnknownNameError for a parameter that names something that is not there, with the close match."""
    known = [str(k) for k in known]
    return UnknownNameError(
        f"The {parameter!r} parameter of {caller} names what is not there: no {what} {name!r}."
        f"{did_you_mean(name, known)} Known: {', '.join(known)}."
    )


def reject_unknown_keywords(given, allowed, caller):
    """Raise ParameterTypeError for the first keyword in `given` that is not in `allowed`, with the close match."""
    allowed = list(allowed)
    for name in given:
        if name not in allowed:
            raise ParameterTypeError(
                f"{caller} got an unknown keyword {name!r}.{did_you_mean(name, allowed)} "
                f"It takes: {', '.join(sorted(allowed))}."
            )


def is_listlike(value):
    """Whether `value` can be gone through as a list of items: no text, dict, class or variable of a graph."""
    is_one = isinstance(value, (str, bytes, dict, type)) or hasattr(value, "owner")
    return hasattr(value, "__iter__") and not is_one
