"""Graph rewrites that turn elementwise expressions and sums into fused loops."""

import numpy as np
import theano.tensor as tt
from theano.compile.function.types import Supervisor
from theano.graph.basic import Constant
from theano.graph.destroyhandler import DestroyHandler
from theano.graph.fg import InconsistencyError
from theano.graph.opt import GlobalOptimizer, local_optimizer
from theano.tensor.basic import Alloc
from theano.tensor.elemwise import DimShuffle, Sum

from ._loop_groups import find_groups, is_plain, is_sum, scalar_constant
from .ops import FusedLoop, Instruction, Literal, LoopOutput

__all__ = ["FuseLoops", "FuseLoopsInplace", "local_sum_of_alloc"]

#: Largest size of a last axis whose indices are written out, and most instructions that this may make.
SHORT, WRITTEN_OUT = 8, 256


@local_optimizer([Sum])
def local_sum_of_alloc(fgraph, node):
    """The sum of n equal numbers is one product."""
    if type(node.op) is not Sum or node.outputs[0].ndim != 0:
        return None
    alloc = node.inputs[0].owner
    if alloc is None or not isinstance(alloc.op, Alloc) or not all(alloc.inputs[0].broadcastable):
        return None
    value, shape = alloc.inputs[0], alloc.inputs[1:]
    value = value.dimshuffle() if value.ndim else value
    dtype = node.outputs[0].dtype
    size = tt.cast(shape[0], dtype)
    for n in shape[1:]:
        size = size * tt.cast(n, dtype)
    # An empty sum is zero, also of infinite numbers.
    return [tt.switch(tt.eq(size, 0), tt.zeros((), dtype=dtype), tt.cast(value, dtype) * size)]


class FuseLoops(GlobalOptimizer):
    """Replaces groups of elementwise nodes and sums over the same range by one loop each."""

    def apply(self, fgraph):
        for group in find_groups(fgraph):
            for absorb in (True, False):
                loop = _LoopBuilder(fgraph, group, absorb)
                if loop.reads_transposes():
                    swapped = _LoopBuilder(fgraph, group, absorb, swapped=True)
                    loop = swapped if swapped.is_natural() else loop
                if loop.is_complete():
                    try:
                        fgraph.replace_all_validate(loop.replacements(), reason="fuse_loops")
                    except InconsistencyError:  # a node that destroys its input runs in between
                        pass
                    break


class FuseLoopsInplace(GlobalOptimizer):
    """Lets loops write their results over inputs that nobody needs any more."""

    def add_requirements(self, fgraph):
        fgraph.attach_feature(DestroyHandler())

    def apply(self, fgraph):
        protected = {v for f in fgraph._features if isinstance(f, Supervisor) for v in f.protected}
        protected.update(fgraph.outputs)
        for node in list(fgraph.toposort()):
            if isinstance(node.op, FusedLoop) and not node.op.inplace:
                self._apply_to(fgraph, node, protected)

    @staticmethod
    def _apply_to(fgraph, node, protected):
        op, pairs = node.op, ()
        choices = _overwritable(fgraph, node, protected)
        waiting = [_first_choices(choices)] if choices else []
        # All at once: every try replaces all results of the loop, of which unrolled recursions have thousands.
        while waiting:
            wanted = waiting.pop(0)
            new = FusedLoop(op.ndim, op.inputs, op.instructions, op.outputs, pairs + wanted, op.short)
            replacements = list(zip(node.outputs, new(*node.inputs, return_list=True)))
            try:
                fgraph.replace_all_validate(replacements, reason="fuse_loops_inplace")
            except InconsistencyError:
                half = len(wanted) // 2
                if half:
                    waiting[:0] = [wanted[:half], wanted[half:]]
                    continue
                ((k, position),) = wanted
                taken = [i for _, i in pairs + sum(waiting, ())]
                choices[k] = [i for i in choices[k] if i != position and i not in taken]
                waiting[:0] = [((k, choices[k][0]),)] if choices[k] else []
            else:
                pairs, node = new.inplace, replacements[0][1].owner


def _overwritable(fgraph, node, protected):
    """Results of a loop, and inputs that each could be written over, most welcome first: dict of numbers to lists."""
    # Results must stay, also where what could be overwritten is a view of one.
    origin, views, _ = fgraph.destroy_handler.refresh_droot_impact()
    kept = {origin.get(v, v) for v in protected}
    after = _nodes_after(fgraph, node)

    def is_free(x):
        root = origin.get(x, x)
        if isinstance(x, Constant) or root in kept or fgraph.has_destroyers([x]):
            return False
        readers = {client for v in (root, *views.get(root, ())) for client, _ in fgraph.clients[v]}
        return not readers & after  # what reads it must run before the loop

    free = [i for i, x in enumerate(node.inputs) if is_free(x)]
    # Shared variables that are updated come first: their old value dies with the step.
    free.sort(key=lambda i: node.inputs[i].owner is not None)
    found = {}
    for k, output in enumerate(node.op.outputs):
        fitting = [i for i in free if node.op.inputs[i] == output.axes and node.inputs[i].dtype == output.dtype]
        if fitting and not output.reduced:
            found[k] = fitting
    return found


def _first_choices(choices):
    """Pairs of a result and an input, each taken once."""
    pairs, taken = [], set()
    for k, fitting in choices.items():
        position = next((i for i in fitting if i not in taken), None)
        if position is not None:
            pairs.append((k, position))
            taken.add(position)
    return tuple(pairs)


def _nodes_after(fgraph, node):
    """Nodes that need a result of `node`."""
    found, pending = set(), list(node.outputs)
    while pending:
        for client, _ in fgraph.clients[pending.pop()]:
            if client != "output" and client not in found:
                found.add(client)
                pending.extend(client.outputs)
    return found


class _LoopBuilder:
    """Makes a FusedLoop of a group of nodes.

    Parameters
    ----------
    fgraph : FunctionGraph
    group : list of Apply
        In topological order.
    absorb : bool
        Read through nodes that only repeat a number; their shape is then not known to the loop.
    swapped : bool
        Of two axes, let the first one be the inner loop.
    """

    def __init__(self, fgraph, group, absorb, swapped=False):
        self.fgraph, self.group, self.absorb, self.swapped = fgraph, group, absorb, swapped
        self._inputs = {}  # (variable, axes) -> position
        self._steps = []  # (op, arguments, dtype); see _argument
        self._step_of = {}  # variable -> number of the step that computes it
        self._sums = {}  # node -> argument
        self._floats = {}  # constant of integers -> the same as floats
        self.ndim = max(axis for axis in _loop_axes(group[0]) if axis is not None) + 1
        for node in group:
            axes = self._axes(node)
            if is_sum(node):
                self._sums[node] = self._argument(node.inputs[0], axes)
            else:
                self._add_step(node, axes)

    def _axes(self, node):
        axes = _loop_axes(node)
        return tuple(None if axis is None else 1 - axis for axis in axes) if self.swapped else axes

    def reads_transposes(self):
        """Whether a matrix would have to be copied, because its rows are columns of what it is a view of."""
        return self.ndim == 2 and any(
            axes == (0, 1) and variable.owner is not None and isinstance(variable.owner.op, DimShuffle)
            for variable, axes in self._inputs
        )

    def is_natural(self):
        """Whether all matrices lie as they are read, and none is written."""
        outputs = [node for node in self.group if node not in self._sums and self._is_needed_outside(node.outputs[0])]
        read = [[axis for axis in axes if axis is not None] for _, axes in self._inputs]
        return not outputs and all(axes == sorted(axes) for axes in read)

    def is_complete(self):
        """Whether the inputs tell the size of every axis."""
        return {axis for _, axes in self._inputs for axis in axes} >= set(range(self.ndim))

    def replacements(self):
        """Pairs of an old variable and a new one."""
        old, outputs = [], []
        for node in self.group:
            (out,), axes = node.outputs, self._axes(node)
            if node in self._sums:
                reduced = range(len(axes)) if node.op.axis is None else [a % len(axes) for a in node.op.axis]
                kept = tuple(axis for d, axis in enumerate(axes) if d not in reduced)
                outputs.append(LoopOutput(self._number(self._sums[node]), kept, out.dtype, True))
            elif self._is_needed_outside(out):
                outputs.append(LoopOutput(self._number(("step", self._step_of[out])), axes, out.dtype, False))
            else:
                continue
            old.append(out)
        instructions = tuple(
            Instruction(op, tuple(self._number(a) for a in arguments), dtype) for op, arguments, dtype in self._steps
        )
        variables = [variable for variable, _ in self._inputs]
        axes = tuple(axes for _, axes in self._inputs)
        loop = FusedLoop(self.ndim, axes, instructions, tuple(outputs), short=self._short_axis(len(instructions)))
        return list(zip(old, loop(*variables, return_list=True)))

    def _short_axis(self, instructions):
        """Size of the last axis if it is small."""
        shapes = getattr(self.fgraph, "shape_feature", None)
        if self.ndim < 2 or shapes is None:
            return None
        for variable, axes in self._inputs:
            if self.ndim - 1 in axes and variable in shapes.shape_of:
                size = shapes.shape_of[variable][axes.index(self.ndim - 1)]
                if isinstance(size, Constant) and 2 <= size.data <= SHORT and size.data * instructions <= WRITTEN_OUT:
                    return int(size.data)
        return None

    def _is_needed_outside(self, variable):
        return any(
            isinstance(client, str) or (client not in self._sums and client.outputs[0] not in self._step_of)
            for client, _ in self.fgraph.clients[variable]
        )

    def _number(self, argument):
        if isinstance(argument, Literal):
            return argument
        kind, position = argument
        return position if kind == "input" else len(self._inputs) + position

    def _add_step(self, node, axes):
        op = node.op.scalar_op
        arguments = [self._argument(x, axes) for x in node.inputs]
        self._step_of[node.outputs[0]] = len(self._steps)
        self._steps.append((op, arguments, node.outputs[0].dtype))

    def _argument(self, variable, axes):
        """("step", number), ("input", number) or a Literal for `variable`, whose dimensions are the loop's `axes`."""
        if variable in self._step_of:
            return ("step", self._step_of[variable])
        axes = tuple(None if b else axis for axis, b in zip(axes, variable.broadcastable))
        variable, axes = _without_dimshuffle(variable, axes)
        if self.absorb and variable.owner is not None and isinstance(variable.owner.op, Alloc):
            if all(variable.owner.inputs[0].broadcastable):
                variable = variable.owner.inputs[0]
                variable, axes = _without_dimshuffle(variable, (None,) * variable.ndim)
        number = scalar_constant(variable)
        if number is not None and is_plain(number):
            return Literal(number.item(), variable.dtype)
        variable = self._floats.setdefault(variable, _as_float_constant(variable))
        return ("input", self._inputs.setdefault((variable, axes), len(self._inputs)))


def _loop_axes(node):
    """For each dimension of what `node` runs over, the axis of the loop, or None where the size is 1."""
    variable = node.inputs[0] if is_sum(node) else node.outputs[0]
    axes, axis = [], 0
    for broadcast in variable.broadcastable:
        axes.append(None if broadcast else axis)
        axis += not broadcast
    return tuple(axes)


def _without_dimshuffle(variable, axes):
    """What `variable` is a DimShuffle of, and the axes of its dimensions; loops need no views of it."""
    while variable.owner is not None and isinstance(variable.owner.op, DimShuffle):
        origin, order = variable.owner.inputs[0], variable.owner.op.new_order
        found = {o: axes[d] for d, o in enumerate(order) if o != "x"}
        new_axes = tuple(found.get(d) for d in range(origin.ndim))
        varying = [axis for axis in new_axes if axis is not None]
        if varying != sorted(varying):  # a transpose: the view is read with large steps, a copy is not
            break
        variable, axes = origin, new_axes
    return variable, axes


def _as_float_constant(variable):
    """Integer data as floats where that loses nothing: not every processor converts vectors of long integers."""
    if not isinstance(variable, Constant) or variable.dtype not in ("int64", "int32", "int16") or not variable.ndim:
        return variable
    if variable.data.size and np.abs(variable.data).max() > 2**52:
        return variable
    return tt.constant(variable.data.astype("float64"))
