"""Terms of a sum that differ in their numbers and in the variables that they read alone, as one term over a vector."""

from collections import OrderedDict
from typing import Any

import numpy as np
import theano
import theano.tensor as tt
from theano.graph.basic import Constant
from theano.tensor.subtensor import Subtensor

from ..compiler.ops import Pack
from ..compiler.vectorize import NoBatchRule, vectorize_graph

__all__ = ["AlikeTerms"]

#: Fewest terms that are worth it, and the most nodes of one of them.
FEWEST, MOST_NODES = 20, 200


class AlikeTerms:
    """Sums of scalar terms, of which those that a loop in the user's model makes are evaluated as one.

    Theano's rewriting, generated code and the compiler take time for every node; a loop over a thousand variables has
    as many as a thousand models.  Two terms are alike where their graphs are the same node for node, but for constants
    of one type and shape, for the variables that they read and for the row that they take of an array.  What differs is
    stacked, and the graph of the first of them is vectorized over the stack.

    Parameters
    ----------
    variables : list of Variable
        That terms may differ in.
    shapes : list of tuple of int
        Their shapes.
    """

    def __init__(self, variables, shapes):
        floats = [(v, tuple(shape)) for v, shape in zip(variables, shapes) if v.dtype == theano.config.floatX]
        self._shapes = dict(floats)
        self._order = {v: k for k, (v, _) in enumerate(floats)}
        self._flat: Any = None

    def sums(self, parts):
        """Sum of each list of terms in `parts`; where fewer than `FEWEST` are alike they stay as they are."""
        if all(len(terms) < FEWEST for terms in parts):
            return [_add(terms) for terms in parts]
        groups = [self._alike(terms) for terms in parts]
        stacked = {
            v for group in groups for members in group if len(members) >= FEWEST for v in self._differing(members)
        }
        self._lay_out(sorted(stacked, key=self._order.__getitem__))
        return [_add([node for members in group for node in self._joined(members)]) for group in groups]

    # ---------------------------------------------------------------- recognising
    def _alike(self, terms):
        """Lists of `_Term`; those in one list are alike."""
        groups = OrderedDict()
        for node in terms:
            term = _Term(node, self._shapes)
            groups.setdefault(node if term.key is None else term.key, []).append(term)
        return list(groups.values())

    def _differing(self, members):
        """Variables that are read at a place where not all `members` read the same."""
        return [v for place in zip(*[m.leaves for m in members]) if _differ(place) for v in place if v in self._order]

    def _lay_out(self, variables):
        """Put the variables that terms differ in into one vector, which all stacks are taken from."""
        self._begin, end = {}, 0
        for v in variables:
            self._begin[v] = end
            end += int(np.prod(self._shapes[v], dtype=int))
        if variables:
            shapes = tuple(self._shapes[v] for v in variables)
            patterns = tuple(tuple(v.broadcastable) for v in variables)
            self._flat = Pack(0, theano.config.floatX, (True,) * len(variables), shapes, patterns)(*variables)

    # ---------------------------------------------------------------- one in place of many
    def _joined(self, members):
        """Nodes whose sum is that of `members`."""
        nodes = [member.node for member in members]
        if len(members) < FEWEST:
            return nodes
        stacks, leaves = OrderedDict(), []
        for place in zip(*[m.leaves for m in members]):
            leaf = place[0]
            if _differ(place):
                leaf = place[0].type()
                stacks[leaf] = self._stack(place)
            leaves.append(leaf)
        if not stacks:  # equal terms
            return [len(nodes) * nodes[0]]
        try:
            return [tt.sum(vectorize_graph(members[0].rebuilt(leaves), stacks, fallback=False))]
        except NoBatchRule:
            return nodes

    def _stack(self, place):
        """What stands at one place of the terms, with an axis over them in front."""
        if isinstance(place[0], Constant):
            return tt.patternbroadcast(
                tt.constant(np.stack([leaf.data for leaf in place])), (False,) + tuple(place[0].broadcastable)
            )
        if place[0] not in self._order:
            array, index = place[0].owner.inputs[0], np.array([_row_number(leaf) for leaf in place])
            rows = (
                array[tt.constant(index)]
                if index[0] < 0 or set(np.diff(index)) != {1}
                else array[index[0] : index[-1] + 1]
            )
            return tt.patternbroadcast(rows, (False,) + tuple(place[0].broadcastable))
        shape = self._shapes[place[0]]
        size = int(np.prod(shape, dtype=int))
        begins = np.array([self._begin[v] for v in place])
        steps = set(np.diff(begins))
        if steps == {size}:
            values = self._flat[int(begins[0]) : int(begins[-1]) + size]
        else:
            values = self._flat[tt.constant((begins[:, None] + np.arange(size)).ravel())]
        values = values.reshape((len(place),) + shape, ndim=1 + len(shape)) if shape else values
        return tt.patternbroadcast(values, (False,) + tuple(place[0].broadcastable))


class _Term:
    """A scalar graph as a key that says how it is built, and what it is built from.

    Attributes
    ----------
    key : tuple or None
        Equal for terms that are alike; None where the graph is too large.
    leaves : list of Variable
        Variables and constants that may differ, one for every place where one is read.
    """

    def __init__(self, node, variables):
        self.node, self.leaves = node, []
        self._variables, self._numbers, records = variables, {}, []
        self.key = (self._visit(node, records), tuple(records)) if self._is_small() else None

    def _is_small(self):
        seen, pending = set(), [self.node]
        while pending and len(seen) <= MOST_NODES:
            owner = pending.pop().owner
            if owner is not None and owner not in seen:
                seen.add(owner)
                pending.extend(owner.inputs)
        return len(seen) <= MOST_NODES

    def _visit(self, v, records):
        """What stands for `v` in the key; the nodes behind it are appended to `records`."""
        if v in self._variables:
            self.leaves.append(v)
            return ("variable", v.type, self._variables[v])  # of one type there may be several shapes
        if _is_stackable(v):
            self.leaves.append(v)
            return ("constant", v.type, v.data.shape)
        if _row_number(v) is not None:
            self.leaves.append(v)
            return ("row", v.owner.inputs[0])
        if v.owner is None:
            return v
        if v.owner not in self._numbers:
            inputs = tuple(self._visit(x, records) for x in v.owner.inputs)
            self._numbers[v.owner] = len(self._numbers)
            records.append((v.owner.op, inputs))
        return (self._numbers[v.owner], v.owner.outputs.index(v))

    def rebuilt(self, leaves):
        """The graph with others of `leaves`; nodes that read none of the new ones are those of the old graph."""
        new, given = {}, iter(leaves)

        def visit(v):
            if v in self._variables or _is_stackable(v) or _row_number(v) is not None:
                return next(given)
            if v.owner is None:
                return v
            if v.owner not in new:
                inputs = [visit(x) for x in v.owner.inputs]
                same = all(a is b for a, b in zip(inputs, v.owner.inputs))
                new[v.owner] = v.owner.outputs if same else v.owner.clone_with_new_inputs(inputs).outputs
            return new[v.owner][v.owner.outputs.index(v)]

        return visit(self.node)


def _is_stackable(v):
    return isinstance(v, Constant) and hasattr(v.type, "broadcastable")


def _row_number(v):
    """i where `v` is ``x[i]`` with a known number, else None."""
    if v.owner is None or not isinstance(v.owner.op, Subtensor) or len(v.owner.op.idx_list) != 1:
        return None
    index = v.owner.inputs[-1]
    known = len(v.owner.inputs) == 2 and not isinstance(v.owner.op.idx_list[0], slice) and isinstance(index, Constant)
    return int(index.data) if known else None


def _differ(place):
    """Whether not the same stands at one place of all terms."""
    first = place[0]
    if all(leaf is first for leaf in place):
        return False
    if isinstance(first, Constant):
        return not all(np.array_equal(leaf.data, first.data) for leaf in place)
    return first.owner is None or len({_row_number(leaf) for leaf in place}) > 1


def _add(nodes):
    if not nodes:
        return tt.constant(np.asarray(0, dtype=theano.config.floatX))
    return nodes[0] if len(nodes) == 1 else tt.add(*nodes)
