"""PyMC3's developer-facing names in the place where PyMC3 has them; defines nothing."""

from .core import Approximation, Group, ObjectiveFunction, ObjectiveUpdates, Operator
from .core import copy_test_value as try_to_set_test_value
from .core import family_for_name as group_for_short_name
from .core import family_for_params as group_for_params
from .errors import (
    AEVBInferenceError,
    BatchedGroupError,
    ExplicitInferenceError,
    GroupError,
    LocalGroupError,
    ParametrizationError,
    VariationalInferenceError,
)
from .graph import append_name, node_property
from .graph import collect_shared as collect_shared_to_list
from .test_functions import TestFunction

__all__ = [
    "ObjectiveFunction",
    "ObjectiveUpdates",
    "Operator",
    "TestFunction",
    "Group",
    "Approximation",
    "VariationalInferenceError",
    "ExplicitInferenceError",
    "AEVBInferenceError",
    "ParametrizationError",
    "GroupError",
    "BatchedGroupError",
    "LocalGroupError",
    "append_name",
    "node_property",
    "try_to_set_test_value",
    "collect_shared_to_list",
    "group_for_params",
    "group_for_short_name",
]
