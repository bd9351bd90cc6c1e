"""Graph rewrites that are active only in functions of the island engine."""
from theano.graph.opt import in2out, local_optimizer
from theano.tensor.basic import AllocDiag, ExtractDiag
from theano.tensor.slinalg import Cholesky, Solve

from ..graph._linear_algebra import converted
from ..graph.vectorize import Blockwise

__all__ = ["REWRITES"]


@local_optimizer([Cholesky, Solve, ExtractDiag, AllocDiag, Blockwise])
def local_linear_algebra_in_c(fgraph, node):
    """Ops that Theano runs in Python become Ops with C code."""
    replacement = converted(node)
    return None if replacement is None else [replacement]


#: pairs of a graph rewrite and its position among Theano's (specialization is at 2, fusion at 49, in-place from 50 on)
REWRITES = [
    (in2out(local_linear_algebra_in_c, name="linear_algebra_in_c"), 2.1),
]
