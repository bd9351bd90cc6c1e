"""Recursions by ``theano.scan`` whose steps are elementwise expressions become one loop in C."""

import functools

from theano.compile.mode import optdb
from theano.graph.basic import Constant
from theano.graph.fg import FunctionGraph
from theano.graph.opt import local_optimizer
from theano.graph.optdb import Query
from theano.scan.op import Scan
from theano.tensor.basic import Alloc
from theano.tensor.elemwise import DimShuffle, Elemwise

from ._loop_groups import is_plain, scalar_constant
from .ops import Instruction, Literal, ScanLoop, State
from .ops._scalar_code import scalar_expression, supported_dtypes

__all__ = ["local_scan_in_c"]

#: Rewrites that make no graph of expressions, or one that is harder to read.
_UNWANTED = ["inplace", "fusion", "scan", "BlasOpt", "local_fill_to_alloc"]


@functools.lru_cache(maxsize=None)
def _simplification():
    return optdb.query(Query(include=["fast_run"], exclude=_UNWANTED))


@local_optimizer([Scan])
def local_scan_in_c(fgraph, node):
    """A scan whose values are numbers, or vectors along one batch, without a call of Python in each step."""
    op = node.op
    if not isinstance(op, Scan) or op.as_while or op.n_shared_outs:
        return None
    if not all(_is_number_or_lanes(v) for v in (*op.inputs, *op.outputs)):
        return None
    if [x.dtype for x in _read(op, node)] != [x.dtype for x in op.inputs]:
        return None
    graph = FunctionGraph(op.inputs, op.outputs, clone=True)
    _simplification().optimize(graph)
    step = _Step(graph)
    results = tuple(step.argument(v) for v in graph.outputs)
    if step.failed:
        return None
    states = tuple(
        State(tuple(taps), tuple(op.mit_mot_out_slices[k]) if k < op.n_mit_mot else ())
        for k, taps in enumerate(op.tap_array[: op.n_outs])
    )
    new = tuple((x.dtype, tuple(x.broadcastable[1:])) for x in node.outputs[op.n_outs :])
    count = len(op.inputs)
    loop = ScanLoop(op.n_seqs, states, new, step.instructions(count), tuple(step.number(a, count) for a in results))
    return loop(*node.inputs, *step.constants, return_list=True)


def _is_number_or_lanes(variable):
    return getattr(variable, "ndim", 2) <= 1 and variable.dtype in supported_dtypes


def _read(op, node):
    """The outer variable that each input of a step is a part of."""
    sequences, states = node.inputs[1 : 1 + op.n_seqs], node.inputs[1 + op.n_seqs :][: op.n_outs]
    taps = [x for x, taps in zip(states, op.tap_array) for _ in taps]
    return [*sequences, *taps, *node.inputs[1 + op.n_seqs + op.n_outs + op.n_nit_sot :]]


class _Step:
    """One step of a recursion as instructions on numbers."""

    def __init__(self, graph):
        self._inputs = {v: k for k, v in enumerate(graph.inputs)}
        self._steps, self._step_of = [], {}
        self.constants, self.failed = [], False
        for node in graph.toposort():
            self._add(node)

    def _add(self, node):
        op, (out, *more) = node.op, node.outputs
        if self.failed or more or not _is_number_or_lanes(out):
            self.failed = True
        elif isinstance(op, (DimShuffle, Alloc)):  # the same numbers
            self._step_of[out] = self.argument(node.inputs[0])
        elif isinstance(op, Elemwise):
            arguments = [self.argument(v) for v in node.inputs]
            dtypes = [v.dtype for v in node.inputs]
            values = [a.value if isinstance(a, Literal) else None for a in arguments]
            names = [str(a) for a in arguments]
            if scalar_expression(op.scalar_op, names, dtypes, out.dtype, values) is None:
                self.failed = True
                return
            self._step_of[out] = ("step", len(self._steps))
            self._steps.append((op.scalar_op, arguments, out.dtype))
        else:
            self.failed = True

    def argument(self, variable):
        """("step", number), ("input", number) or a Literal."""
        if variable in self._step_of:
            return self._step_of[variable]
        if variable in self._inputs:
            return ("input", self._inputs[variable])
        if not isinstance(variable, Constant):
            self.failed = True
            return Literal(0, "int8")
        number = scalar_constant(variable)
        if number is not None and is_plain(number):
            return Literal(number.item(), variable.dtype)
        self._inputs[variable] = len(self._inputs)
        self.constants.append(variable)
        return ("input", self._inputs[variable])

    def number(self, argument, count):
        """What an argument is called in Instructions of a step with `count` inputs of its own."""
        if isinstance(argument, Literal):
            return argument
        kind, position = argument
        return position if kind == "input" else count + len(self.constants) + position

    def instructions(self, count):
        """All :class:`Instruction`."""
        return tuple(
            Instruction(op, tuple(self.number(a, count) for a in arguments), dtype)
            for op, arguments, dtype in self._steps
        )
