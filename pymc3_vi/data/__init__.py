"""Rows of data: where they are, and how a few or all of them are read."""

from ._columns import SharedColumn
from ._elsewhere import part_of, way_to
from ._loader import DataLoader, RowsVariable
from ._stored import RowsArray
from ._table import Table, spread_rows

__all__ = ["DataLoader", "RowsArray", "RowsVariable", "SharedColumn", "Table", "part_of", "spread_rows", "way_to"]
