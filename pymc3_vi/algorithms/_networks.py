"""Likelihoods that are networks: what a row meets has layers of unknown values."""

import numpy as np
import theano.tensor as tt
from theano import scalar as ts
from theano.compile.sharedvalue import SharedVariable
from theano.graph.basic import Constant, ancestors, io_toposort
from theano.tensor.basic import Dot, Join, Reshape
from theano.tensor.blas import BatchedDot
from theano.tensor.elemwise import CAReduce, DimShuffle, Elemwise
from theano.tensor.subtensor import AdvancedSubtensor, AdvancedSubtensor1, Subtensor

__all__ = ["is_large_network", "is_network"]

#: Rows from which on a network of whole data is trained by stochastic gradients: with 2,000 rows and 80 or 620
#: weights these came to a better ELBO in a tenth of the time, with 500 and 620 to one worse by 2 nats in an eighth.
LARGE = 1000

_PRODUCTS = (Dot, BatchedDot)

_GATHERS = (AdvancedSubtensor, AdvancedSubtensor1)

#: Ops after which an element of a row's result depends on several unknown values, or on its own ones.
_MIXING = (*_PRODUCTS, *_GATHERS)

#: Ops through which a row stays a row.
_OF_ROWS = (*_MIXING, Elemwise, DimShuffle, Reshape, Join, Subtensor)


def is_network(model, view):
    r"""Whether a row goes through a matrix product with unknown values, and what comes of it through another.

    Such a log density, that of :math:`f(x W_1) W_2`, of a low rank :math:`x U V` or of factors
    :math:`\sum_k U_{ik} V_{jk}` of a row's own, keeps its value when hidden units change places or signs.  Its
    optimum is one of very many, none of which fixed draws and second derivatives reach in less time than stochastic
    gradients take to come as close.

    Parameters
    ----------
    model : RowModel
    view : ModelView

    Returns
    -------
    bool
    """
    return any(_has_layers(part.inputs, [part.node], view.free) for part in model.parts)


def is_large_network(view):
    """Whether the likelihood of whole data is a network of at least `LARGE` rows."""
    terms = [term.node for term in view.logp_terms() if term.kind != "prior"]
    rows = [v for v in ancestors(terms) if _is_table(v)]
    return bool(rows) and _has_layers(rows, terms, view.free)


def _is_table(variable):
    """Whether a variable has rows of numbers, or places of rows, and enough of them."""
    if not isinstance(variable, (Constant, SharedVariable)) or not hasattr(variable, "dtype"):
        return False
    if variable.ndim != (1 if variable.dtype in tt.discrete_dtypes else 2):
        return False
    value = variable.data if isinstance(variable, Constant) else variable.get_value(borrow=True)
    return np.shape(value)[0] >= LARGE


def _has_layers(inputs, outputs, free):
    groups = rows, unknown, mixed = set(inputs), set(free), set()
    for node in io_toposort([*inputs, *free], outputs):
        of_rows, of_unknown, of_mixed = ([v in group for v in node.inputs] for group in groups)
        if isinstance(node.op, _PRODUCTS) and any(of_mixed) and all(of_unknown):
            return True
        if _is_sum_of_factors(node, mixed):
            return True
        if any(of_unknown):
            unknown.update(node.outputs)
        if any(of_rows) and isinstance(node.op, _OF_ROWS):
            rows.update(node.outputs)
            if any(of_mixed) or (any(of_unknown) and isinstance(node.op, _MIXING)):
                mixed.update(node.outputs)
    return False


def _is_sum_of_factors(node, mixed):
    """Whether products of values that a row looks up in two places are summed along an axis."""
    (x, *_) = node.inputs or [None]
    if not isinstance(node.op, CAReduce) or not node.op.axis or len(node.op.axis) == x.ndim or x.owner is None:
        return False
    if not (isinstance(x.owner.op, Elemwise) and isinstance(x.owner.op.scalar_op, ts.Mul)):
        return False
    return sum(v in mixed and v.owner is not None and isinstance(v.owner.op, _GATHERS) for v in x.owner.inputs) > 1
