"""Graph rewrites that are active only in functions of the island engine."""
import numpy as np
import theano.tensor as tt
from theano.graph.basic import Constant
from theano.graph.opt import in2out, local_optimizer
from theano.tensor.basic import AllocDiag, ExtractDiag, Eye, NotScalarConstantError
from theano.tensor.slinalg import Cholesky, Solve
from theano.tensor.subtensor import AdvancedIncSubtensor, AdvancedSubtensor
from theano.tensor.subtensor import advanced_inc_subtensor1, advanced_set_subtensor1, advanced_subtensor1

from ..graph._linear_algebra import converted
from ..graph.vectorize import Blockwise
from ._loop_fusion import FuseLoops, FuseLoopsInplace, local_sum_of_alloc
from ._loop_products import FuseProducts, local_gemv_apart

__all__ = ["EXACT_REWRITES", "FAST_REWRITES"]


@local_optimizer([Cholesky, Solve, ExtractDiag, AllocDiag, Eye, Blockwise])
def local_linear_algebra_in_c(fgraph, node):
    """Ops that Theano runs in Python become Ops with C code."""
    replacement = converted(node)
    return None if replacement is None else [replacement]


@local_optimizer([AdvancedSubtensor, AdvancedIncSubtensor])
def local_elements_by_flat_index(fgraph, node):
    """Elements of a matrix of known shape at known places, by C code for vectors instead of Python code.

    Packed triangular matrices are read and written so.
    """
    writes = isinstance(node.op, AdvancedIncSubtensor)
    x, indices = node.inputs[0], node.inputs[2 if writes else 1 :]
    shape = _known_shape(fgraph, x) if x.ndim == 2 else None
    if shape is None or len(indices) != 2 or not all(_is_known_vector(index) for index in indices):
        return None
    rows, columns = np.broadcast_arrays(*[index.data.astype("int64") for index in indices])
    if not rows.size or rows.min() < 0 or columns.min() < 0 or rows.max() >= shape[0] or columns.max() >= shape[1]:
        return None
    places = tt.constant(rows * shape[1] + columns, dtype="int64")
    if not writes:
        return [tt.cast(advanced_subtensor1(x.flatten(), places), node.outputs[0].dtype)]
    value = node.inputs[1]
    if value.ndim != 1:
        return None
    if value.broadcastable[0] and len(rows) > 1:
        value = tt.alloc(value, len(rows))
    put = advanced_set_subtensor1 if node.op.set_instead_of_inc else advanced_inc_subtensor1
    result = put(x.flatten(), value, places).reshape(shape, ndim=2)
    return [tt.patternbroadcast(result, node.outputs[0].broadcastable)]


def _is_known_vector(index):
    return isinstance(index, Constant) and getattr(index, "ndim", None) == 1 and index.dtype.startswith("int")


def _known_shape(fgraph, x):
    """Shape as integers where it does not depend on inputs, else None."""
    shapes = getattr(fgraph, "shape_feature", None)
    if shapes is None or x not in shapes.shape_of:
        return None
    try:
        return tuple(int(tt.get_scalar_constant_value(n)) for n in shapes.shape_of[x])
    except NotScalarConstantError:
        return None


# Pairs of a graph rewrite and its position among Theano's: specialization is at 2, fusion at 49, in-place from 50 on.
#: Rewrites that change no result of an elementwise expression or sum in its last digit.
EXACT_REWRITES = [
    (in2out(local_linear_algebra_in_c, name="linear_algebra_in_c"), 2.1),
    (in2out(local_elements_by_flat_index, name="elements_by_flat_index"), 2.15),
]

#: Those, and rewrites that take sums in another order and use vector forms of the exponential and its relatives.
FAST_REWRITES = EXACT_REWRITES + [
    (in2out(local_sum_of_alloc, name="sum_of_alloc"), 2.2),
    (in2out(local_gemv_apart, name="gemv_apart"), 48.3),
    (FuseLoops(), 48.4),
    (FuseProducts(), 48.5),
    (FuseLoopsInplace(), 75.5),
]
