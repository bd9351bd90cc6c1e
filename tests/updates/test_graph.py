"""What the optimized update graphs look like: few nodes, no copies, no float64 in a float32 graph."""

from pymc3_vi.updates import OPTIMIZERS, adagrad_window

import numpy as np
import pytest
import theano
from theano.tensor.opt import FusionOptimizer

# Apply nodes for one vector parameter whose gradient is given, DimShuffles (views) left out.
NODES = {
    "sgd": 1,
    "momentum": 4,
    "nesterov_momentum": 3,
    "adagrad": 3,
    "adagrad_window": 6,
    "rmsprop": 4,
    "adadelta": 7,
    "adam": 5,
    "adamax": 5,
}


@pytest.fixture(autouse=True)
def fused_as_with_a_compiler(monkeypatch):
    """Nothing here is compiled, and without a compiler loops are not fused: put back what Theano does otherwise."""
    monkeypatch.setattr(FusionOptimizer, "apply", FusionOptimizer.apply.__wrapped__)


def optimized_nodes(name, n_params=1, dtype="float64"):
    with theano.config.change_flags(floatX=dtype, cxx=""):
        params = [theano.shared(np.ones(3, dtype), f"w{k}") for k in range(n_params)]
        grads = [theano.shared(np.ones(3, dtype), f"g{k}") for k in range(n_params)]
        updates = OPTIMIZERS.get(name)(grads, params, learning_rate=0.1)
        query = theano.graph.optdb.Query(include=["fast_run"], exclude=[])
        f = theano.function([], [], updates=updates, mode=theano.Mode(linker="py", optimizer=query))
    nodes = f.maker.fgraph.toposort()
    return [n for n in nodes if not isinstance(n.op, theano.tensor.elemwise.DimShuffle)]


@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_number_of_nodes(name):
    assert len(optimized_nodes(name)) <= NODES[name]


@pytest.mark.parametrize("name, per_parameter", [("adam", 3), ("adamax", 3), ("adagrad_window", 4)])
def test_scalar_work_is_done_once_for_all_parameters(name, per_parameter):
    assert len(optimized_nodes(name, 3)) <= NODES[name] + 2 * per_parameter


@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_a_float32_graph_holds_no_float64_arrays(name):
    for node in optimized_nodes(name, dtype="float32"):
        assert all(out.dtype != "float64" for out in node.outputs if out.ndim), node


def test_the_window_is_written_in_place():
    writes = [n.op for n in optimized_nodes("adagrad_window") if "IncSubtensor" in type(n.op).__name__]
    assert len(writes) == 1 and writes[0].inplace


def test_window_layout_and_single_counter():
    params = [theano.shared(np.ones((1, 3)), "a", broadcastable=(True, False)), theano.shared(1.0, "b")]
    updates = adagrad_window([p * 2 for p in params], params, n_win=4)
    shapes = {v.name: v.get_value().shape for v in updates.state}
    assert shapes == {"a_window": (4, 1, 3), "b_window": (4,), "window_position": ()}
