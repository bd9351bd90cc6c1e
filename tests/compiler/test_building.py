"""The state in which graphs are built leaves nothing behind."""

import gc
import inspect

from pymc3_vi.compiler import building

import numpy as np
import pytest
import theano
import theano.tensor as tt
from theano.graph.fg import FunctionGraph, InconsistencyError
from theano.graph.toolbox import Feature
from theano.tensor.basic import Join
from theano.tensor.elemwise import DimShuffle


@pytest.fixture(autouse=True)
def collecting():
    gc.enable()
    yield
    gc.enable()


def test_flags_and_collection_come_back():
    with theano.config.change_flags(compute_test_value="raise"):
        with pytest.raises(KeyError):
            with building(cxx=""):
                with building():
                    assert not gc.isenabled() and theano.config.compute_test_value == "off"
                assert not gc.isenabled() and theano.config.cxx == ""
                raise KeyError
        assert gc.isenabled() and theano.config.compute_test_value == "raise"


def test_collection_that_is_off_stays_off():
    gc.disable()
    with building():
        pass
    assert not gc.isenabled()


def test_variables_note_no_source_only_inside():
    with building():
        inside = tt.exp(tt.dscalar())
    assert not inside.tag.trace
    with theano.config.change_flags(traceback__limit=8):  # tests note none themselves
        assert tt.exp(tt.dscalar()).tag.trace


def test_refused_rewrites_read_no_source(monkeypatch):
    class Refuses(Feature):
        def validate(self, fgraph):
            raise InconsistencyError("never")

    monkeypatch.setattr(inspect, "findsource", None)
    monkeypatch.setattr(inspect, "getsourcefile", None)
    x = tt.dvector()
    graph = FunctionGraph([x], [tt.exp(x)], features=[Refuses()], clone=False)
    with building(), pytest.raises(InconsistencyError, match="never"):
        graph.validate()


def test_a_gradient_asks_a_node_once_for_its_connections():
    asked = []

    class Noted(Join):
        def connection_pattern(self, node):
            asked.append(node)
            return [[True]] * len(node.inputs)

    parts = [tt.dvector() for _ in range(5)]
    with building():
        whole = Noted(0)(0, *parts)
        grads = tt.grad(tt.sum(whole**2), parts)
    assert len(asked) == 1
    for part, grad in zip(parts, grads):
        point = {v: np.full(1 + k, k + 1.0) for k, v in enumerate(parts)}
        np.testing.assert_array_equal(grad.eval(point), 2 * point[part])


def test_copies_of_c_code_are_the_same():
    with building():
        ops = [DimShuffle((False,), ("x", 0)), DimShuffle((False, False), (1, 0))]
    assert ops[0].code_sections is ops[1].code_sections and "support_code_apply" in "".join(ops[0].code_sections)
    x = np.arange(6.0).reshape(2, 3)
    m = tt.dmatrix()
    np.testing.assert_array_equal(theano.function([m], m.T)(x), x.T)
