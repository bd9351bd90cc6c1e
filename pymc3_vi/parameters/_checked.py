"""The decorator that applies the table at the doors of the package."""

import functools
import inspect

from ..errors import ParameterTypeError
from ..validation import did_you_mean, shown
from ._constraints import Refused
from ._table import PARAMETERS

__all__ = ["check", "checked", "entry_name"]


def check(caller, parameter, constraint, value):
    """`value` as `constraint` takes it; an error in the package's standard sentence if it does not.

    Raises
    ------
    ParameterTypeError, ParameterValueError
        Or what the constraint says; all are VariationalInferenceErrors.
    """
    try:
        return constraint.take(value)
    except Refused as refusal:
        got = shown(refusal.value if refusal.where else value) + refusal.where
        message = f"The {parameter!r} parameter of {caller} must be {constraint.allowed}. Got {got} instead."
        raise refusal.error(f"{message} {refusal.hint}".rstrip()) from None


def entry_name(function):
    """Key of a function in the table: its qualified name, for a constructor that of the class."""
    return function.__qualname__.replace(".__init__", "").replace(".__call__", "()")


def checked(function=None, *, arrange=None):
    """Decorator: check what a function is given against its row in the table, before it runs.

    Arguments arrive in the form that their constraint gives them: NumPy integers as int, seeds as numbers, lists as
    lists.

    Parameters
    ----------
    arrange : callable, optional
        ``(args, kwargs) -> (args, kwargs)``, called first, for another order in which arguments may come.

    Raises
    ------
    TypeError
        While the package is imported, if the table lacks a parameter of the function, or has one too many.
    """
    if function is None:
        return functools.partial(checked, arrange=arrange)
    name = entry_name(function)
    last = name.rpartition(".")[2].replace("()", "")
    of_instance = function.__name__ in ("__init__", "__call__")
    signature = inspect.signature(function)
    rows = PARAMETERS.get(name, {})
    kinds = {p.kind: p.name for p in signature.parameters.values()}
    further = kinds.get(inspect.Parameter.VAR_KEYWORD)
    names = [n for n in signature.parameters if n not in ("self", "cls", further)]
    wrong = set(names) - set(rows) if further else set(names) ^ set(rows)
    if wrong:
        raise TypeError(f"The rows of {name} in pymc3_vi/parameters must be its parameters. They differ in {wrong}.")

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        caller = type(args[0]).__name__ if of_instance else last
        if arrange is not None:
            args, kwargs = arrange(args, kwargs)
        try:
            arguments = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise _wrong_call(caller, names, args, kwargs, error) from None
        given = arguments.arguments
        for part in (given, given.get(further)):
            for parameter in part or ():
                if parameter in rows:
                    part[parameter] = check(caller, parameter, rows[parameter], part[parameter])
        return function(*arguments.args, **arguments.kwargs)

    return wrapper


def _wrong_call(caller, names, args, kwargs, error):
    """What Python says of a call that does not fit the signature, in our words."""
    unknown = [name for name in kwargs if name not in names]
    words = f"{caller} cannot be called so: {error}."
    if unknown:
        words = f"{caller} got an unknown keyword {unknown[0]!r}.{did_you_mean(unknown[0], names)}"
    return ParameterTypeError(f"{words} It takes: {', '.join(names)}.")
