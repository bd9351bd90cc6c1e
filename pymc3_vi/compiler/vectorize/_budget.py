"""How much memory one element of a batch takes."""

import logging

import numpy as np
import theano
import theano.tensor as tt
from theano.compile.mode import Mode
from theano.graph.basic import Constant, graph_inputs, io_toposort
from theano.graph.fg import FunctionGraph
from theano.tensor.elemwise import Elemwise
from theano.tensor.opt import ShapeFeature

from ...validation import check_positive_int, require
from .._building import building, without_test_values
from ._rules import is_tensor

__all__ = [
    "BATCH_BUDGET_BYTES",
    "CACHE_BUDGET_BYTES",
    "FEWEST_ROWS",
    "bytes_per_row",
    "has_shared_products",
    "rows_per_slice",
]

logger = logging.getLogger("pymc3_vi")

#: Memory that the temporaries of one batched graph with its gradient may take by default: 256 MiB.
BATCH_BUDGET_BYTES = 2**28

#: The same where a batch need not be large: temporaries that stay in a core's cache are two to four times as fast.
CACHE_BUDGET_BYTES = 2560 * 1024

#: Fewest elements of such a batch, below which its own cost is felt.
FEWEST_ROWS = 32

#: Temporaries of values and gradients together, as a multiple of those of the values.
_WITH_GRADIENT = 3


def _materialised(outputs, inputs):
    """Variables between `inputs` and `outputs` that compiled code keeps as arrays of their own.

    Views are not, and neither are elementwise results that only other elementwise nodes read, since they are fused.
    """
    nodes = io_toposort(inputs, outputs)
    depends, read_by_others = set(inputs), set(outputs)
    for node in nodes:
        if any(i in depends for i in node.inputs):
            depends.update(node.outputs)
        if not isinstance(node.op, Elemwise):
            read_by_others.update(node.inputs)
    kept = []
    for node in nodes:
        views = getattr(node.op, "view_map", None) or {}
        for position, variable in enumerate(node.outputs):
            fused = isinstance(node.op, Elemwise) and variable not in read_by_others
            if variable in depends and is_tensor(variable) and position not in views and not fused:
                kept.append(variable)
    return kept


@without_test_values
def bytes_per_row(outputs, point):
    """Estimate of the memory that `vectorize_graph` of `outputs` takes for each element of the batch.

    Parameters
    ----------
    outputs : list of Variable
        A graph for a single point, before it is vectorised.
    point : dict of Variable to array
        The variables that are going to be batched, with a value each, of which only the shapes matter.  Other inputs
        of the graph must be shared variables or have a test value.

    Returns
    -------
    int
        Bytes of the temporaries of values and gradients.

    Notes
    -----
    Ops tell the sizes of what lies between `point` and `outputs`; those that do not are evaluated once, by Python.
    """
    outputs = list(outputs)
    variables = list(point)
    kept = _materialised(outputs, variables)
    known = dict(point)
    for variable in graph_inputs(outputs + kept, blockers=variables):
        if variable in known or isinstance(variable, (Constant, theano.compile.SharedVariable)):
            continue
        value = getattr(variable.tag, "test_value", None)
        constraint = f"a graph whose other inputs have values; give {variable} a test value or replace it first"
        require(value is not None, ValueError, "outputs", "bytes_per_row", constraint, variable)
        known[variable] = value
    own = sum(np.asarray(value).nbytes for value in point.values())
    if not kept:
        return _WITH_GRADIENT * own
    with building(cxx=""):
        try:
            shapes = _evaluated(_told_shapes(kept, known), known)
        except Exception:  # an Op's own infer_shape may be wrong, and raise anything
            shapes = _evaluated([variable.shape for variable in kept], known)
    return _WITH_GRADIENT * int(own + sum(np.prod(n) * np.dtype(v.dtype).itemsize for v, n in zip(kept, shapes)))


def _evaluated(nodes, known):
    function = theano.function(
        list(known),
        nodes,
        mode=Mode("py", optimizer=None),
        on_unused_input="ignore",
        no_default_updates=True,
        allow_input_downcast=True,
    )
    return function(*known.values())


def _told_shapes(variables, known):
    """Graphs of the shapes of `variables`, which read values of the data only where an Op does not tell its shape."""
    feature = ShapeFeature()
    feature.on_attach(FunctionGraph([], []))
    for variable, value in known.items():
        if isinstance(variable, tt.TensorVariable):
            feature.set_shape(variable, np.shape(value))
    for node in io_toposort(list(known), variables):
        for variable in node.inputs:
            if variable not in feature.shape_of:
                feature.init_r(variable)
        feature.on_import(None, node, "sizes of temporaries")
    return [tt.as_tensor_variable(list(feature.shape_of[v]) or 1) for v in variables]


def rows_per_slice(n_rows, row_bytes, budget_bytes=None):
    """How many elements of a batch to evaluate at once.

    Parameters
    ----------
    n_rows : int
        Elements of the whole batch.
    row_bytes : int
        Memory for each of them; see `bytes_per_row`.
    budget_bytes : int, optional
        What the elements that are evaluated together may take, by default `BATCH_BUDGET_BYTES`.

    Returns
    -------
    int
        `n_rows` where that is within the budget; else the length of slices that are, of nearly equal lengths and at
        least one element each.
    """
    n_rows = check_positive_int(n_rows, "n_rows", "rows_per_slice")
    budget_bytes = BATCH_BUDGET_BYTES if budget_bytes is None else budget_bytes
    budget = check_positive_int(budget_bytes, "budget_bytes", "rows_per_slice")
    most = max(1, budget // max(1, row_bytes))
    if n_rows <= most:
        return n_rows
    slices = -(-n_rows // most)
    rows = -(-n_rows // slices)
    logger.debug("A batch of %d is evaluated in slices of %d, of %d bytes each.", n_rows, rows, rows * row_bytes)
    return rows


def has_shared_products(outputs, variables):
    """Whether a graph multiplies matrices that are the same for all elements of a batch by what depends on the element.

    A batch reads such a matrix once for all elements.  Without one a compiled loop over the elements takes less time
    where few fit into the cache: a Gaussian process of 100 a fifth, a mixture of 1,000 values a quarter.

    Parameters
    ----------
    outputs : list of Variable
        A graph for a single element.
    variables : list of Variable
        Its inputs that are going to be batched.
    """
    depends = set(variables)
    for node in io_toposort(graph_inputs(outputs), outputs):
        moving = [v in depends for v in node.inputs]
        if isinstance(node.op, tt.Dot) and any(moving) and not all(moving):
            return True
        if any(moving):
            depends.update(node.outputs)
    return False
