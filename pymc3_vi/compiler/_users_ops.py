"""Ops in a graph whose code is a user's."""

from theano.compile.builders import OpFromGraph
from theano.compile.ops import FromFunctionOp
from theano.graph.basic import io_toposort
from theano.scan.op import Scan

from ._flat_graph import is_fixed

__all__ = ["users_ops"]


def users_ops(outputs):
    """Ops of a graph, and of graphs within it, that are neither of Theano or PyMC3 nor of this package."""
    found = []
    for node in io_toposort([], outputs):
        op = node.op
        codes = [op._FromFunctionOp__fn if isinstance(op, FromFunctionOp) else type(op)]
        codes += [type(op.scalar_op)] if hasattr(op, "scalar_op") else []
        if not all(map(is_fixed, codes)):
            found.append(op)
        if isinstance(op, (Scan, OpFromGraph)):
            found += users_ops(op.outputs if isinstance(op, Scan) else op.local_outputs)
    return found
