"""Graph rewrites that are active only in functions of the island engine."""

from theano.graph.opt import in2out, local_optimizer
from theano.tensor.basic import AllocDiag, Dot, ExtractDiag, Eye
from theano.tensor.slinalg import Cholesky, Solve

from ._element_rewrites import (
    PutElementsInplace,
    local_elements_by_flat_index,
    local_elements_in_c,
    local_streams_side_by_side,
)
from ._linear_algebra import converted
from ._loop_fusion import FuseLoops, FuseLoopsInplace, local_sum_of_alloc
from ._loop_products import FuseProducts, local_gemv_apart
from ._pack_rewrites import CoarsePacks, local_parts_in_c
from ._scan_rewrites import local_scan_in_c
from .vectorize import Blockwise, MergeSlicedGraphs

__all__ = ["EXACT_REWRITES", "FAST_REWRITES", "PYTHON_REWRITES"]


@local_optimizer([Cholesky, Solve, Dot, ExtractDiag, AllocDiag, Eye, Blockwise])
def local_linear_algebra_in_c(fgraph, node):
    """Ops that Theano runs in Python become Ops with C code."""
    replacement = converted(node)
    return None if replacement is None else [replacement]


# Pairs of a graph rewrite and its position among Theano's: specialization is at 2, fusion at 49, in-place from 50 on.
#: Rewrites for functions that run in Python.
PYTHON_REWRITES = [
    # after equal nodes were merged, before anything else
    (CoarsePacks(), 0.5),
    # after the weights of gradients have been simplified, before elementwise nodes are fused
    (MergeSlicedGraphs(), 48.2),
]

#: Rewrites that change no result of an elementwise expression or sum in its last digit.
EXACT_REWRITES = PYTHON_REWRITES + [
    (in2out(local_linear_algebra_in_c, name="linear_algebra_in_c"), 2.1),
    (in2out(local_elements_by_flat_index, name="elements_by_flat_index"), 2.15),
    (in2out(local_elements_in_c, name="elements_in_c"), 48.6),
    (in2out(local_parts_in_c, name="parts_in_c"), 48.6),
    (in2out(local_streams_side_by_side, name="streams_side_by_side"), 48.6),
    (PutElementsInplace(), 60.5),
]

#: Those, and rewrites that take sums in another order and use vector forms of the exponential and its relatives.
FAST_REWRITES = EXACT_REWRITES + [
    (in2out(local_sum_of_alloc, name="sum_of_alloc"), 2.2),
    (in2out(local_gemv_apart, name="gemv_apart"), 48.3),
    (in2out(local_scan_in_c, name="scan_in_c"), 48.25),
    (FuseLoops(), 48.4),
    (FuseProducts(), 48.5),
    (FuseLoopsInplace(), 75.5),
]
