"""Which flow serves a short name, or a dict of parameters."""

from ..errors import ParameterValueError, UnknownNameError
from ..registry import Registry

__all__ = ["FLOWS", "register_flow", "flow_for_short_name", "flow_for_params", "seems_like_flow_params"]

#: Flow classes by short name.
FLOWS = Registry("flow")


def _param_names(flow):
    return frozenset(spec.name for spec in flow.param_specs)


def register_flow(cls):
    """Class decorator: make a flow known by its ``short_name`` and by the names of its parameters.

    Parameters
    ----------
    cls : AbstractFlow subclass

    Returns
    -------
    cls

    Raises
    ------
    ValueError
        If the name is empty, taken, or has a character that formulas use, or if another flow has the same parameter
        names: a dict of parameters has to tell which flow it belongs to.
    """
    name = cls.short_name
    if not name or any(character in name for character in "-* "):
        raise ParameterValueError(
            f"The 'short_name' of {cls.__name__} must be a word without '-', '*' and blanks. Got {name!r} instead."
        )
    for other_name, other in FLOWS.items():
        if _param_names(other) == _param_names(cls) and other is not cls:
            raise ParameterValueError(
                f"The parameter names {sorted(_param_names(cls))} of {cls.__name__} are those of the flow "
                f"{other_name!r} already. Rename one."
            )
    return FLOWS.register(name, cls)


def flow_for_short_name(name):
    """Flow class called `name`; an unknown one raises UnknownNameError (a KeyError) with the closest match."""
    return FLOWS.get(name)


def flow_for_params(params):
    """Flow class whose parameters have exactly the keys of `params`.

    Raises
    ------
    UnknownNameError
        If there is none; the message lists the parameters of every flow.
    """
    names = frozenset(params)
    for _, flow in FLOWS.items():
        if _param_names(flow) == names:
            return flow
    known = ", ".join(f"{name}: {sorted(_param_names(flow))}" for name, flow in FLOWS.items())
    raise UnknownNameError(f"No flow has the parameters {sorted(map(str, names))}. Known: {known}.")


def seems_like_flow_params(params):
    """Whether `params` is a dict ``{0: {...}, 1: {...}, ...}`` with the parameters of one flow at each step."""
    if not isinstance(params, dict) or not params or set(params) != set(range(len(params))):
        return False
    known = {_param_names(flow) for _, flow in FLOWS.items()}
    return all(isinstance(step, dict) and frozenset(step) in known for step in params.values())
