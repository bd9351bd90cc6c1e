"""Rules for Ops that contain a graph."""

from collections import OrderedDict, namedtuple

import theano
import theano.tensor as tt
from theano.compile.builders import OpFromGraph
from theano.scan.op import Scan
from theano.scan.utils import scan_args as ScanArguments

from ._graph import vectorize_operands
from ._rules import NoBatchRule, Operand, Unbatched, inside_loop, require_unbatched, rule

#: One state of a loop: `initial` Operand, `inner` variables (one per tap) and the inner `update`.
_State = namedtuple("_State", "initial, inner, update")


@rule.register(OpFromGraph)
def _op_from_graph(op, node, operands, batch):
    # The inner graph takes the node's place; gradients that the Op overrides are those of its graph then.
    shared = {i: o.variable for i, o in zip(op.local_inputs, operands) if not o.batched}
    outputs = theano.clone(op.local_outputs, shared) if shared else op.local_outputs
    stand_ins = {i: o.variable for i, o in zip(op.local_inputs, operands) if o.batched}
    return _results(vectorize_operands(outputs, stand_ins))


def _results(operands):
    return [o.variable if o.batched else Unbatched(o.variable) for o in operands]


def _swap(x):
    """Exchange of the first two axes, which are time and batch."""
    return x.dimshuffle(1, 0, *range(2, x.ndim))


def _stand_in(variable):
    return tt.TensorType(variable.dtype, (False,) + tuple(variable.broadcastable))()


def _batched_states(states, inputs, outputs):
    """Which states depend on the batch, as flags, with the rewritten inner outputs and their inputs.

    A state does if its initial value or its update does; since an update may read other states, this is a fixed point.
    """
    flags = [state.initial.batched for state in states]
    while True:
        stand_ins = OrderedDict((inner, _stand_in(inner)) for operand, inner in inputs if operand.batched)
        for state, flag in zip(states, flags):
            if flag:
                stand_ins.update((inner, _stand_in(inner)) for inner in state.inner)
        token = inside_loop.set(True)
        try:
            rewritten = vectorize_operands(outputs, stand_ins)
        finally:
            inside_loop.reset(token)
        found = dict(zip(outputs, rewritten))
        grown = [flag or found[state.update].batched for flag, state in zip(flags, states)]
        if grown == flags:
            return flags, rewritten, stand_ins
        flags = grown


@rule.register(Scan)
def _scan(op, node, operands, batch):
    # Time stays the first axis and the batch becomes the second, so that the loop keeps its number of steps.
    info = op.info
    if info.get("as_while"):
        raise NoBatchRule("it stops on a condition")
    if info.get("n_mit_mot"):
        raise NoBatchRule("it is the gradient of a loop")
    parts = ScanArguments(operands, node.outputs, op.inputs, op.outputs, info)
    require_unbatched([parts.n_steps] + list(parts.outer_in_nit_sot), "number of steps")
    require_unbatched(parts.outer_in_shared, "shared variable")
    # `parts` cloned the inner graph, so its variables count, not those of the Op.
    states = [
        _State(*state) for state in zip(parts.outer_in_mit_sot, parts.inner_in_mit_sot, parts.inner_out_mit_sot)
    ] + [
        _State(initial, [inner], update)
        for initial, inner, update in zip(parts.outer_in_sit_sot, parts.inner_in_sit_sot, parts.inner_out_sit_sot)
    ]
    sequences = list(zip(parts.outer_in_seqs, parts.inner_in_seqs))
    constants = list(zip(parts.outer_in_non_seqs, parts.inner_in_non_seqs))
    outputs = parts.inner_outputs
    flags, rewritten, stand_ins = _batched_states(states, sequences + constants, outputs)

    # States come first among the outputs, and a batched one needs a batched update.
    inner_batch = next(iter(stand_ins.values())).shape[0]
    state_flags = dict(zip((state.update for state in states), flags))
    results = [
        Operand(operand.filled(inner_batch), True) if state_flags.get(output) else operand
        for output, operand in zip(outputs, rewritten)
    ]
    unchanged = {inner: inner.clone() for inner in parts.inner_inputs if inner not in stand_ins}
    inner_outputs = theano.clone([result.variable for result in results], unchanged)
    inner_inputs = [stand_ins.get(inner) or unchanged[inner] for inner in parts.inner_inputs]

    outer = [parts.n_steps.variable]
    outer += [_swap(o.variable) if o.batched else o.variable for o in parts.outer_in_seqs]
    outer += [
        _swap(state.initial.filled(batch)) if flag else state.initial.variable for state, flag in zip(states, flags)
    ]
    rest = list(parts.outer_in_shared) + list(parts.outer_in_nit_sot) + list(parts.outer_in_non_seqs)
    outer += [operand.variable for operand in rest]
    found = Scan(inner_inputs, inner_outputs, OrderedDict(info))(*outer, return_list=True)
    return [_swap(x) if result.batched else Unbatched(x) for x, result in zip(found, results)]
