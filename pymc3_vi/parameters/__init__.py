"""What every parameter of the package takes: one table, from which checks, messages and documentation come."""

from ._checked import check, checked, entry_name
from ._constraints import Constraint, Interval, Refused
from ._graphs import SymbolicScalar
from ._optimizing import LOSS_OR_GRADS, PARAMS
from ._page import as_markdown
from ._table import PARAMETERS

__all__ = [
    "Constraint",
    "Interval",
    "LOSS_OR_GRADS",
    "PARAMETERS",
    "PARAMS",
    "Refused",
    "SymbolicScalar",
    "as_markdown",
    "check",
    "checked",
    "entry_name",
]
