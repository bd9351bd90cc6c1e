"""Memory of batches, and their evaluation in slices."""

import pickle

from pymc3_vi.compiler import compile_function
from pymc3_vi.compiler.vectorize import (
    BATCH_BUDGET_BYTES,
    MergeSlicedGraphs,
    SlicedGraph,
    bytes_per_row,
    rows_per_slice,
    vectorize_graph,
    vectorize_in_slices,
)
from pymc3_vi.compiler.vectorize._budget import _materialised

import numpy as np
import pytest
import theano
import theano.tensor as tt
from theano.compile.mode import Mode

from tests.zoo import ZOO, dimension, split, start_vector

from .checks import compiled


@pytest.fixture(autouse=True)
def no_test_values():
    with theano.config.change_flags(compute_test_value="off"):
        yield


def _in_python(inputs, outputs):
    with theano.config.change_flags(cxx=""):
        return theano.function(inputs, outputs, mode=Mode("py", "fast_compile"), on_unused_input="ignore")


# ---------------------------------------------------------------- the budget
def test_slices_are_of_nearly_equal_length():
    assert rows_per_slice(1000, 100, 10**6) == 1000
    assert rows_per_slice(1000, 100, 99_999) == 500
    assert rows_per_slice(1000, 100, 30_000) == 250
    assert rows_per_slice(1000, 10**9, 10) == 1
    assert rows_per_slice(10, 0) == 10
    assert BATCH_BUDGET_BYTES == 256 * 1024**2


@pytest.mark.parametrize("arguments", [(0, 10), (5, 10, 0), (2.5, 10)])
def test_errors_name_the_parameter(arguments):
    with pytest.raises((TypeError, ValueError), match="'(n_rows|budget_bytes)' parameter of rows_per_slice must be"):
        rows_per_slice(*arguments)


def test_the_estimate_counts_what_depends_on_the_point():
    x, w = tt.dmatrix(), tt.dvector()
    x.tag.test_value = np.ones((50, 4))
    # One product of 50 elements lives; the exponential is fused with the sum's square, the mean of x is not batched.
    output = tt.sum(tt.sqr(tt.exp(tt.dot(x, w)))) + tt.mean(x)
    estimate = bytes_per_row([output], {w: np.ones(4)})
    assert estimate == 3 * 8 * (4 + 50 + 50 + 1 + 1)


def test_the_estimate_grows_with_the_model():
    small, large = (
        bytes_per_row([m.datalogpt], {v: m.test_point[v.name] for v in m.free_RVs})
        for m in (ZOO["logistic"](n=100), ZOO["logistic"](n=1000))
    )
    assert 8 < large / small < 10.5


class _Doubled(theano.graph.op.Op):
    """Twice a vector, for which values are not to be asked; its shape it tells or not."""

    __props__ = ("tells",)

    def __init__(self, tells):
        self.tells = tells
        if tells:
            self.infer_shape = lambda fgraph, node, shapes: shapes

    def make_node(self, x):
        return theano.graph.basic.Apply(self, [x], [x.type()])

    def perform(self, node, inputs, outputs):
        assert not self.tells
        outputs[0][0] = 2 * inputs[0]


@pytest.mark.parametrize("tells", [True, False])
def test_the_estimate_evaluates_nothing_whose_shape_is_told(tells):
    """Of a million rows one evaluation by Python took two seconds."""
    w, data = tt.dvector(), theano.shared(np.ones(50))
    output = tt.sum(_Doubled(tells)(tt.dot(data[:, None], w)))
    assert bytes_per_row([output], {w: np.ones(1)}) == 3 * 8 * (1 + 50 + 50 + 1)


@pytest.mark.parametrize("error", [NotImplementedError, RuntimeError, AssertionError])
def test_the_estimate_asks_for_values_where_a_shape_is_told_wrongly(error):
    def infer_shape(fgraph, node, shapes):
        raise error("what an Op of a user's own may raise")

    op, w = _Doubled(False), tt.dvector()
    op.infer_shape = infer_shape
    assert bytes_per_row([tt.sum(op(tt.exp(w)))], {w: np.ones(5)}) == 3 * 8 * (5 + 5 + 5 + 1)


@pytest.mark.parametrize("name", sorted(ZOO))
def test_the_estimate_is_that_of_the_values(name):
    model = ZOO[name]()
    kept = _materialised([model.logpt], model.free_RVs)
    values = _in_python(model.free_RVs, kept)(*[model.test_point[v.name] for v in model.free_RVs])
    point = {v: model.test_point[v.name] for v in model.free_RVs}
    own = sum(np.asarray(value).nbytes for value in [*point.values(), *values])
    assert bytes_per_row([model.logpt], point) == 3 * own


def test_the_estimate_names_an_input_without_a_value():
    x, w = tt.dvector("data"), tt.dvector()
    with pytest.raises(ValueError, match="'outputs' parameter of bytes_per_row.*data"):
        bytes_per_row([tt.sum(x * w)], {w: np.ones(2)})


# ---------------------------------------------------------------- slices
@pytest.mark.parametrize("rows", [1, 3, 4, 100])
@pytest.mark.parametrize("size", [1, 7])
def test_values_and_gradients_do_not_depend_on_slices(rng, rows, size):
    scale, w, many = tt.dscalar(), tt.dvector(), tt.dmatrix()
    x = rng.standard_normal((5, 3))
    outputs = [tt.sum(tt.tanh(scale * tt.dot(x, w))), scale * w**2]
    whole = vectorize_graph(outputs, {w: many})
    sliced = vectorize_in_slices(outputs, {w: many}, rows, _in_python)

    def with_gradients(results):
        cost = tt.sum(tt.sqr(results[0])) + tt.sum(tt.sin(results[1]))
        return compiled([many, scale], results + tt.grad(cost, [many, scale]))

    point = rng.standard_normal((size, 3)), 0.7
    for got, wanted in zip(with_gradients(sliced)(*point), with_gradients(whole)(*point)):
        np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-14)


def test_a_single_output_and_second_derivatives(rng):
    w, many = tt.dvector(), tt.dmatrix()
    cost = tt.sum(tt.exp(w) * w[0])

    def curvature(result):
        slope = tt.grad(tt.sum(result), many)
        return compiled([many], tt.grad(tt.sum(slope**2), many))

    value = rng.standard_normal((5, 2))
    sliced = vectorize_in_slices(cost, {w: many}, 2, _in_python)
    assert sliced.ndim == 1
    np.testing.assert_allclose(curvature(sliced)(value), curvature(vectorize_graph(cost, {w: many}))(value))


def test_the_draws_can_be_cut_instead_of_their_parts(rng):
    a, b, shift, z = tt.dvector(), tt.dscalar(), tt.dscalar(), tt.dmatrix()
    output = tt.sum(a**2) * b + shift
    parts = {a: z[:, :2] + shift, b: z[:, 2]}
    sliced = vectorize_in_slices(output, parts, 2, _in_python, draws=[z])
    whole = vectorize_graph(output, parts)
    assert z in sliced.owner.inputs
    functions = [compiled([z, shift], [r] + tt.grad(tt.sum(tt.sqr(r)), [z, shift])) for r in (sliced, whole)]
    value = rng.standard_normal((5, 3))
    for got, wanted in zip(*[function(value, 0.3) for function in functions]):
        np.testing.assert_allclose(got, wanted, rtol=1e-12)


def test_constants_stay_inside_of_the_graph():
    w, many, x = tt.dvector(), tt.dmatrix(), theano.shared(np.eye(2))
    result = vectorize_in_slices(tt.sum(2.5 * w * np.ones(2) + tt.dot(x, w) / tt.sum(x)), {w: many}, 3, _in_python)
    (total,) = [v for v in result.owner.inputs[1:] if v.owner]
    assert x in result.owner.inputs and isinstance(total.owner.op, tt.Sum) and len(result.owner.inputs) == 3
    np.testing.assert_allclose(compiled([many], result)(np.ones((2, 2))), 6)


def test_no_slice_is_longer_than_asked_for():
    lengths = []

    class Length(theano.graph.op.Op):
        __props__ = ()

        def make_node(self, x):
            return theano.graph.basic.Apply(self, [x], [x.type()])

        def perform(self, node, inputs, output_storage):
            lengths.append(len(inputs[0]))
            output_storage[0][0] = inputs[0].copy()

    w, many = tt.dvector(), tt.dmatrix()
    middle = tt.exp(w)
    graph = vectorize_graph(middle, {w: many})
    assert graph.ndim == 2
    op = SlicedGraph([many], [], [Length()(graph)], [False], 4, _in_python)
    other = tt.dmatrix()
    np.testing.assert_allclose(compiled([other], op(other))(np.zeros((10, 2))), 1)
    assert lengths == [4, 4, 2]


def test_an_empty_batch():
    w, many = tt.dvector(), tt.dmatrix()
    result = vectorize_in_slices([tt.sum(w), w * 2], {w: many}, 2, _in_python)
    assert [r.shape for r in compiled([many], result)(np.zeros((0, 3)))] == [(0,), (0, 3)]


def test_integers_and_outputs_without_gradient(rng):
    w, many = tt.dvector(), tt.dmatrix()
    index = theano.shared(np.array([1, 0]))
    result = vectorize_in_slices([tt.sum(w[index]), tt.argmax(w)], {w: many}, 2, _in_python)
    function = compiled([many], result + [tt.grad(tt.sum(result[0]), many)])
    total, position, gradient = function(np.array([[1.0, 5.0, 2.0]] * 3))
    np.testing.assert_array_equal(total, 6)
    np.testing.assert_array_equal(position, 1)
    np.testing.assert_array_equal(gradient, [[1, 1, 0]] * 3)


def test_all_slices_see_the_same_minibatch():
    model = ZOO["minibatch"]()
    with theano.config.change_flags(compute_test_value="off"):  # models switch them on
        z = tt.dmatrix()
        terms = vectorize_in_slices([model.datalogpt], split(model, z), 2, _in_python)
        function = compiled([z], terms[0])
    points = np.stack([start_vector(model)] * 5)
    first, second = function(points), function(points)
    assert np.ptp(first) == 0 and np.ptp(second) == 0
    assert first[0] != second[0]  # the next call draws another one


def _sliced_nodes(function):
    return [node for node in function.maker.fgraph.apply_nodes if isinstance(node.op, SlicedGraph)]


def _merging():
    return Mode("py", "fast_run").register((MergeSlicedGraphs(), 48.3))


def test_values_and_gradients_are_evaluated_together(rng):
    w, many, scale = tt.dvector(), tt.dmatrix(), tt.dscalar()
    outputs = [tt.sum(tt.tanh(scale * w)), tt.prod(w)]
    a, b = vectorize_in_slices(outputs, {w: many}, 2, _in_python)
    cost = tt.mean(2 * a - b)

    def function(*results):
        with theano.config.change_flags(cxx=""):
            return theano.function([many, scale], results, mode=_merging())

    together = function(cost, *tt.grad(cost, [many, scale]))
    assert len(_sliced_nodes(together)) == 1
    apart = function(cost), function(tt.grad(cost, many)), function(tt.grad(cost, scale))
    point = rng.standard_normal((5, 3)), 0.4
    for got, single in zip(together(*point), apart):
        np.testing.assert_array_equal(got, single(*point)[0])


def test_gradients_that_are_weighted_by_the_values_come_after_them(rng):
    w, many = tt.dvector(), tt.dmatrix()
    outputs = tt.sum(tt.tanh(w))
    found = []
    for result in (vectorize_in_slices(outputs, {w: many}, 2, _in_python), vectorize_graph(outputs, {w: many})):
        cost = tt.log(tt.mean(tt.exp(result)))
        with theano.config.change_flags(cxx=""):
            found.append(theano.function([many], [cost, tt.grad(cost, many)], mode=_merging()))
    assert len(_sliced_nodes(found[0])) == 2
    value = rng.standard_normal((5, 3))
    for got, wanted in zip(*[function(value) for function in found]):
        np.testing.assert_allclose(got, wanted, rtol=1e-12)


def test_different_graphs_are_not_merged(rng):
    w, many, other = tt.dvector(), tt.dmatrix(), tt.dmatrix()
    results = [vectorize_in_slices(tt.sum(w**2), {w: x}, 2, _in_python) for x in (many, other)]
    with theano.config.change_flags(cxx=""):
        function = theano.function([many, other], results, mode=_merging())
    assert len(_sliced_nodes(function)) == 2
    for got, wanted in zip(function(np.ones((3, 2)), 2 * np.ones((1, 2))), [[2, 2, 2], [8]]):
        np.testing.assert_array_equal(got, wanted)


def test_a_sliced_graph_can_be_pickled():
    w, many = tt.dvector(), tt.dmatrix()
    result = vectorize_in_slices(tt.sum(w**2), {w: many}, 2, theano.function)
    copied_many, copied = pickle.loads(pickle.dumps((many, result)))
    with theano.config.change_flags(cxx=""):
        np.testing.assert_allclose(compiled([copied_many], copied)(np.ones((3, 2))), 2)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lkj", "logistic", "minibatch"])
def test_slices_within_compiled_code(name, rng):
    model = ZOO[name]()
    points = start_vector(model) + 0.1 * rng.standard_normal((7, dimension(model)))
    found = []
    with theano.config.change_flags(compute_test_value="off"):
        z = tt.dmatrix()
        for rows in (100, 3):
            logp = [model.varlogpt, model.datalogpt]
            terms = vectorize_in_slices(logp, split(model, z), rows, compile_function, draws=[z])
            gradient = tt.grad(tt.sum(terms[0] + terms[1]), z)
            found.append(compile_function([z], terms + [gradient], no_default_updates=True)(points))
    for got, wanted in zip(*found):
        np.testing.assert_allclose(got, wanted, rtol=1e-10, atol=1e-10)
