"""Which variables of a graph have the same shape, as far as its nodes say so."""

from functools import singledispatch

from theano.tensor.basic import Dot
from theano.tensor.blas import Dot22, Gemm, Gemv
from theano.tensor.elemwise import CAReduce, DimShuffle, Elemwise
from theano.tensor.subtensor import AdvancedIncSubtensor1, AdvancedSubtensor1, IncSubtensor

from .ops import BatchMatmul, MatVec, PutRows, SumRows, TakeRows, Unpack

__all__ = ["IterationSpaces"]


@singledispatch
def _equal_dimensions(op, node):
    """Pairs of dimensions, each a (variable, number), that have the same size; registered by the type of the Op."""
    return ()


@_equal_dimensions.register(Elemwise)
def _elementwise(op, node):
    out = node.outputs[0]
    for variable in [*node.inputs, *node.outputs[1:]]:
        for d in range(out.ndim):
            if not variable.broadcastable[d]:
                yield (variable, d), (out, d)


@_equal_dimensions.register(DimShuffle)
def _dimshuffle(op, node):
    for d, origin in enumerate(op.new_order):
        if origin != "x":
            yield (node.outputs[0], d), (node.inputs[0], origin)


@_equal_dimensions.register(CAReduce)
def _reduction(op, node):
    x = node.inputs[0]
    reduced = range(x.ndim) if op.axis is None else [axis % x.ndim for axis in op.axis]
    for d, origin in enumerate(axis for axis in range(x.ndim) if axis not in reduced):
        yield (node.outputs[0], d), (x, origin)


@_equal_dimensions.register(IncSubtensor)
@_equal_dimensions.register(PutRows)
@_equal_dimensions.register(AdvancedIncSubtensor1)
def _same_as_first(op, node):
    for d in range(node.outputs[0].ndim):
        yield (node.outputs[0], d), (node.inputs[0], d)


@_equal_dimensions.register(AdvancedSubtensor1)
def _rows(op, node):
    x, index = node.inputs
    yield (node.outputs[0], 0), (index, 0)
    for d in range(1, x.ndim):
        yield (node.outputs[0], d), (x, d)


@_equal_dimensions.register(Unpack)
def _parts(op, node):
    z = node.inputs[0]
    for part in node.outputs if z.ndim == 2 else ():
        yield (part, 0), (z, 0)


@_equal_dimensions.register(TakeRows)
def _taken_rows(op, node):
    (x, index, *_), (out,) = node.inputs, node.outputs
    yield (out, 0), (x, 0)
    yield (out, 1), (index, 0)
    for d in range(2, out.ndim):
        yield (out, d), (x, d - 1 + op.n_axes)


@_equal_dimensions.register(SumRows)
def _summed_rows(op, node):
    rows, out = node.inputs[0], node.outputs[0]
    yield (out, 0), (rows, 0)
    for d in range(2, rows.ndim):
        yield (out, d - 1 + op.n_axes), (rows, d)


@_equal_dimensions.register(Dot)
@_equal_dimensions.register(Dot22)
def _product(op, node):
    (a, b), (out,) = node.inputs, node.outputs
    if a.ndim == 2:
        yield (out, 0), (a, 0)
    if b.ndim == 2:
        yield (out, out.ndim - 1), (b, 1)


@_equal_dimensions.register(Gemv)
@_equal_dimensions.register(Gemm)
def _product_and_sum(op, node):
    z, _, a, b, _ = node.inputs
    yield from _same_as_first(op, node)
    yield (z, 0), (a, 0)
    if b.ndim == 2:
        yield (z, 1), (b, 1)


@_equal_dimensions.register(MatVec)
def _matrix_times_vector(op, node):
    (a, x), (out,) = node.inputs, node.outputs
    yield (out, 0), (a, 0)
    yield (x, 0), (a, 1)


@_equal_dimensions.register(BatchMatmul)
def _products(op, node):
    (a, b), (out,) = node.inputs, node.outputs
    for x in (a, b):
        if not x.broadcastable[0]:
            yield (out, 0), (x, 0)
    yield (out, 1), (a, 1)
    yield (out, 2), (b, 2)


class IterationSpaces:
    """Classes of dimensions of equal size.

    Parameters
    ----------
    nodes : list of Apply
    """

    def __init__(self, nodes):
        self._parents = {}
        for node in nodes:
            for a, b in _equal_dimensions(node.op, node):
                a, b = self._root(a), self._root(b)
                if a != b:
                    self._parents[a] = b

    def _root(self, dimension):
        parents = self._parents
        while dimension in parents:
            above = parents[dimension]
            if above in parents:
                parents[dimension] = parents[above]
            dimension = above
        return dimension

    def __call__(self, variable):
        """Tuple of the classes of the dimensions that are not broadcastable; equal tuples mean equal ranges."""
        return tuple(self._root((variable, d)) for d in range(variable.ndim) if not variable.broadcastable[d])
