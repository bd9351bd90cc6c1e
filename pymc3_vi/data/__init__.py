"""Rows of data: where they are, and how a few or all of them are read."""

from ._columns import SharedColumn
from ._loader import DataLoader, RowsVariable
from ._table import Table

__all__ = ["DataLoader", "RowsVariable", "SharedColumn", "Table"]
