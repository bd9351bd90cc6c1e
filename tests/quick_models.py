"""Models that are built in half the time: test values without thunks, variables that do not know the line they are of.

PyMC3 evaluates every expression of a model while it is built, and Theano reads the source of the lines that make it.
What is built is the same.
"""

import functools

from pymc3_vi.compat._building import SHUFFLES
from pymc3_vi.compiler import _test_values

import theano
from theano.graph import op as graph_op
from theano.graph.basic import NoParams
from theano.graph.op import COp, Op
from theano.graph.utils import TestValueError

_PLAIN = (Op.make_thunk, COp.make_thunk)


def without_thunks(compute_test_value):
    """`compute_test_value` that calls an Op's Python code itself where there is no compiler."""

    @functools.wraps(compute_test_value)
    def compute(node):
        op = node.op
        if theano.config.cxx or type(op).make_thunk not in _PLAIN or getattr(op, "destroy_map", None):
            return compute_test_value(node)
        try:
            values = [variable.get_test_value() for variable in node.inputs]
        except TestValueError:
            return compute_test_value(node)
        cells = [[None] for _ in node.outputs]
        op.prepare_node(node, storage_map=None, compute_map=None, impl="py")
        params = node.run_params()
        op.perform(node, values, cells, *([] if params is NoParams else [node.params_type.filter(params)]))
        for variable, (value,) in zip(node.outputs, cells):
            variable.tag.test_value = value

    return compute


def install():
    """Act on this process."""
    theano.config.traceback__limit = 0
    SHUFFLES.apply()
    graph_op.compute_test_value = _test_values._compute_test_value = without_thunks(graph_op.compute_test_value)
