"""Many draws in one graph: every node works on a leading batch axis."""
from . import _dot, _elementwise, _indexing, _linalg, _matrices, _scan, _shape  # noqa: F401  (they register rules)
from ._driver import record_fallbacks, vectorize_graph
from ._linalg import Blockwise, blockwise
from ._rules import NoBatchRule, Operand, Unbatched, rule
from ._stacked import stacked

__all__ = [
    "Blockwise",
    "NoBatchRule",
    "Operand",
    "Unbatched",
    "blockwise",
    "record_fallbacks",
    "rule",
    "stacked",
    "vectorize_graph",
]
