"""Which family serves a name, a flow formula or a dict of parameters."""

from ..errors import GroupError, ParameterTypeError, ParametrizationError, UnknownNameError
from ..registry import Registry

__all__ = ["FAMILIES", "register_family", "family_for_name", "family_for_params"]

#: Families of groups by name and alias.
FAMILIES = Registry("variational family")


def register_family(cls):
    """Class decorator: make a group class known by its ``short_name``, ``alias_names`` and parameter names."""
    return FAMILIES.register(cls.short_name, cls, aliases=tuple(cls.alias_names))


def family_for_name(name):
    """Group class for a family name, alias or flow formula."""
    if not isinstance(name, str):
        raise ParameterTypeError(f"The 'vfam' parameter of Group must be a string. Got {name!r} instead.")
    if name not in FAMILIES:
        for _, cls in FAMILIES.items():
            if cls.accepts_name(name):
                return cls
    try:
        return FAMILIES.get(name)
    except UnknownNameError as error:
        raise UnknownNameError(f"The 'vfam' parameter of Group names no family: {error}") from None


def family_for_params(params):
    """Group class whose parameters have exactly the keys of `params`."""
    if not isinstance(params, dict):
        raise ParameterTypeError(f"The 'params' parameter of Group must be a dict. Got {params!r} instead.")
    for _, cls in FAMILIES.items():
        if cls.accepts_params(params):
            return cls
    known = {name: sorted(s.name for s in cls.param_specs) for name, cls in FAMILIES.items() if cls.param_specs}
    raise _NoFamilyError(
        f"No variational family has the parameters {sorted(map(str, params))}. Known: {known}, "
        "and for flows a dict {0: {...}, 1: {...}} with one dict of parameters per step."
    )


class _NoFamilyError(ParametrizationError, GroupError, KeyError):
    """Raised for a `params` dict of no family; also a KeyError, which PyMC3 raises here."""

    def __str__(self):
        return str(self.args[0])
