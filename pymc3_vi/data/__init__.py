"""Rows of data: where they are, and how a few or all of them are read."""

from ._table import SharedColumn, Table

__all__ = ["SharedColumn", "Table"]
