"""Nodes without a rule: a loop over the batch for this node alone."""

import numpy as np
import theano
import theano.tensor as tt
from theano.compile.ops import FromFunctionOp
from theano.graph.basic import Apply, Constant, io_toposort
from theano.graph.op import COp, Op
from theano.scalar import Scalar

from .._pattern import with_pattern
from .._undefined import as_undefined
from ._rules import NoBatchRule, is_tensor

__all__ = ["scan_over_node"]


class NaNWhereUndefined(Op):
    """A user's Op in Python whose outputs are NaN where it raises that it has no value.

    So one element of a batch does not take the others with it; an Op outside a loop over a batch raises as ever.

    Parameters
    ----------
    op : Op
    """

    __props__ = ("op",)

    def __init__(self, op):
        self.op = op

    def __str__(self):
        return str(self.op)

    def make_node(self, *inputs):
        core = self.op.make_node(*inputs)
        node = Apply(self, core.inputs, [o.type() for o in core.outputs])
        node.tag.core, node.tag.shapes = core, None
        return node

    def connection_pattern(self, node):
        pattern = getattr(self.op, "connection_pattern", None)
        return [[True] * len(node.outputs) for _ in node.inputs] if pattern is None else pattern(node)

    def perform(self, node, inputs, output_storage):
        core = getattr(node.tag, "core", None) or self.op.make_node(*node.inputs)
        try:
            self.op.perform(core, inputs, output_storage)
        except Exception as error:
            shapes = getattr(node.tag, "shapes", None) or [self._guess(o, inputs) for o in node.outputs]
            if as_undefined(error) is None or None in shapes:
                raise
            for cell, variable, shape in zip(output_storage, node.outputs, shapes):
                cell[0] = np.full(shape, np.nan, dtype=variable.dtype)
        else:
            node.tag.shapes = [np.shape(cell[0]) for cell in output_storage]

    @staticmethod
    def _guess(output, inputs):
        """Shape of an output before there was any: a scalar's, or that of an input of so many dimensions; or None."""
        shapes = [()] + [np.shape(x) for x in inputs]
        return next((shape for shape in shapes if len(shape) == output.ndim), None)

    def L_op(self, inputs, outputs, output_grads):
        known = list(inputs) + list(outputs) + list(output_grads)
        grads = self.op.L_op(inputs, outputs, output_grads)
        new = {}
        for node in io_toposort(known, [g for g in grads if is_tensor(g)]):
            op, arguments = _quiet(node.op, node), [new.get(v, v) for v in node.inputs]
            if op is not node.op or any(a is not b for a, b in zip(arguments, node.inputs)):
                new.update(zip(node.outputs, op.make_node(*arguments).outputs))
        return [new.get(g, g) for g in grads]


def _quiet(op, node):
    """`op`, or its form that does not raise, if it is a user's in Python and all outputs are of floats."""
    in_python = not isinstance(op, (COp, NaNWhereUndefined)) and not type(op).__module__.startswith("theano.")
    floats = all(is_tensor(o) and o.dtype.startswith("float") for o in node.outputs)
    return NaNWhereUndefined(op) if (in_python or type(op) is FromFunctionOp) and floats else op


def _element(variable, old):
    """One element of a batch, as the input `old` of a node."""
    if isinstance(old.type, Scalar):
        return tt.scalar_from_tensor(variable)
    return with_pattern(variable, old.broadcastable)


def scan_over_node(node, operands, batch):
    """Outputs of `node` for every element of the batch, by `theano.scan`.

    Parameters and result are those of a rule.
    """
    for variable in list(node.outputs) + [i for i, operand in zip(node.inputs, operands) if operand.batched]:
        if not is_tensor(variable) and not isinstance(variable.type, Scalar):
            raise NoBatchRule(
                f"{node.op} cannot be rewritten for a batch: there is no rule for it, and a loop over the batch needs "
                f"tensors, while one of its inputs or outputs is {variable.type}."
            )
    looped = [k for k, operand in enumerate(operands) if operand.batched]
    shared = [k for k, o in enumerate(operands) if not o.batched and not isinstance(o.variable, Constant)]

    def one(*arguments):
        inputs = [operand.variable for operand in operands]
        for k, variable in zip(looped, arguments):
            inputs[k] = _element(variable, node.inputs[k])
        for k, variable in zip(shared, arguments[len(looped) :]):
            inputs[k] = variable
        op = _quiet(node.op, node)
        outputs = (node.clone_with_new_inputs(inputs, strict=False) if op is node.op else op.make_node(*inputs)).outputs
        return [o if is_tensor(o) else tt.tensor_from_scalar(o) for o in outputs]

    results, updates = theano.scan(
        one,
        sequences=[operands[k].variable for k in looped],
        non_sequences=[operands[k].variable for k in shared],
        n_steps=batch,
        name="loop_over_batch",
        return_list=True,
    )
    if updates:
        raise NoBatchRule(f"{node.op} cannot be rewritten for a batch: it updates shared variables.")
    return results
