"""Nodes without a rule: a loop over the batch for this node alone."""

import theano
import theano.tensor as tt
from theano.graph.basic import Constant
from theano.scalar import Scalar

from .._pattern import with_pattern
from ._rules import NoBatchRule, is_tensor

__all__ = ["scan_over_node"]


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
        outputs = node.clone_with_new_inputs(inputs, strict=False).outputs
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
