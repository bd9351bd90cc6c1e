"""What `vectorize_graph` accepts and returns, rules of users, and the loop for Ops without a rule."""

import logging

from pymc3_vi.compiler.vectorize import NoBatchRule, Unbatched, _graph, record_fallbacks, rule, vectorize_graph
from pymc3_vi.compiler.vectorize._fallback import NaNWhereUndefined
from pymc3_vi.errors import VariationalInferenceError

import numpy as np
import pytest
import theano
import theano.sparse
import theano.tensor as tt
from theano.graph.basic import Apply, io_toposort
from theano.graph.op import Op
from theano.sandbox.rng_mrg import MRG_RandomStream
from theano.scan.op import Scan

from .checks import check_against_loop, compiled


@pytest.fixture(autouse=True)
def no_test_values():
    with theano.config.change_flags(compute_test_value="off"):
        yield


class Twice(Op):
    """2 x in Python, for which nobody registered a rule."""

    __props__ = ()

    def make_node(self, *inputs):
        inputs = [tt.as_tensor_variable(x) for x in inputs]
        return Apply(self, inputs, [x.type() for x in inputs])

    def perform(self, node, inputs, output_storage):
        for x, variable, cell in zip(inputs, node.inputs, output_storage):
            assert x.ndim == variable.ndim
            cell[0] = np.asarray(2 * x)

    def L_op(self, inputs, outputs, output_grads):
        return [2 * g for g in output_grads]


class TwiceElementwise(Twice):
    """The same; it has a rule."""


@rule.register(TwiceElementwise)
def _twice(op, node, operands, batch):
    return op(*[operand.filled(batch) for operand in operands], return_list=True)


# ---------------------------------------------------------------- outputs
def test_the_structure_of_the_outputs_is_kept():
    x, many = tt.dvector(), tt.dmatrix()
    assert isinstance(vectorize_graph(x * 2, {x: many}), theano.graph.basic.Variable)
    for outputs in ([x * 2], (x * 2, tt.sum(x))):
        results = vectorize_graph(outputs, {x: many})
        assert [r.ndim for r in results] == [y.ndim + 1 for y in outputs]


def test_an_output_may_be_one_of_the_variables():
    x, many = tt.dvector(), tt.dmatrix()
    value = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(compiled([many], vectorize_graph(x, {x: many}))(value), value)


def test_variables_inside_of_the_graph_can_be_replaced():
    x, many = tt.dvector(), tt.dmatrix()
    middle = tt.exp(x)
    result = vectorize_graph(tt.sum(middle * x[0]), {middle: many})
    np.testing.assert_allclose(compiled([x, many], result)([2.0, 9.0], [[1.0, 2.0], [3.0, 4.0]]), [6.0, 14.0])


def test_outputs_that_do_not_depend_on_the_batch():
    x, y, many = tt.dvector(), tt.dscalar(), tt.dmatrix()
    outputs = [tt.exp(y), tt.constant(np.arange(2.0)), tt.sum(x)]
    value = np.ones((4, 3))
    results = compiled([many, y], vectorize_graph(outputs, {x: many}))(value, 0.0)
    assert [r.shape for r in results] == [(4,), (4, 2), (4,)]
    assert vectorize_graph(outputs, {x: many}, broadcast_unbatched=False)[:2] == outputs[:2]


def test_nodes_that_do_not_depend_on_the_batch_are_shared():
    x, y, many = tt.dvector(), tt.dvector(), tt.dmatrix()
    expensive = tt.exp(y)
    result = vectorize_graph(tt.sum(expensive * x), {x: many})
    assert any(node is expensive.owner for node in io_toposort([y, many], [result]))


def test_random_numbers_are_the_same_for_all_elements():
    x, many = tt.dvector(), tt.dmatrix()
    with theano.config.change_flags(cxx=""):
        noise = MRG_RandomStream(3).normal((2,), nstreams=2, dtype="float64")
    found = compiled([many], vectorize_graph(noise + x, {x: many}))(np.zeros((3, 2)))
    assert np.ptp(found, axis=0).max() == 0 and found[0, 0] != found[0, 1]


def test_types_and_patterns_are_those_of_the_graph():
    column, many = tt.dcol(), tt.tensor3(dtype="float32")
    result = vectorize_graph(column * np.ones((1, 3)), {column: tt.cast(many, "float64")})
    assert result.type == tt.dtensor3
    scaled = vectorize_graph(column, {column: tt.patternbroadcast(many, (True, False, True))})
    assert (scaled.dtype, scaled.broadcastable) == ("float64", (False, False, True))


def test_several_variables_and_a_batch_of_one(rng):
    build = lambda a, b, c: tt.dot(a, b) + tt.sum(c) * tt.sum(a, axis=1)  # noqa: E731
    check_against_loop(build, [rng.standard_normal((2, 3)), rng.standard_normal(3), 0.2], sizes=(1, 2))


def test_it_works_where_test_values_are_demanded():
    x, many = tt.dvector(), tt.dmatrix()
    total = tt.sum(x)
    with theano.config.change_flags(compute_test_value="raise"):
        assert vectorize_graph(total, {x: many}).ndim == 1


def test_deep_graphs_need_no_deep_stack():
    x, many = tt.dscalar(), tt.dvector()
    y = x
    for _ in range(3000):
        y = y + 1
    assert vectorize_graph(y, {x: many}).ndim == 1


@pytest.mark.parametrize("replace", [{}, {"same rank": 1}, {"no tensor": 1}])
def test_errors_name_the_parameter(replace):
    x = tt.dvector()
    if "same rank" in replace:
        replace = {x: tt.dvector()}
    elif "no tensor" in replace:
        replace = {x: theano.scalar.float64()}
    with pytest.raises(ValueError, match="The 'replace' parameter of vectorize_graph must be a dict"):
        vectorize_graph(x * 2, replace)


# ---------------------------------------------------------------- rules of users
def test_a_registered_rule_is_used(rng):
    check_against_loop(TwiceElementwise(), [rng.standard_normal(3)], fallbacks=())


def test_a_rule_may_decline_and_say_why(rng):
    class Picky(Twice):
        pass

    @rule.register(Picky)
    def _picky(op, node, operands, batch):
        raise NoBatchRule("it is Tuesday")

    check_against_loop(Picky(), [rng.standard_normal(3)], fallbacks=("Picky",))
    x = tt.dvector()
    with pytest.raises(NoBatchRule, match="Picky.*cannot be rewritten for a batch, because it is Tuesday"):
        vectorize_graph(Picky()(x), {x: tt.dmatrix()}, fallback=False)


def test_a_rule_may_return_what_does_not_depend_on_the_batch():
    class Length(Op):
        __props__ = ()

        def make_node(self, x):
            return Apply(self, [x], [tt.lscalar()])

        def perform(self, node, inputs, output_storage):
            output_storage[0][0] = np.int64(len(inputs[0]))

    @rule.register(Length)
    def _length(op, node, operands, batch):
        return [Unbatched(operands[0].variable.shape[1])]

    x, many = tt.dvector(), tt.dmatrix()
    result = vectorize_graph(Length()(x) * 2, {x: many}, broadcast_unbatched=False)
    assert result.ndim == 0 and compiled([many], result)(np.ones((2, 5))) == 10


@pytest.mark.parametrize("results", [[], ["too many dimensions"]])
def test_a_rule_that_returns_the_wrong_thing_is_left_to_the_loop(results):
    class Wrong(Twice):
        pass

    @rule.register(Wrong)
    def _wrong(op, node, operands, batch):
        return [operands[0].variable.dimshuffle(0, "x", 1)] if results else []

    x = tt.dvector()
    with pytest.raises(NoBatchRule, match="its rule returned"):
        vectorize_graph(Wrong()(x), {x: tt.dmatrix()}, fallback=False)
    check_against_loop(Wrong(), [np.ones(2)], fallbacks=("Wrong",))


# ---------------------------------------------------------------- the loop
def test_the_loop_has_values_and_gradients(rng):
    values = [rng.standard_normal((2, 1)), rng.standard_normal(3)]
    check_against_loop(lambda a, b: Twice()(a, b), values, fallbacks=("Twice",))


def test_the_loop_is_over_one_node_only():
    x, many = tt.dvector(), tt.dmatrix()
    result = vectorize_graph(tt.exp(Twice()(tt.tanh(x))), {x: many})
    (loop,) = [node for node in io_toposort([many], [result]) if isinstance(node.op, Scan)]
    (inside,) = io_toposort(loop.op.inputs, loop.op.outputs)
    assert type(inside.op) is NaNWhereUndefined and type(inside.op.op) is Twice


def test_fallbacks_are_recorded_while_asked_for():
    x, many = tt.dvector(), tt.dmatrix()
    op = Twice()
    with record_fallbacks() as outer:
        with record_fallbacks() as inner:
            vectorize_graph(op(x), {x: many})
        vectorize_graph(TwiceElementwise()(x), {x: many})
        vectorize_graph(op(x), {x: many})
    vectorize_graph(op(x), {x: many})
    assert inner == [(op, "there is no rule for its type")]
    assert outer == 2 * inner


def test_the_notice_comes_once_for_each_type(caplog, monkeypatch):
    monkeypatch.setattr(_graph, "_reported", set())
    x, many = tt.dvector(), tt.dmatrix()
    with caplog.at_level(logging.DEBUG, logger="pymc3_vi"):
        for _ in range(2):
            vectorize_graph(Twice()(x), {x: many})
    (record,) = [r for r in caplog.records if "loop over the batch" in r.getMessage()]
    assert record.levelno == logging.DEBUG and record.name == "pymc3_vi"
    assert "Twice" in record.getMessage() and "rule" in record.getMessage()


def test_what_is_no_tensor_cannot_be_looped_over():
    x, many = tt.dvector(), tt.dmatrix()
    to_sparse = theano.sparse.csr_from_dense(x.dimshuffle("x", 0))
    with pytest.raises(NoBatchRule, match="CSRFromDense|SparseFromDense.*needs tensors"):
        vectorize_graph(theano.sparse.dense_from_sparse(to_sparse), {x: many})
    assert issubclass(NoBatchRule, VariationalInferenceError) and issubclass(NoBatchRule, NotImplementedError)
