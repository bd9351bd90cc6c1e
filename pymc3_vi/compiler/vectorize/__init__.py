"""Many draws in one graph: every node works on a leading batch axis."""

from . import (  # noqa: F401  (they register rules)
    _dot,
    _elementwise,
    _indexing,
    _linalg,
    _matrices,
    _scan,
    _shape,
)
from ._budget import (
    BATCH_BUDGET_BYTES,
    CACHE_BUDGET_BYTES,
    FEWEST_ROWS,
    bytes_per_row,
    has_shared_products,
    rows_per_slice,
)
from ._graph import record_fallbacks, vectorize_graph
from ._linalg import Blockwise, blockwise
from ._merge_slices import MergeSlicedGraphs
from ._rules import NoBatchRule, Operand, Unbatched, rule
from ._slices import SlicedGraph, vectorize_in_slices
from ._stacked import stacked

__all__ = [
    "BATCH_BUDGET_BYTES",
    "Blockwise",
    "CACHE_BUDGET_BYTES",
    "FEWEST_ROWS",
    "MergeSlicedGraphs",
    "NoBatchRule",
    "Operand",
    "SlicedGraph",
    "Unbatched",
    "blockwise",
    "bytes_per_row",
    "has_shared_products",
    "record_fallbacks",
    "rows_per_slice",
    "rule",
    "stacked",
    "vectorize_graph",
    "vectorize_in_slices",
]
