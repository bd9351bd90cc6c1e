"""Choice of the nodes that become one loop."""

from collections import defaultdict

import numpy as np
from theano.graph.basic import Constant
from theano.tensor.elemwise import Elemwise, Sum
from theano.tensor.type import TensorType

from ._iteration_space import IterationSpaces
from .ops._scalar_code import has_vector_form, scalar_expression, supported_dtypes

__all__ = ["find_groups", "is_elementwise", "is_plain", "is_sum", "scalar_constant"]

_FLOATS = ("float32", "float64")


def scalar_constant(variable):
    """Value of a constant with one element, or None."""
    if isinstance(variable, Constant) and variable.data.size == 1:
        return variable.data.ravel()[0]
    return None


def is_plain(number):
    """Whether a number goes into the source.  Others are inputs, so that new values need no compilation."""
    return not np.isfinite(number) or (abs(number) <= 64 and float(number * 4).is_integer())


def is_elementwise(node):
    """Whether `node` can be part of a loop as an expression."""
    if type(node.op) is not Elemwise or len(node.outputs) != 1 or node.op.inplace_pattern:
        return False
    (out,) = node.outputs
    dtypes = [x.type.dtype for x in node.inputs]
    if all(out.broadcastable) or not set(dtypes + [out.dtype]) <= set(supported_dtypes):
        return False
    constants = [scalar_constant(x) for x in node.inputs]
    names = [f"x{i}" for i in range(len(dtypes))]
    return scalar_expression(node.op.scalar_op, names, dtypes, out.dtype, constants) is not None


def is_sum(node):
    """Whether `node` can be part of a loop as a sum."""
    if type(node.op) is not Sum:
        return False
    (x,), (out,) = node.inputs, node.outputs
    varying = sum(not b for b in x.broadcastable)
    # Single precision is summed in double; across rows there is no place to keep the double.
    precise = out.dtype == "float64" or (out.dtype == "float32" and varying == 1 and out.ndim == 0)
    return type(x.type) is TensorType and varying > 0 and x.dtype in _FLOATS and precise


def find_groups(fgraph):
    """Sets of nodes that can each be computed in one loop, in an order that respects their dependences.

    Nodes over the same range belong to one loop unless something between them runs elsewhere: level 0 are those
    that need no other loop over that range, level 1 those that need one, and so on.

    Returns
    -------
    list of list of Apply
    """
    order = fgraph.toposort()
    spaces = IterationSpaces(order)
    members = defaultdict(list)
    for node in order:
        if is_elementwise(node):
            members[spaces(node.outputs[0])].append(node)
        elif is_sum(node):
            members[spaces(node.inputs[0])].append(node)
    unit = {node: node for node in order}  # what a node has become part of
    groups = []
    for space in sorted(members, key=lambda s: -len(members[s])):
        levels = _levels(fgraph, order, unit, set(members[space]))
        by_level = defaultdict(list)
        for node in members[space]:
            by_level[levels[node]].append(node)
        for level in sorted(by_level):
            group = by_level[level]
            if len(group) > 1 or is_sum(group[0]) or has_vector_form(group[0].op.scalar_op):
                key = object()
                for node in group:
                    unit[node] = key
                groups.append(group)
    return groups


def _levels(fgraph, order, unit, candidates):
    """Level of every candidate: the number of loops over the same range that must have ended before it."""
    content = defaultdict(list)
    for node in order:
        content[unit[node]].append(node)
    before, level = {}, {}
    for key in _unit_order(order, unit, content):
        node = key if key in candidates else None
        value = 0
        for member in content[key]:
            for x in member.inputs:
                producer = x.owner
                if producer is None or unit[producer] is key:
                    continue
                if producer in candidates:
                    follows = node is not None and type(producer.op) is Elemwise
                    value = max(value, level[producer] + (0 if follows else 1))
                else:
                    value = max(value, before[unit[producer]])
        if node is None:
            before[key] = value
        else:
            level[node] = value
    # What only later loops need is computed there, which saves storing it.
    for node in reversed(order):
        if node in candidates and type(node.op) is Elemwise:
            clients = [client for client, _ in fgraph.clients[node.outputs[0]]]
            if clients and all(client in level for client in clients if not isinstance(client, str)):
                if not any(isinstance(client, str) for client in clients):
                    level[node] = max(level[node], min(level[client] for client in clients))
    return level


def _unit_order(order, unit, content):
    """Units such that each comes after those it depends on."""
    done, result = set(), []

    for start in order:
        stack = [(unit[start], False)]
        while stack:
            key, ready = stack.pop()
            if key in done:
                continue
            if ready:
                done.add(key)
                result.append(key)
                continue
            stack.append((key, True))
            for member in content[key]:
                for x in member.inputs:
                    if x.owner is not None and unit[x.owner] is not key and unit[x.owner] not in done:
                        stack.append((unit[x.owner], False))
    return result
