"""Kinds of values that a parameter can take."""

import inspect
import math
import numbers
import os
from collections import OrderedDict

import numpy as np

from ..errors import ParameterTypeError, ParameterValueError
from ..validation import did_you_mean, is_listlike, shown

__all__ = [
    "AnyOf", "Anything", "Array", "Constraint", "DictOf", "Flag", "Function", "Instance", "Interval", "Is", "ListOf",
    "OneOf", "Optional", "Path", "Raising", "Refused", "Subclass", "Text",
]  # fmt: skip


#: Upper bounds from here on go without saying.
SELDOM_MET = 10**9


class Refused(Exception):
    """A value that a constraint does not take.

    Parameters
    ----------
    error : class
        Exception that the user gets.
    hint : str
        What to do, as a sentence; empty where the allowed values say it.
    where : str
        Which part of a list or dict it is, e.g. ``" at position 0"``; empty for the whole.
    value : object, optional
        The part; default is the whole.
    """

    def __init__(self, error, hint="", where="", value=None):
        super().__init__(hint)
        self.error, self.hint, self.where, self.value = error, hint, where, value

    def inside(self, where, value):
        """The same, said of a list or dict that holds the value."""
        return Refused(self.error, self.hint, self.where + where, self.value if self.where else value)


class Constraint:
    """What a parameter takes.

    Attributes
    ----------
    allowed : str
        In words that complete "must be".
    """

    allowed = ""

    def take(self, value):
        """`value` in the form in which functions use it; :class:`Refused` if it is not allowed."""
        raise NotImplementedError

    def __repr__(self):
        return f"<{self.allowed}>"


class Anything(Constraint):
    """Values that the function judges itself; `allowed` is for the documentation."""

    def __init__(self, allowed):
        self.allowed = allowed

    def take(self, value):
        return value


class Interval(Constraint):
    """A finite number between bounds.

    Parameters
    ----------
    kind : {int, float}
    low, high : number
        Infinite where there is no bound; values themselves are always finite.
    low_open, high_open : bool
        Whether the bound itself is left out.
    hint, kind_hint : str
        What to do instead, for values out of bounds and for what is no number.
    infinite : bool
        Whether infinity is allowed too.
    """

    def __init__(
        self,
        kind,
        low=-math.inf,
        high=math.inf,
        low_open=False,
        high_open=False,
        hint="",
        kind_hint="",
        infinite=False,
    ):
        self.kind, self.low, self.high, self.low_open, self.high_open = kind, low, high, low_open, high_open
        self.hint, self.kind_hint, self.infinite = hint, kind_hint, infinite
        words = []
        if low > -math.inf:
            words.append(f"{'greater than' if low_open else 'at least'} {low:,}")
        if high < SELDOM_MET:
            words.append(f"{'less than' if high_open else 'at most'} {high:,}")
        what = "an integer" if kind is int else "a number" if infinite else "a finite number"
        between = " of " if kind is int and words and not low_open else " "
        self.allowed = (what + between + " and ".join(words)).strip()

    def take(self, value):
        if isinstance(value, np.ndarray) and value.ndim == 0:
            value = value.item()
        wanted = numbers.Integral if self.kind is int else numbers.Real
        if isinstance(value, (bool, np.bool_)) or not isinstance(value, wanted):
            is_number = self.kind is int and isinstance(value, numbers.Real) and not isinstance(value, bool)
            written = is_number and math.isfinite(value) and value == value // 1
            raise Refused(ParameterTypeError, f"Write int({value!r})." if written else self.kind_hint)
        try:
            number = self.kind(value)
        except OverflowError:  # an integer beyond all floats
            raise Refused(ParameterValueError, self.hint) from None
        above = number > self.low if self.low_open else number >= self.low
        below = number < self.high if self.high_open else number <= self.high
        if not (above and below and (self.infinite or number - number == 0)):
            raise Refused(ParameterValueError, self.hint if below else f"{self.hint} The largest is {self.high:,}.")
        return number


class Flag(Constraint):
    """A truth value."""

    allowed = "True or False"

    def take(self, value):
        if isinstance(value, (bool, np.bool_)) or (isinstance(value, numbers.Integral) and value in (0, 1)):
            return bool(value)
        raise Refused(ParameterTypeError)


class Off(Constraint):
    """False, for something that is otherwise named."""

    allowed = "False"

    def take(self, value):
        if isinstance(value, (bool, np.bool_)) and not value:
            return False
        raise Refused(ParameterTypeError)


class Text(Constraint):
    """A string; an empty one only where that is said."""

    def __init__(self, allowed="a string", empty=False):
        self.allowed, self.empty = allowed, empty

    def take(self, value):
        if not isinstance(value, str):
            raise Refused(ParameterTypeError)
        if not (value or self.empty):
            raise Refused(ParameterValueError)
        return str(value)


class OneOf(Constraint):
    """One of some strings, in any case."""

    def __init__(self, *options):
        self.options = options
        quoted = [repr(option) for option in options]
        self.allowed = f"one of {', '.join(quoted)}" if len(quoted) > 1 else quoted[0]

    def take(self, value):
        if not isinstance(value, str):
            raise Refused(ParameterTypeError)
        for option in self.options:
            if option.lower() == value.lower():
                return option
        raise Refused(ParameterValueError, did_you_mean(value.lower(), self.options).strip())


class Optional(Constraint):
    """What another constraint takes, or None."""

    def __init__(self, constraint):
        self.constraint = constraint
        self.allowed = f"{constraint.allowed}, or None"

    def take(self, value):
        return None if value is None else self.constraint.take(value)


class AnyOf(Constraint):
    """What one of several constraints takes; the first that does decides its form."""

    def __init__(self, *constraints, allowed=None):
        self.constraints = constraints
        words = [c.allowed for c in constraints]
        self.allowed = allowed or " or ".join([", ".join(words[:-1]), words[-1]])

    def take(self, value):
        refusals = []
        for constraint in self.constraints:
            try:
                return constraint.take(value)
            except Refused as refusal:
                refusals.append(refusal)
        # The one that came furthest knows best what is wrong.
        raise max(refusals, key=lambda r: (bool(r.where), issubclass(r.error, ValueError), bool(r.hint)))


class Is(Constraint):
    """An object of built-in types, as it is."""

    def __init__(self, *types, allowed):
        self.types, self.allowed = types, allowed

    def take(self, value):
        if not isinstance(value, self.types):
            raise Refused(ParameterTypeError)
        return value


class Instance(Constraint):
    """An object of a class, which is told by its name: the table knows no other module.

    Parameters
    ----------
    *names : str
        ``package.Class``; the class itself may be in any module of the package.
    allowed : str
    hint : str
    """

    def __init__(self, *names, allowed, hint=""):
        self.names = [tuple(name.rsplit(".", 1)) for name in names]
        self.allowed, self.hint = allowed, hint

    def _is_one(self, cls):
        return any(
            base.__name__ == name and (base.__module__ or "").split(".")[0] == package
            for base in cls.__mro__
            for package, name in self.names
        )

    def take(self, value):
        if self._is_one(type(value)):
            return value
        is_class = isinstance(value, type) and self._is_one(value)
        raise Refused(ParameterTypeError, f"Make an instance: {value.__name__}(...)." if is_class else self.hint)


class Subclass(Instance):
    """A class derived from one that is told by its name."""

    def take(self, value):
        if isinstance(value, type) and self._is_one(value):
            return value
        raise Refused(ParameterTypeError, "Pass the class, not an instance." if self._is_one(type(value)) else "")


class Function(Constraint):
    """Something that can be called with some number of positional arguments; no class.

    Parameters
    ----------
    signature : str
        For the message, e.g. ``"(approx, losses, i)"``.
    hint : str
        What to do instead, for what cannot be called.
    """

    def __init__(self, signature, hint=""):
        self.signature, self.hint = signature, hint
        self.count = len([name for name in signature.strip("()").split(",") if name.strip()])
        self.allowed = f"a callable with signature {signature}"

    def take(self, value):
        if isinstance(value, type):
            raise Refused(ParameterTypeError, f"Make an instance: {value.__name__}(...).")
        if not callable(value):
            raise Refused(ParameterTypeError, self.hint)
        try:
            signature = inspect.signature(value)
        except (TypeError, ValueError):  # builtins have none
            return value
        try:
            signature.bind(*[None] * self.count)
        except TypeError as error:
            raise Refused(ParameterTypeError, f"It cannot be called with {self.count} arguments: {error}.") from None
        return value


class ListOf(Constraint):
    """A list, or anything that can be gone through once.

    Parameters
    ----------
    item : Constraint
    allowed : str, optional
    least : int
        Smallest number of items.
    single : bool
        Whether one item may stand for a list of it.
    """

    def __init__(self, item, allowed=None, least=0, single=False):
        self.item, self.least, self.single = item, least, single
        self.allowed = allowed or f"a list, each of its items {item.allowed}"

    def take(self, value):
        if self.single:
            try:
                return [self.item.take(value)]
            except Refused as refusal:
                if not is_listlike(value):
                    raise Refused(refusal.error, refusal.hint) from None
        if not is_listlike(value):
            raise Refused(ParameterTypeError)
        if isinstance(value, np.ndarray):
            value = value.ravel().tolist()
        items = []
        for position, part in enumerate(value):
            try:
                items.append(self.item.take(part))
            except Refused as refusal:
                raise refusal.inside(f" at position {position}", part) from None
        if len(items) < self.least:
            raise Refused(ParameterValueError)
        return items


class DictOf(Constraint):
    """A dict, or a list of pairs, in its order.

    Parameters
    ----------
    key, value : Constraint
    allowed : str, optional
    least : int
        Smallest number of entries.
    keep : bool
        Whether the dict is handed on as it is, for those that hold more than their entries.
    special : dict, optional
        Key -> constraint of its value, where that is not `value`.
    """

    def __init__(self, key, value, allowed=None, least=0, keep=False, special=None):
        self.key, self.value, self.least, self.keep, self.special = key, value, least, keep, special or {}
        self.allowed = allowed or f"a dict from {key.allowed} to {value.allowed}"

    def take(self, value):
        given = value
        if not hasattr(value, "items") or isinstance(value, type):
            pairs = isinstance(value, (list, tuple)) and len(value) > 0
            if self.keep or not (pairs and all(isinstance(v, tuple) and len(v) == 2 for v in value)):
                raise Refused(ParameterTypeError)
            value = dict(value)
        taken = OrderedDict()
        for name, part in value.items():
            try:
                taken[self.key.take(name)] = self._part(name, part)
            except Refused as refusal:
                raise refusal if refusal.where else refusal.inside(" as a key", name) from None
        if len(taken) < self.least:
            raise Refused(ParameterValueError)
        return given if self.keep else taken

    def _part(self, name, part):
        try:
            return (self.special.get(name, self.value) if self.special else self.value).take(part)
        except Refused as refusal:
            raise refusal.inside(f" for {shown(getattr(name, 'name', name))}", part) from None


class Array(Constraint):
    """Numbers: a number, a list or an array of them.

    Parameters
    ----------
    allowed : str
    ndim : int
        Smallest number of dimensions.
    """

    def __init__(self, allowed="a number or an array of numbers", ndim=0):
        self.allowed, self.ndim = allowed, ndim

    def take(self, value):
        try:
            array = np.asarray(value)
        except Exception:  # what NumPy makes of foreign objects can fail in any way
            raise Refused(ParameterTypeError) from None
        if array.dtype.kind not in "biuf" or hasattr(value, "owner"):
            raise Refused(ParameterTypeError)
        if array.ndim < self.ndim:
            raise Refused(ParameterValueError)
        return value


class Path(Constraint):
    """Where a file is."""

    allowed = "a path as a string or os.PathLike"

    def take(self, value):
        if not isinstance(value, (str, os.PathLike)):
            raise Refused(ParameterTypeError)
        text = os.fspath(value)
        if not text or "\0" in str(text):
            raise Refused(ParameterValueError)
        return value


class Raising(Constraint):
    """What another constraint takes, refused with an error of one's own."""

    def __init__(self, constraint, error):
        self.constraint, self.error, self.allowed = constraint, error, constraint.allowed

    def take(self, value):
        try:
            return self.constraint.take(value)
        except Refused as refusal:
            raise Refused(self.error, refusal.hint, refusal.where, refusal.value) from None
