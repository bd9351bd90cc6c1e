"""Graphs whose elementwise expressions and sums become loops."""

from pymc3_vi.compiler import compile_count, compile_function, run_steps
from pymc3_vi.compiler._island_linker import IslandVM
from pymc3_vi.compiler._linear_algebra import with_linear_algebra_in_c
from pymc3_vi.compiler.ops import FusedLoop, TakeRows, _scalar_code

import numpy as np
import pytest
import theano
import theano.tensor as tt
from theano.tensor.elemwise import Elemwise, Sum
from theano.tensor.slinalg import cholesky, solve_lower_triangular

PYTHON = theano.Mode("py", "fast_compile")

pytestmark = pytest.mark.skipif(not theano.config.cxx, reason="there is no C++ compiler")


def loops(function):
    return [node for node in function.maker.fgraph.toposort() if isinstance(node.op, FusedLoop)]


def compare(inputs, outputs, values, n_loops=None, rtol=1e-12, mode=PYTHON):
    """The function with loops, after checking its results against those in Python."""
    fused, python = compile_function(inputs, outputs), theano.function(inputs, outputs, mode=mode)
    if n_loops is not None:
        assert len(loops(fused)) == n_loops
    results = fused(*values)
    for mine, reference in zip(results, python(*values)):
        assert mine.dtype == reference.dtype
        assert mine.shape == reference.shape
        np.testing.assert_allclose(mine, reference, rtol=rtol, atol=1e-13)
    return fused


def test_a_likelihood_and_its_gradient_are_one_pass(rng):
    y = theano.shared(rng.standard_normal(100))
    mu, log_sd = tt.dscalar("mu"), tt.dscalar("log_sd")
    sd = tt.exp(log_sd)
    logp = tt.sum(tt.switch(sd > 0, -0.5 * ((y - mu) / sd) ** 2 - tt.log(sd), -np.inf))
    function = compare([mu, log_sd], [logp, *theano.grad(logp, [mu, log_sd])], [0.3, -0.2], n_loops=1)
    for node in function.maker.fgraph.toposort():
        assert type(node.op) is not Sum
        assert type(node.op) is not Elemwise or all(node.outputs[0].broadcastable)


def test_loops_that_depend_on_each_other(rng):
    x = tt.dvector("x")
    centred = x - x.sum() / 7
    scaled = centred / tt.sqrt((centred**2).sum())
    outputs = [tt.exp(scaled), (scaled**3).sum(), centred + 1]
    compare([x], outputs, [rng.standard_normal(7)], n_loops=3)


def test_two_ranges_that_feed_each_other(rng):
    """Without care, the two ranges would make two loops that wait for each other."""
    x, y = tt.dvector("x"), tt.dvector("y")
    a = tt.exp(x)
    b = y * a.sum()
    c = tt.sin(x) * b.sum()
    d = y + c.sum()
    compare([x, y], [a, b, c, d, d.sum() + c.sum()], [rng.standard_normal(5), rng.standard_normal(9)])


def test_through_nodes_that_are_not_elementwise(rng):
    x = tt.dvector("x")
    a = tt.exp(x)
    total = tt.cumsum(a)
    outputs = [a, (total * a).sum(), total * 2 + a, tt.sort(a) - x]
    compare([x], outputs, [rng.standard_normal(11)])


def test_matrices_with_broadcasting(rng):
    x, rows, columns = tt.dmatrix("x"), tt.dvector("rows"), tt.dvector("columns")
    z = tt.exp(x - columns) * rows.dimshuffle(0, "x")
    probabilities = z / z.sum(axis=1, keepdims=True)
    outputs = [probabilities, z.sum(axis=0), z.sum(), tt.log(z.sum(axis=1))]
    outputs.append((x.T * columns.dimshuffle(0, "x")).sum(axis=1))
    compare([x, rows, columns], outputs, [rng.standard_normal((6, 4)), rng.random(6), rng.random(4)])


def test_squares_of_one_range_twice(rng):
    """Both dimensions of a square matrix belong to one class; they must not be mixed up."""
    x = tt.dvector("x")
    distance = (x.dimshuffle(0, "x") - x.dimshuffle("x", 0)) ** 2
    kernel = tt.exp(-distance)
    outputs = [kernel, kernel.sum(axis=0) * x, (kernel * x.dimshuffle(0, "x")).sum(axis=0)]
    outputs.append(theano.grad(kernel.sum(), x))
    compare([x], outputs, [rng.standard_normal(13)])


def test_columns_and_rows(rng):
    column, row = tt.dcol("column"), tt.drow("row")
    outputs = [tt.exp(column) + 1, (tt.exp(column) * row).sum(axis=1), tt.log(row).sum(), (column + row).sum(axis=0)]
    compare([column, row], outputs, [rng.random((5, 1)), rng.random((1, 3)) + 0.1])


def test_indexing_and_scatter(rng):
    group = np.array([0, 0, 1, 2, 2, 2, 1])
    effect, y = tt.dvector("effect"), rng.standard_normal(7)
    logp = tt.sum(-0.5 * (y - effect[group]) ** 2)
    compare([effect], [logp, theano.grad(logp, effect)], [rng.standard_normal(3)])


def test_the_sum_of_a_repeated_number_is_a_product(rng):
    a = tt.dscalar("a")
    n = tt.lscalar("n")
    outputs = [tt.alloc(tt.exp(a), 1000).sum(), tt.alloc(a, 10, n).sum()]
    compare([a, n], outputs, [0.7, 20])
    function = compare([a, n], outputs, [np.inf, 0])
    assert not any(type(node.op) is Sum for node in function.maker.fgraph.toposort())


def test_constants_repeated_over_the_range_are_not_read(rng):
    x = tt.dvector("x")
    outputs = [(x * tt.ones_like(x) * 3 + tt.alloc(x[0], x.shape[0])).sum(), tt.exp(tt.alloc(x[1], x.shape[0]) * 2)]
    compare([x], outputs, [rng.standard_normal(9)])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_types(dtype, rng):
    x = tt.TensorType(dtype, (False,))("x")
    i = tt.lvector("i")
    outputs = [
        (x * 2).sum(),
        tt.exp(x),
        (x > 0).sum(),
        (x * i).sum(),
        (i + 1).sum(),
        tt.switch(i > 1, x, x**2).sum(),
        tt.cast(x, "float32") + 1,
    ]
    values = [rng.standard_normal(33).astype(dtype), rng.integers(0, 5, 33)]
    compare([x, i], outputs, values, rtol=1e-12 if dtype == "float64" else 1e-5)


def test_updates_are_made_in_place_and_results_are_not_overwritten(rng):
    x, m = theano.shared(rng.standard_normal(20)), theano.shared(np.zeros(20))
    g = tt.tanh(x)
    new_m = 0.75 * m + 0.25 * g
    function = compile_function([], [x, tt.exp(x).sum()], updates=[(m, new_m), (x, x - 0.5 * new_m)])
    (node,) = loops(function)
    assert {position for _, position in node.op.inplace}
    start = x.get_value()
    first, total = function()
    np.testing.assert_array_equal(first, start)
    np.testing.assert_allclose(x.get_value(), start - 0.125 * np.tanh(start), rtol=1e-14)
    np.testing.assert_allclose(total, np.exp(start).sum(), rtol=1e-13)
    second, _ = function()
    np.testing.assert_array_equal(first, start)
    assert not np.array_equal(first, second)


def test_infinite_terms_stay_infinite(rng):
    x, bound = tt.dvector("x"), tt.dscalar("bound")
    logp = tt.sum(tt.switch(x < bound, -(x**2), -np.inf))
    fused = compile_function([x, bound], [logp, theano.grad(logp, x)])
    value = rng.random(20)
    assert fused(value, 0.5)[0] == -np.inf
    np.testing.assert_allclose(fused(value, 1.0)[0], -(value**2).sum())
    value[3] = np.nan
    assert np.isneginf(fused(value, 1.0)[0])


def test_new_data_and_new_numbers_compile_nothing(rng):
    def build(seed, scale):
        random = np.random.default_rng(seed)
        y, x = random.standard_normal(30), tt.dscalar("x")
        return compile_function([x], tt.sum(tt.exp(-((y - x * scale) ** 2))))

    build(1, 2.37)
    before = compile_count()
    function = build(2, 3.71)
    assert compile_count() == before
    y = np.random.default_rng(2).standard_normal(30)
    np.testing.assert_allclose(function(0.5), np.exp(-((y - 0.5 * 3.71) ** 2)).sum(), rtol=1e-12)


def test_linear_algebra_is_part_of_the_island(rng):
    x = tt.dvector("x")
    covariance = tt.exp(-((x.dimshuffle(0, "x") - x.dimshuffle("x", 0)) ** 2)) + 0.1 * tt.eye(x.shape[0])
    factor = cholesky(covariance)
    logp = with_linear_algebra_in_c(tt.log(tt.diagonal(factor)).sum() + solve_lower_triangular(factor, x).sum())
    function = compile_function([x], [logp, theano.grad(logp, x)])
    assert len(function.fn._items) == 1
    value = rng.standard_normal(6)
    reference = theano.function([x], [logp, theano.grad(logp, x)], mode="FAST_COMPILE")(value)
    for mine, theirs in zip(function(value), reference):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9)


def test_long_runs_agree_with_the_exact_engine(rng):
    y, x = rng.standard_normal(200), rng.standard_normal((200, 3))

    def run(engine):
        beta, counter, losses = theano.shared(np.zeros(3)), theano.shared(np.int64(0)), theano.shared(np.zeros(100))
        residual = y - tt.dot(x, beta)
        loss = tt.sum(tt.log1p(residual**2)) + tt.sum(beta**2)
        updates = [
            (beta, beta - 1e-3 * theano.grad(loss, beta)),
            (losses, tt.set_subtensor(losses[counter], loss)),
            (counter, counter + 1),
        ]
        run_steps(compile_function([], None, updates=updates, engine=engine), 100)
        return losses.get_value()

    np.testing.assert_allclose(run("island"), run("exact"), rtol=1e-12)


def test_nothing_to_run_over(rng):
    x, m = tt.dvector("x"), tt.dmatrix("m")
    logp = tt.sum(tt.switch(x > 0, tt.log(x), -np.inf))
    outputs = [logp, theano.grad(logp, x), tt.exp(m).sum(axis=0) * 2, tt.exp(m).sum(axis=1), (m + x).sum()]
    for shape in ((0, 3), (3, 0)):
        compare([x, m], outputs, [np.ones(shape[1]), np.zeros(shape)])


def test_not_a_number_stays_what_it_is():
    x, y = tt.dvector("x"), tt.dvector("y")
    outputs = [
        x.sum(), tt.maximum(x, y), tt.switch(tt.isnan(x), y, x).sum(), tt.clip(x, -1, 1), tt.switch(x > y, x, y),
        tt.sgn(x), tt.exp(x), tt.eq(x, y), tt.log(x - x),
    ]  # fmt: skip
    specials = [np.nan, np.inf, -np.inf, 0.0, 1.0]
    pairs = np.array([(a, b) for a in specials for b in specials]).T
    compare([x, y], outputs, list(pairs), mode=theano.Mode("py", "fast_run"))  # where x - x is 0, too


def test_conditions_of_bound_are_part_of_the_loop(rng):
    """PyMC3 multiplies the conditions on its parameters, as booleans or as bytes."""
    y, scale = tt.dvector("y"), tt.dscalar("scale")
    conditions = 1
    for condition in (y >= 0, y < 9, scale > 0):
        conditions = conditions * (1 * condition)
    logp = tt.sum(tt.switch(conditions, tt.log(scale) - scale * y, -np.inf))
    for value in (rng.random(20), rng.random(20) * 20, rng.random(20) - 0.5):
        function = compare([y, scale], [logp, *theano.grad(logp, [y, scale])], [value, 0.7], n_loops=1)
    nodes = [node for node in function.maker.fgraph.toposort() if type(node.op) is Elemwise]
    assert all(all(node.outputs[0].broadcastable) for node in nodes)


def test_one_array_under_two_names_is_not_overwritten(rng):
    """An update may be made over an old value only where nothing else reads it."""
    x, y = theano.shared(rng.standard_normal(9)), theano.shared(rng.standard_normal(9))
    old_x, old_y = x.get_value(), y.get_value()
    function = compile_function([], [x[::-1] + y], updates=[(x, tt.exp(y) + x[::-1]), (y, x * 2)])
    (first,) = function()
    np.testing.assert_allclose(first, old_x[::-1] + old_y, rtol=1e-15)
    np.testing.assert_allclose(x.get_value(), np.exp(old_y) + old_x[::-1], rtol=1e-14)
    np.testing.assert_allclose(y.get_value(), old_x * 2, rtol=1e-15)


def test_results_are_not_overwritten_by_later_loops(rng):
    x = tt.dvector("x")
    a = tt.exp(x)
    row = a.dimshuffle("x", 0)
    outputs = [a, a * a.sum(), row * a.sum() + 1]
    compare([x], outputs, [rng.standard_normal(6)])


def exotic(rng):
    """A function of every kind of vector code, and its value."""
    x = tt.dvector("x")
    logp = tt.sum(tt.log1p(tt.exp(x)) * tt.erf(x) + tt.tanh(x))
    value = rng.standard_normal(37)
    reference = theano.function([x], logp, mode="FAST_COMPILE")(value)
    return compile_function([x], logp), value, reference


def test_without_a_vector_library(monkeypatch, rng):
    monkeypatch.setattr(_scalar_code, "_libmvec_version", lambda: (0, 0))
    function, value, reference = exotic(rng)
    assert len(loops(function)) == 1
    np.testing.assert_allclose(function(value), reference, rtol=1e-13)


def test_where_loops_do_not_link_there_are_islands_without(monkeypatch, rng, empty_cache, falls_back):
    monkeypatch.setattr("pymc3_vi.compiler.ops._fused_loop.vector_math_libraries", lambda: ["there_is_no_such_library"])
    function, value, reference = exotic(rng)
    assert isinstance(function.fn, IslandVM)
    assert not loops(function)
    np.testing.assert_allclose(function(value), reference, rtol=1e-13)


def test_sums_do_not_depend_on_where_the_data_lie(rng):
    """The same seed must give the same fit to the last bit, wherever memory comes from."""
    x, y = tt.dvector("x"), tt.dvector("y")
    function = compile_function([x, y], [tt.sum(tt.exp(x) * y), tt.sum(tt.sqr(x - y)), tt.log1p(x**2) / y])
    for n in (5, 1003):
        values = rng.standard_normal((2, n))
        expected = function(*[v.copy() for v in values])
        for offset in range(8):
            moved = np.zeros((2, n + 8))
            moved[:, offset : offset + n] = values
            for mine, reference in zip(function(*moved[:, offset : offset + n]), expected):
                np.testing.assert_array_equal(mine, reference)


def test_a_function_with_a_vector_form_is_a_loop_of_its_own(rng):
    x = tt.dmatrix("x")
    has_tanh = _scalar_code._libmvec_version() >= (2, 35)
    compare([x], [tt.dot(tt.tanh(x), np.ones((3, 2)))], [rng.standard_normal((5, 3))], n_loops=int(has_tanh))
    compare([x], [tt.dot(2 * x, np.ones((3, 2)))], [rng.standard_normal((5, 3))], n_loops=0)


def test_rows_and_products_have_the_length_of_what_they_are_made_of(rng):
    x = tt.dmatrix("x")
    index = np.array([0, 2, 2, 1])
    by_draw = [tt.sum(TakeRows()(x, index), axis=1), tt.sum(x, axis=1), tt.sum(tt.dot(x, np.ones((3, 6))), axis=1)]
    # The three sums are over different ranges; the exponentials of all of them are over that of the draws.
    compare([x], [tt.exp(total) for total in by_draw], [rng.standard_normal((5, 3))], n_loops=4)


@pytest.mark.parametrize("shape", [(4, 200), (200, 4), (1, 5), (0, 3)])
def test_transposes_are_read_as_they_lie(shape, rng):
    m, v = tt.dmatrix(), tt.dvector()
    view = m.T
    outputs = [tt.sum(tt.sqr(view), axis=0), tt.sum(view * v, axis=1), tt.sum(tt.exp(view + v))]
    function = compile_function([m, v], outputs)
    loops = [node for node in function.maker.fgraph.toposort() if isinstance(node.op, FusedLoop) and node.op.ndim == 2]
    assert loops and not any(x.owner for node in loops for x in node.inputs)
    a, b = rng.standard_normal(shape), rng.standard_normal(shape[0])
    expected = [(a.T**2).sum(axis=0), (a.T * b).sum(axis=1), np.exp(a.T + b).sum()]
    for found, wanted in zip(function(a, b), expected):
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)


def test_transposes_beside_matrices_and_in_results(rng):
    m, n = tt.dmatrix(), tt.dmatrix()
    a, b = rng.standard_normal((3, 50)), rng.standard_normal((50, 3))
    both = compile_function([m, n], [tt.sum(tt.exp(m.T) * n, axis=0), tt.exp(m.T) + 1])
    for found, wanted in zip(both(a, b), [(np.exp(a.T) * b).sum(axis=0), np.exp(a.T) + 1]):
        np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_an_unrolled_recursion_does_not_make_its_loops_again_and_again(rng, monkeypatch):
    """Every result that can be written over an input was tried alone, with all others of its loop."""
    made = []
    make_node = FusedLoop.make_node
    monkeypatch.setattr(FusedLoop, "make_node", lambda op, *inputs: made.append(op) or make_node(op, *inputs))
    a, b = tt.dmatrix("a"), tt.dmatrix("b")
    x, y, path = a[:, 0], a[:, 1], []
    for _ in range(8):
        x, y = x + 0.1 * (b[:, 0] * x - b[:, 1] * x * y), y + 0.1 * (b[:, 1] * x * y - y)
        path.append(tt.stack([x, y], axis=1))
    loss = tt.sum(tt.sqr(tt.stack(path) - 1.0))
    values = [rng.uniform(0.5, 1.5, (6, 2)) for _ in range(2)]
    function = compare([a, b], [loss, *tt.grad(loss, [a, b])], values, rtol=1e-9)
    assert len(made) < 15 * len(loops(function))


def test_what_is_read_after_a_loop_is_not_written_over(rng):
    """The sum is read by what comes after the loop, and with it by a second one."""
    x = tt.dvector("x")
    total = tt.cumsum(x)
    bent = tt.cumsum(tt.tanh(total) + 1.0)
    compare([x], [tt.cumsum(bent * total), bent], [rng.standard_normal(7)])
