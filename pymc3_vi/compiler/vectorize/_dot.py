"""Rules for matrix products: one BLAS call where a shared factor meets a batch."""

import theano.tensor as tt
from theano.sparse.basic import Dot as SparseDot
from theano.sparse.basic import StructuredDot
from theano.tensor.basic import Dot
from theano.tensor.blas import BatchedDot

from ..ops import BatchMatmul, TrilMatVec, batch_matmul
from ._rules import NoBatchRule, inside_loop, is_tensor, rule
from ._shape import merge_axes


def _batch_meets_shared(x, y, batch):
    # (S, k) . y, or (S, n, k) . y as one product of S * n rows.
    if x.core_ndim == 1:
        return tt.dot(x.variable, y.variable)
    if inside_loop.get():
        product = batch_matmul(x.variable, y.variable if y.core_ndim == 2 else y.variable.dimshuffle(0, "x"))
        return product if y.core_ndim == 2 else product.dimshuffle(0, 1)
    rows = tt.dot(merge_axes(x.variable), y.variable)
    return rows.reshape([batch, x.variable.shape[1]] + y.core_shape[1:], ndim=1 + y.core_ndim)


def _shared_meets_batch(x, y, batch):
    if y.core_ndim == 1:
        return tt.dot(y.variable, x.variable.T if x.core_ndim == 2 else x.variable)
    if x.core_ndim == 1 and inside_loop.get():
        return batch_matmul(x.variable.dimshuffle("x", 0), y.variable).dimshuffle(0, 2)
    if x.core_ndim == 1:
        transposed = y.variable.dimshuffle(0, 2, 1)
        return tt.dot(merge_axes(transposed), x.variable).reshape((batch, transposed.shape[1]), ndim=2)
    return batch_matmul(x.variable, y.variable)


def _batch_meets_batch(x, y):
    if x.core_ndim == 1 and y.core_ndim == 1:
        return tt.sum(x.variable * y.variable, axis=1)
    left = x.variable if x.core_ndim == 2 else x.variable.dimshuffle(0, "x", 1)
    right = y.variable if y.core_ndim == 2 else y.variable.dimshuffle(0, 1, "x")
    product = batch_matmul(left, right)
    if y.core_ndim == 1:
        return product.dimshuffle(0, 1)
    return product.dimshuffle(0, 2) if x.core_ndim == 1 else product


@rule.register(Dot)
def _dot(op, node, operands, batch):
    x, y = operands
    if node.outputs[0].dtype.startswith("complex"):
        raise NoBatchRule("it is complex")
    if not y.batched:
        return [_batch_meets_shared(x, y, batch)]
    return [_batch_meets_batch(x, y) if x.batched else _shared_meets_batch(x, y, batch)]


@rule.register(SparseDot)
@rule.register(StructuredDot)
def _sparse_dot(op, node, operands, batch):
    # One product with the shared sparse matrix, whose other factor holds the batch side by side.
    x, y = operands
    if x.batched and y.batched:
        raise NoBatchRule("both of its factors depend on the batch")
    if not is_tensor(node.outputs[0]):
        raise NoBatchRule("its result is sparse")
    if y.batched and y.core_ndim == 1:
        return [op(x.variable, y.variable.T).T]
    if y.batched:
        columns = y.variable.dimshuffle(1, 0, 2).reshape((y.variable.shape[1], -1), ndim=2)
        product = op(x.variable, columns)
        return [product.reshape((product.shape[0], batch, y.variable.shape[2]), ndim=3).dimshuffle(1, 0, 2)]
    if x.core_ndim == 1:
        return [op(x.variable, y.variable)]
    product = op(merge_axes(x.variable), y.variable)
    shape = [batch, x.variable.shape[1]] + [product.shape[i] for i in range(1, product.ndim)]
    return [product.reshape(shape, ndim=product.ndim + 1)]


def _stacks(operands, batch):
    """The operands as stacks (S * B, n, k) with their common B."""
    parts = [operand.filled(batch) for operand in operands]
    # A stack of one matrix is used for every matrix of the other stack.
    sizes = [part.shape[1] for part in parts if not part.broadcastable[1]]
    size = sizes[0] if sizes else parts[0].shape[1]
    repeated = [
        tt.alloc(p, batch, size, *[p.shape[i] for i in range(2, p.ndim)]) if sizes and p.broadcastable[1] else p
        for p in parts
    ]
    return [merge_axes(part) for part in repeated], size


@rule.register(BatchMatmul)
def _batch_matmul(op, node, operands, batch):
    (a, b), size = _stacks(operands, batch)
    return [op(a, b).reshape((batch, size, a.shape[1], b.shape[2]), ndim=4)]


@rule.register(BatchedDot)
def _batched_dot(op, node, operands, batch):
    # Not by BatchedDot itself: its C code does not link without a system BLAS.
    (a, b), size = _stacks(operands, batch)
    left = a if a.ndim == 3 else a.dimshuffle(0, "x", 1)
    right = b if b.ndim == 3 else b.dimshuffle(0, 1, "x")
    product = batch_matmul(left, right)
    shape = [batch, size]
    if a.ndim == 3:
        shape.append(a.shape[1])
    if b.ndim == 3:
        shape.append(b.shape[2])
    return [product.reshape(shape, ndim=len(shape))]


@rule.register(TrilMatVec)
def _tril_matvec(op, node, operands, batch):
    packed, x = operands
    if not packed.batched:
        if x.core_ndim == 1:
            return [op(packed.variable, x.variable)]
        return [op(packed.variable, merge_axes(x.variable)).reshape(x.variable.shape, ndim=3)]
    # A batch of triangles is written out: element (r, c) lies at r (r + 1) / 2 + c.
    d = x.variable.shape[-1]
    r, c = tt.arange(d).dimshuffle(0, "x"), tt.arange(d).dimshuffle("x", 0)
    inside = tt.le(c, r)
    position = tt.switch(inside, r * (r + 1) // 2 + c, 0)
    full = packed.variable[:, position.flatten()].reshape((batch, d, d), ndim=3)
    full = tt.switch(inside.dimshuffle("x", 0, 1), full, tt.zeros_like(full))
    rows = x.filled(batch)
    rows = rows.dimshuffle(0, "x", 1) if x.core_ndim == 1 else rows
    product = batch_matmul(rows, full if op.transpose else full.dimshuffle(0, 2, 1))
    return [product.dimshuffle(0, 2) if x.core_ndim == 1 else product]
