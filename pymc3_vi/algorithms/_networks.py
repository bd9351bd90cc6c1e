"""Likelihoods that are networks: what a row meets has layers of unknown values."""

from theano.graph.basic import io_toposort
from theano.tensor.basic import Dot
from theano.tensor.blas import BatchedDot
from theano.tensor.subtensor import AdvancedSubtensor, AdvancedSubtensor1

__all__ = ["is_network"]

_PRODUCTS = (Dot, BatchedDot)

#: Ops after which an element of a row's result depends on several unknown values, or on its own ones.
_MIXING = (*_PRODUCTS, AdvancedSubtensor, AdvancedSubtensor1)


def is_network(model, view):
    r"""Whether a row goes through a matrix product with unknown values, and what comes of it through another.

    Such a log density, that of :math:`f(x W_1) W_2` or of a low rank :math:`x U V`, keeps its value when hidden units
    change places or signs.  Its optimum is one of very many, none of which fixed draws and second derivatives reach
    in less time than minibatches take to come as close.

    Parameters
    ----------
    model : RowModel
    view : ModelView

    Returns
    -------
    bool
    """
    return any(_has_layers(part, view.free) for part in model.parts)


def _has_layers(part, free):
    rows, unknown, mixed = set(part.inputs), set(free), set()
    for node in io_toposort([*part.inputs, *free], [part.node]):
        of = [
            {name for name, group in (("rows", rows), ("unknown", unknown), ("mixed", mixed)) if v in group}
            for v in node.inputs
        ]
        mixes = isinstance(node.op, _MIXING) and {"rows", "unknown"} <= set().union(*of)
        if isinstance(node.op, _PRODUCTS) and any("mixed" in x for x in of) and all("unknown" in x for x in of):
            return True
        for name, group in (("rows", rows), ("unknown", unknown), ("mixed", mixed)):
            if any(name in x for x in of) or (group is mixed and mixes):
                group.update(node.outputs)
    return False
