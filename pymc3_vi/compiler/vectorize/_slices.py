"""Batches that are too large for one piece: the same graph, a slice of the batch at a time."""

from collections import OrderedDict

import numpy as np
import theano
from theano.gradient import DisconnectedType
from theano.graph.basic import Apply, Constant, Variable, graph_inputs, io_toposort
from theano.graph.op import Op
from theano.tensor.basic import ShapeError
from theano.tensor.elemwise import DimShuffle

from ...validation import check_positive_int
from .._building import building, without_test_values
from .._pattern import with_pattern
from ._graph import vectorize_graph

__all__ = ["SlicedGraph", "vectorize_in_slices"]


class SlicedGraph(Op):
    """A graph that is evaluated for a few rows at a time, so that its temporaries stay small.

    Its gradient is again one, which evaluates the graph anew: twice the work for the values, and memory for one slice.

    Parameters
    ----------
    batched, shared : list of Variable
        Inputs of the graph: those whose first axis is cut into slices, and those that every slice gets whole.
    outputs : list of Variable
        The graph.
    is_sum : tuple of bool
        Which outputs are summed over the slices; the others are joined along their first axis.
    rows : int
        Length of a slice; the last one may be shorter.
    compile_function : callable
        ``compile_function(inputs, outputs)`` makes a function of the graph.
    """

    def __init__(self, batched, shared, outputs, is_sum, rows, compile_function):
        self.batched, self.shared, self.outputs = list(batched), list(shared), list(outputs)
        self.is_sum, self.rows = tuple(is_sum), check_positive_int(rows, "rows", "SlicedGraph")
        self.compile_function = compile_function
        self._function = None

    def __getstate__(self):
        return dict(self.__dict__, _function=None)

    def make_node(self, *inputs):
        pairs = zip(inputs, self.batched + self.shared)
        inputs = [inner.type.filter_variable(x, allow_convert=True) for x, inner in pairs]
        return Apply(self, inputs, [output.type() for output in self.outputs])

    def infer_shape(self, fgraph, node, shapes):
        if any(self.is_sum) or any(output.ndim != 1 for output in self.outputs):
            raise ShapeError()
        return [(shapes[0][0],)] * len(self.outputs)

    def prepare_node(self, node, storage_map, compute_map, impl):
        if self._function is None:
            # The results are copied into the joined ones at once, so that they need no copy of their own.
            outputs = [theano.Out(output, borrow=True) for output in self.outputs]
            with building():
                self._function = self.compile_function(self.batched + self.shared, outputs)
            self._function.trust_input = True

    def perform(self, node, inputs, output_storage):
        self.prepare_node(node, None, None, None)
        n_batched = len(self.batched)
        batched, shared = inputs[:n_batched], inputs[n_batched:]
        size = len(batched[0])
        results = [None] * len(self.outputs)
        # An empty batch is one empty slice, which tells the shapes.
        for begin in range(0, max(size, 1), self.rows):
            end = begin + self.rows
            parts = self._function(*[x[begin:end] for x in batched], *shared)
            for k, part in enumerate(parts):
                if results[k] is None:
                    shape = part.shape if self.is_sum[k] else (size,) + part.shape[1:]
                    results[k] = np.zeros(shape, dtype=part.dtype)
                if self.is_sum[k]:
                    results[k] += part
                else:
                    results[k][begin:end] = part
        for cell, result in zip(output_storage, results):
            cell[0] = result

    @without_test_values
    def L_op(self, inputs, outputs, output_grads):
        used = [k for k, g in enumerate(output_grads) if not isinstance(g.type, DisconnectedType)]
        inner_inputs = self.batched + self.shared
        wanted = [k for k, x in enumerate(inner_inputs) if str(getattr(x, "dtype", "")).startswith("float")]
        inner_grads = {k: self.outputs[k].type() for k in used}
        grads = theano.grad(
            None,
            [inner_inputs[k] for k in wanted],
            known_grads=OrderedDict((self.outputs[k], g) for k, g in inner_grads.items()),
            disconnected_inputs="ignore",
        )
        n_batched = len(self.batched)
        op = SlicedGraph(
            self.batched + [inner_grads[k] for k in used if not self.is_sum[k]],
            self.shared + [inner_grads[k] for k in used if self.is_sum[k]],
            grads,
            [k >= n_batched for k in wanted],
            self.rows,
            self.compile_function,
        )
        found = op(
            *inputs[:n_batched],
            *[output_grads[k] for k in used if not self.is_sum[k]],
            *inputs[n_batched:],
            *[output_grads[k] for k in used if self.is_sum[k]],
            return_list=True,
        )
        results = [DisconnectedType()() for _ in inputs]
        for k, grad in zip(wanted, found):
            results[k] = grad
        return results

    def connection_pattern(self, node):
        floats = [str(getattr(x, "dtype", "")).startswith("float") for x in node.inputs]
        return [[is_float] * len(node.outputs) for is_float in floats]


def _frontier(outputs, inputs):
    """Variables outside of the graph between `inputs` and `outputs` that it reads.

    What is made of constants alone is left inside, and so are changes of axes, since compilers simplify around them.
    """
    nodes = io_toposort(inputs, outputs)
    depends = set(inputs)
    for node in nodes:
        if any(i in depends for i in node.inputs):
            depends.update(node.outputs)
    pending = [i for node in nodes if node.outputs[0] in depends for i in node.inputs if i not in depends]
    found, seen = [], set()
    while pending:
        variable = pending.pop(0)
        if variable in seen:
            continue
        seen.add(variable)
        if variable.owner and isinstance(variable.owner.op, DimShuffle):
            pending.extend(variable.owner.inputs)
        elif not all(isinstance(v, Constant) for v in graph_inputs([variable])):
            found.append(variable)
    return found


@without_test_values
def vectorize_in_slices(outputs, replace, rows, compile_function=theano.function, draws=None):
    """As `vectorize_graph`, for batches whose temporaries would take too much memory at once.

    Parameters
    ----------
    outputs : Variable or list of Variable
    replace : dict of Variable to Variable
        As for `vectorize_graph`.
    rows : int
        Elements that are evaluated at once; see `rows_per_slice`.
    compile_function : callable
        ``compile_function(inputs, outputs)`` compiles the graph of a slice.
    draws : list of Variable, optional
        What is cut into slices: variables with the batch as their leading axis, of which the values of `replace` are
        parts.  By default those values themselves; then the compiler of a slice does not know their sizes.

    Returns
    -------
    Variable or list of Variable, like `outputs`
        Results of one node, with the batch as their leading axis.

    Notes
    -----
    What does not depend on the batch is computed once, outside of the slices: all of them see the same minibatch.
    The gradient evaluates the graph of a slice once more, so that nothing is kept between value and gradient.
    """
    single = isinstance(outputs, Variable)
    draws = list(replace.values()) if draws is None else list(draws)
    results = vectorize_graph([outputs] if single else list(outputs), replace)
    outside = _frontier(results, draws)
    # A slice may be of any length, and so may the whole batch.
    batched = [x.type.clone(broadcastable=(False,) + tuple(x.broadcastable[1:]))() for x in draws]
    shared = [variable.type() for variable in outside]
    stand_ins = dict(zip(draws + outside, [with_pattern(b, x.broadcastable) for b, x in zip(batched, draws)] + shared))
    results = theano.clone(results, stand_ins)
    op = SlicedGraph(batched, shared, results, [False] * len(results), rows, compile_function)
    found = op(*[with_pattern(x, b.broadcastable) for x, b in zip(draws, batched)], *outside, return_list=True)
    return found[0] if single else found
