"""A rewrite that evaluates values and gradients of sliced graphs together."""

from theano.graph.basic import ancestors
from theano.graph.opt import GlobalOptimizer
from theano.graph.toolbox import ReplaceValidate

from ._slices import SlicedGraph

__all__ = ["MergeSlicedGraphs"]


def _inputs_by_placeholder(node):
    return dict(zip(node.op.batched + node.op.shared, node.inputs))


def _can_be_one(first, second):
    """Whether two nodes evaluate graphs on the same slices, and neither needs what the other computes."""
    ours, theirs = _inputs_by_placeholder(first), _inputs_by_placeholder(second)
    common = [placeholder for placeholder in ours if placeholder in theirs]
    if not any(placeholder in second.op.batched for placeholder in common):
        return False
    if any(ours[placeholder] is not theirs[placeholder] for placeholder in common):
        return False
    same = first.op.rows == second.op.rows and first.op.compile_function == second.op.compile_function
    return same and not any(
        output in set(ancestors(node.inputs))
        for node, other in ((first, second), (second, first))
        for output in other.outputs
    )


def _union(first, second):
    return first + [x for x in second if x not in first]


def _as_one(first, second):
    """Variables of one node in place of the outputs of both."""
    inputs = _inputs_by_placeholder(first)
    inputs.update(_inputs_by_placeholder(second))
    a, b = first.op, second.op
    batched, shared = _union(a.batched, b.batched), _union(a.shared, b.shared)
    op = SlicedGraph(batched, shared, a.outputs + b.outputs, a.is_sum + b.is_sum, a.rows, a.compile_function)
    return op(*[inputs[placeholder] for placeholder in batched + shared], return_list=True)


class MergeSlicedGraphs(GlobalOptimizer):
    """Makes one node of a sliced graph and its gradient, unless the gradient is weighted by what depends on the values.

    The graph is then evaluated once for every slice.
    """

    def add_requirements(self, fgraph):
        fgraph.attach_feature(ReplaceValidate())

    def apply(self, fgraph):
        merged = True
        while merged:
            merged = False
            nodes = [node for node in fgraph.toposort() if isinstance(node.op, SlicedGraph)]
            pairs = ((a, b) for i, a in enumerate(nodes) for b in nodes[i + 1 :])
            pair = next(((a, b) for a, b in pairs if _can_be_one(a, b)), None)
            if pair is not None:
                old = pair[0].outputs + pair[1].outputs
                fgraph.replace_all_validate(list(zip(old, _as_one(*pair))), reason="merge_sliced_graphs")
                merged = True
