"""Few passes over all rows, from a pilot on some of them: the default where a likelihood is a sum over minibatches."""

from ._passes import Passes
from ._rule import passes_for

__all__ = ["Passes", "passes_for"]
