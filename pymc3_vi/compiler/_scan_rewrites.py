"""Recursions by ``theano.scan`` whose steps are expressions of small arrays become one loop in C."""

import functools

from theano.compile.mode import optdb
from theano.graph.fg import FunctionGraph
from theano.graph.opt import local_optimizer
from theano.graph.optdb import Query
from theano.scan.op import Scan

from ._scan_sizes import Unsupported
from ._scan_step import Step, is_array, pattern
from .ops import State

__all__ = ["local_scan_in_c"]

#: Rewrites that make no graph of expressions, or one that is harder to read.
_UNWANTED = ["inplace", "fusion", "scan", "BlasOpt", "local_fill_to_alloc"]


@functools.lru_cache(maxsize=None)
def _simplification():
    return optdb.query(Query(include=["fast_run"], exclude=_UNWANTED))


@local_optimizer([Scan])
def local_scan_in_c(fgraph, node):
    """A scan whose steps are expressions, sums and products of arrays, without a call of Python in each step."""
    op = node.op
    if not isinstance(op, Scan) or op.as_while or op.n_shared_outs:
        return None
    if not all(is_array(v) for v in (*op.inputs, *op.outputs)):
        return None
    if any((x.dtype, pattern(x)[t:]) != (v.dtype, pattern(v)) for (x, t), v in zip(_read(op, node), op.inputs)):
        return None
    graph = FunctionGraph(op.inputs, op.outputs, clone=True)
    _simplification().optimize(graph)
    states = tuple(
        State(tuple(taps), tuple(op.mit_mot_out_slices[k]) if k < op.n_mit_mot else ())
        for k, taps in enumerate(op.tap_array[: op.n_outs])
    )
    try:
        step = Step(graph, op.n_seqs, states)
        new = tuple((x.dtype, tuple(x.broadcastable[1:])) for x in node.outputs[op.n_outs :])
        loop = step.loop(op.n_seqs, states, new)
    except Unsupported:
        return None
    return loop(*node.inputs, *step.constants, return_list=True)


def _read(op, node):
    """The outer variable that each input of a step is a part of, and whether time is its first axis."""
    sequences, states = node.inputs[1 : 1 + op.n_seqs], node.inputs[1 + op.n_seqs :][: op.n_outs]
    taps = [x for x, taps in zip(states, op.tap_array) for _ in taps]
    same = node.inputs[1 + op.n_seqs + op.n_outs + op.n_nit_sot :]
    return [(x, 1) for x in (*sequences, *taps)] + [(x, 0) for x in same]
