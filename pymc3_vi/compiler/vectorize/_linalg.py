"""Rules for linear algebra: one node that runs an Op over the batch."""

import numpy as np
import theano
import theano.tensor as tt
from theano.gradient import DisconnectedType
from theano.graph.basic import Apply
from theano.graph.op import Op
from theano.tensor import nlinalg, slinalg
from theano.tensor.basic import ShapeError

from .._undefined import UNDEFINED, as_undefined
from ._graph import vectorize_graph
from ._rules import rule
from ._stacked import stacked

__all__ = ["Blockwise", "blockwise"]


class Blockwise(Op):
    r"""An Op for single matrices, applied along a leading axis.

    Its gradient is that of the single Op, rewritten for the batch, so that no loop appears in gradient graphs.  Where
    the Op has no value at some elements, those are NaN and the others are what they are; an error is raised where it
    has none at all.

    Parameters
    ----------
    core_op : Op
        Works on tensors, in Python.
    batched : tuple of bool
        Which of its inputs have the leading axis; the others are shared.
    """

    __props__ = ("core_op", "batched")

    def __init__(self, core_op, batched):
        self.core_op, self.batched = core_op, tuple(batched)

    def __str__(self):
        return f"Blockwise{{{self.core_op}}}"

    def _core_node(self, inputs):
        """The single Op applied to placeholders."""
        return self.core_op.make_node(
            *[
                tt.TensorType(x.dtype, x.broadcastable[1:] if batched else x.broadcastable)()
                for x, batched in zip(inputs, self.batched)
            ]
        )

    def make_node(self, *inputs):
        inputs = [tt.as_tensor_variable(x) for x in inputs]
        outputs = self._core_node(inputs).outputs
        return Apply(self, inputs, [tt.TensorType(o.dtype, (False,) + tuple(o.broadcastable))() for o in outputs])

    def infer_shape(self, fgraph, node, shapes):
        batch = next(shape[0] for shape, batched in zip(shapes, self.batched) if batched)
        core = [tuple(shape[1:]) if batched else tuple(shape) for shape, batched in zip(shapes, self.batched)]
        if isinstance(self.core_op, (slinalg.Cholesky, nlinalg.MatrixInverse, nlinalg.EighGrad)):
            found = [core[0]]
        elif isinstance(self.core_op, slinalg.Solve):
            found = [(core[0][1],) + core[1][1:]]
        elif all(output.ndim == 1 for output in node.outputs):
            found = [()] * len(node.outputs)
        else:
            raise ShapeError()
        return [(batch,) + tuple(shape) for shape in found]

    def perform(self, node, inputs, output_storage):
        empty = not len(inputs[self.batched.index(True)])
        try:
            result = None if empty else stacked(self.core_op, self.batched, *inputs)
        except UNDEFINED:  # at one of them at least
            result = None
        results = self._one_by_one(node, inputs) if result is None else [result]
        for cell, result, variable in zip(output_storage, results, node.outputs):
            cell[0] = np.asarray(result, dtype=variable.dtype)

    def _one_by_one(self, node, inputs):
        core = self._core_node(node.inputs)
        count, found, stop = len(inputs[self.batched.index(True)]), {}, None
        for s in range(count):
            cells = [[None] for _ in core.outputs]
            try:
                self.core_op.perform(core, [x[s] if batched else x for x, batched in zip(inputs, self.batched)], cells)
            except Exception as error:
                stop = as_undefined(error)
                if stop is None:
                    raise
            else:
                found[s] = [np.asarray(cell[0]) for cell in cells]
        if not found and stop is not None:
            raise stop
        if not found:  # of an empty batch nothing is known but the number of dimensions
            return [np.zeros((0,) * o.ndim, o.dtype) for o in node.outputs]
        nothing = [np.full(x.shape, np.nan, x.dtype) for x in next(iter(found.values()))] if len(found) < count else []
        return [np.stack(values) for values in zip(*[found.get(s, nothing) for s in range(count)])]

    def L_op(self, inputs, outputs, output_grads):
        core = self._core_node(inputs)
        core_grads = [
            g.type() if isinstance(g.type, DisconnectedType) else output.type()
            for g, output in zip(output_grads, core.outputs)
        ]
        grads = self.core_op.L_op(core.inputs, core.outputs, core_grads)
        stand_ins = {old: x for old, x, batched in zip(core.inputs, inputs, self.batched) if batched}
        stand_ins.update(zip(core.outputs, outputs))
        stand_ins.update(
            (old, g) for old, g in zip(core_grads, output_grads) if not isinstance(g.type, DisconnectedType)
        )
        shared = {old: x for old, x, batched in zip(core.inputs, inputs, self.batched) if not batched}
        results = []
        for grad, batched in zip(grads, self.batched):
            if hasattr(grad.type, "ndim"):
                grad = vectorize_graph(theano.clone(grad, shared) if shared else grad, stand_ins)
                grad = grad if batched else grad.sum(axis=0)
            results.append(grad)
        return results


def blockwise(op, node, operands, batch):
    """Rule for an Op on tensors that has Python code: run it over the batch inside one node.

    It is registered with ``rule.register(MyOp)(blockwise)``.
    """
    return Blockwise(op, [operand.batched for operand in operands])(
        *[operand.variable for operand in operands], return_list=True
    )


for _op_type in (
    slinalg.Cholesky,
    slinalg.Solve,
    slinalg.Eigvalsh,
    slinalg.EigvalshGrad,
    slinalg.Expm,
    slinalg.ExpmGrad,
    nlinalg.MatrixInverse,
    nlinalg.MatrixPinv,
    nlinalg.Det,
    nlinalg.Eig,  # and Eigh, a subclass
    nlinalg.EighGrad,
    nlinalg.SVD,
    nlinalg.QRFull,
    nlinalg.QRIncomplete,
    nlinalg.TensorInv,
    nlinalg.TensorSolve,
):
    rule.register(_op_type)(blockwise)
rule.register(Blockwise)(blockwise)  # batches of batches: many points of many data sets
