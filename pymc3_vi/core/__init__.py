"""Interfaces of inference: groups, approximations, operators, objectives."""

from ._approximation import Approximation
from ._families import FAMILIES, family_for_name, family_for_params, register_family
from ._group import Group
from ._memory import draws_at_once
from ._objective import ObjectiveFunction, ObjectiveUpdates, StepOptions
from ._operator import Operator
from ._placeholders import copy_test_value
from ._recommended import parameter_digest
from ._sampling import CORRECTIONS, CorrectedPoints, find_correction
from ._starts import STARTS, Start, named_start
from ._terms import Terms

__all__ = [
    "Approximation",
    "FAMILIES",
    "family_for_name",
    "draws_at_once",
    "family_for_params",
    "register_family",
    "Group",
    "ObjectiveFunction",
    "ObjectiveUpdates",
    "StepOptions",
    "Operator",
    "copy_test_value",
    "CORRECTIONS",
    "CorrectedPoints",
    "find_correction",
    "parameter_digest",
    "STARTS",
    "Start",
    "named_start",
    "Terms",
]
