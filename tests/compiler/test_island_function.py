"""Functions of the island engine compute what Theano's own do, and keep Theano's memory contract."""

import gc
import sys
import tracemalloc
from functools import partial

from pymc3_vi.compiler import compile_function, memory_kept, release_memory, run_steps
from pymc3_vi.compiler._island_linker import IslandVM
from pymc3_vi.errors import EngineWarning

import numpy as np
import pytest
import theano
import theano.sparse
import theano.tensor as tt
from theano.ifelse import ifelse
from theano.sandbox.rng_mrg import MRG_RandomStream
from theano.tensor.random.utils import RandomStream
from theano.tensor.slinalg import cholesky

needs_compiler = pytest.mark.skipif(not theano.config.cxx, reason="there is no C++ compiler")
pytestmark = needs_compiler


@pytest.fixture(params=["island", "exact"])
def compiled(request):
    """`compile_function` with each of the engines that make one module of a graph."""
    return partial(compile_function, engine=request.param)


def shared(value, dtype="float64"):
    return theano.shared(np.asarray(value, dtype=dtype))


def python_function(inputs, outputs, **kwargs):
    return theano.function(inputs, outputs, mode="FAST_COMPILE", **kwargs)


def test_many_ops_agree_with_python(rng, compiled):
    x, i = tt.dvector("x"), tt.lvector("i")
    outputs = [
        x[i],
        tt.set_subtensor(x[i], 0.0),
        tt.inc_subtensor(x[1:], 1.0),
        tt.sort(x),
        tt.argmax(x),
        tt.max(x),
        tt.cumsum(x),
        tt.concatenate([x, x]),
        tt.nnet.softmax(x.dimshuffle("x", 0)),
        tt.arange(3) + i.sum(),
        tt.eye(3),
        tt.gammaln(x),
        tt.psi(x),
        tt.erf(x),
        x.norm(2),
        tt.switch(x > 0.5, x, -x),
        tt.dot(tt.outer(x, x), x),
        tt.dot(tt.outer(x, x), tt.outer(x, x)),
        x.astype("float32"),
        tt.any(x > 2),
    ]
    inputs = [rng.random(7) + 0.1, np.array([0, 2])]
    function = compiled([x, i], outputs)
    assert isinstance(function.fn, IslandVM)
    for mine, reference in zip(function(*inputs), python_function([x, i], outputs)(*inputs)):
        assert mine.dtype == reference.dtype
        # Theano's C code of psi is good to nine digits only
        np.testing.assert_allclose(mine, reference, rtol=1e-6 if mine.dtype == "float32" else 1e-9)


def test_float32_stays_float32(rng, compiled):
    x = tt.fvector("x")
    function = compiled([x], [tt.exp(x).sum(), tt.dot(x, x), x * 2])
    value = rng.random(5).astype("float32")
    results = function(value)
    assert [r.dtype for r in results] == ["float32"] * 3
    np.testing.assert_allclose(results[1], value @ value, rtol=1e-6)


def test_the_sum_of_a_batch_runs_as_one_island():
    x = tt.dvector("x")
    function = compile_function([x], tt.log(tt.exp(x).sum()))
    assert len(function.fn._items) == 1


def test_sparse_and_complex_inputs(rng, compiled):
    scipy_sparse = pytest.importorskip("scipy.sparse")
    matrix, x, z = theano.sparse.csr_matrix("matrix"), tt.dvector("x"), tt.zvector("z")
    function = compiled([matrix, x, z], [theano.sparse.dot(matrix, x), z * z.conj()])
    value = rng.random(3)
    product, squares = function(scipy_sparse.csr_matrix(np.diag([1.0, 2, 3])), value, value * 1j)
    np.testing.assert_allclose(product, value * [1, 2, 3])
    np.testing.assert_allclose(squares, value**2)


# ---------------------------------------------------------------- memory contract
def test_results_are_never_overwritten(compiled):
    x = shared(np.arange(6.0))
    y = tt.exp(x)
    function = compiled([], [y, y[1:4], y.reshape((2, 3)), y.reshape((2, 3)).T, x, x[::2], tt.sum(y)])
    first = function()
    copies = [result.copy() for result in first]
    x.set_value(np.arange(6.0) + 1)
    second = function()
    for result, copy, other in zip(first, copies, second):
        np.testing.assert_array_equal(result, copy)
        assert not np.array_equal(result, other)


def test_a_result_that_views_a_temporary_is_never_overwritten(compiled):
    x = shared(np.arange(6.0))
    function = compiled([], tt.exp(x).reshape((2, 3))[1:])
    first = function()
    copy = first.copy()
    x.set_value(np.zeros(6))
    function()
    np.testing.assert_array_equal(first, copy)


def test_the_old_value_of_an_updated_variable_is_returned(compiled):
    x = shared(np.zeros(3))
    function = compiled([], x, updates=[(x, x + 1)])
    results = [function(), function()]
    np.testing.assert_array_equal(results, [np.zeros(3), np.ones(3)])
    np.testing.assert_array_equal(x.get_value(), np.full(3, 2.0))


def test_updates_are_simultaneous(compiled):
    a, b = shared(1.0), shared(2.0)
    function = compiled([], [a, b], updates=[(a, b), (b, a)])
    assert [float(v) for v in function()] == [1.0, 2.0]
    assert (a.get_value(), b.get_value()) == (2.0, 1.0)
    run_steps(function, 3)
    assert (a.get_value(), b.get_value()) == (1.0, 2.0)


def test_borrowed_values_of_shared_variables_are_not_touched_by_updates_that_make_new_arrays(compiled):
    x = shared(np.ones(4))
    before = x.get_value(borrow=False)
    function = compiled([], None, updates=[(x, tt.exp(-x))])
    run_steps(function, 2)
    np.testing.assert_allclose(x.get_value(), np.exp(-np.exp(-before)))


@pytest.mark.parametrize("allow_gc", [True, False])
def test_temporaries_are_released_if_theano_is_told_so(allow_gc, compiled):
    x = shared(np.zeros(1000000))
    with theano.config.change_flags(allow_gc=allow_gc):
        function = compiled([], cholesky(tt.diag(tt.exp(x[:2]))).sum() + tt.exp(x).sum())
    function()
    stored = [
        cell[0]
        for variable, cell in function.fn.storage_map.items()
        if variable.owner is not None and cell[0] is not None
    ]
    assert bool(stored) is not allow_gc


def test_memory_is_kept_between_runs_until_it_is_released():
    x, total = shared(np.zeros(1000000)), shared(0.0)
    function = compile_function([], None, updates=[(total, tt.cumsum(x).sum())])
    tracemalloc.start()
    try:
        run_steps(function, 2)
        before = tracemalloc.get_traced_memory()[0]
        run_steps(function, 2, keep_memory=True)
        kept = tracemalloc.get_traced_memory()[0] - before
        release_memory(function)
        left = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert kept > 7.9e6 and left < 1e5


@pytest.mark.parametrize("nested", [False, True])
def test_memory_is_kept_between_calls_within_a_context(nested):
    x, scale = shared(np.ones(1000000)), tt.dscalar()
    function = compile_function([scale], [tt.cumsum(scale * x).sum(), tt.stack([scale, scale])])
    tracemalloc.start()
    try:
        first = function(1.0)
        before = tracemalloc.get_traced_memory()[0]
        with memory_kept(function):
            if nested:
                with memory_kept(function):
                    function(3.0)
            again, (two, _) = function(2.0)
            kept = tracemalloc.get_traced_memory()[0] - before
        left = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert again == 2 * first[0] and two == 2.0
    assert kept > 7.9e6 and left < 1e5
    third, fourth = function(3.0), function(4.0)
    assert third[1] is not fourth[1] and third[1][0] == 3.0  # results are the caller's own again


def test_memory_is_not_kept_once_its_context_is_gone():
    """A Ctrl-C may come before Python reaches the end of a context."""
    x = tt.dvector()
    function = compile_function([x], tt.cumsum(x).sum())
    context = memory_kept(function)
    context.__enter__()
    assert not function.fn.allow_gc
    del context
    gc.collect()
    assert function.fn.allow_gc == theano.config.allow_gc


def test_memory_is_not_kept_after_an_error_in_a_context():
    x = tt.dmatrix()
    function = compile_function([x], [cholesky(tt.dot(x, x.T)), (x * 2).sum()])
    with pytest.raises(np.linalg.LinAlgError), memory_kept(function):
        function(np.zeros((500, 500)))
    assert function.fn.allow_gc == theano.config.allow_gc


def test_nothing_leaks(compiled):
    counter, losses = shared(0, "int64"), shared(np.zeros(100))
    x = shared(np.zeros(10))
    new = tt.exp(-x) + 1
    updates = [(x, new), (counter, (counter + 1) % 100), (losses, tt.set_subtensor(losses[counter], new.sum()))]
    function = compiled([], [tt.exp(x).sum(), x[2:]], updates=updates)
    run_steps(function, 10)
    gc.collect()
    before = sys.getrefcount(None)
    run_steps(function, 1000)
    for _ in range(100):
        function()
    assert abs(sys.getrefcount(None) - before) < 100
    assert sys.getrefcount(x.get_value(borrow=True)) < 10


# ---------------------------------------------------------------- ways of calling
def test_arguments_defaults_and_givens(compiled):
    x, p, y = tt.dvector("x"), tt.dscalar("p"), tt.dscalar("y")
    function = compiled([x, theano.In(p, value=3.0)], x * p + y, givens={y: p + 1}, name="named")
    np.testing.assert_array_equal(function([1.0, 2.0]), [7.0, 10.0])
    np.testing.assert_array_equal(function([1.0], 5.0), [11.0])
    np.testing.assert_array_equal(function([1.0]), [7.0])
    assert function.name == "named"


def test_unused_inputs_are_allowed_and_can_be_forbidden():
    x, unused = tt.dscalar("x"), tt.dscalar("unused")
    assert compile_function([x, unused], x + 1)(1.0, 5.0) == 2.0
    with pytest.raises(theano.compile.UnusedInputError):
        compile_function([x, unused], x + 1, on_unused_input="raise")


def test_trusted_inputs_of_a_wrong_type_raise():
    x = tt.dvector("x")
    function = compile_function([x], x * 2)
    function.trust_input = True
    with pytest.raises(TypeError, match="type number"):
        function(np.zeros(3, "float32"))
    with pytest.raises(ValueError, match="expected an array of 1 dimensions, got 2"):
        function(np.zeros((3, 3)))
    with pytest.raises(ValueError, match="not None"):
        function(None)
    np.testing.assert_array_equal(function(np.ones(2)), [2.0, 2.0])


@pytest.mark.parametrize("stream", [MRG_RandomStream, RandomStream])
def test_random_streams_advance_as_in_theano(stream):
    def draw(compile_it):
        function = compile_it([], stream(3).normal((4,)))
        return [function(), function()]

    mine = draw(compile_function)
    np.testing.assert_allclose(mine, draw(python_function), rtol=1e-12)
    assert not np.allclose(mine[0], mine[1])


def test_constants_and_identities(compiled):
    x = tt.dvector("x")
    assert compiled([], tt.constant(3.0))() == 3.0
    np.testing.assert_array_equal(compiled([x], [x, x])([1.0, 2.0]), [[1.0, 2.0]] * 2)
    assert compiled([], None)() == []


@pytest.mark.parametrize(
    "hold", [tt.as_tensor_variable, partial(theano.shared, borrow=True)], ids=["constant", "shared"]
)
@pytest.mark.parametrize("columns", [(), (2,)], ids=["vector", "matrix"])
@pytest.mark.parametrize("lay", [
    lambda x: np.lib.stride_tricks.as_strided(x, (40, 3), (8, 8)),
    lambda x: np.lib.stride_tricks.as_strided(x, (2, 3), (16, 8)),
    lambda x: x[::-1, ::2],
    lambda x: x[:, ::-2],
    lambda x: x[::3, 1:4],
    lambda x: np.broadcast_to(x[0, :3], (5, 3)),
], ids=["windows", "two windows", "rows backwards", "columns backwards", "steps", "repeated"])  # fmt: skip
def test_data_of_any_layout_in_products(rng, lay, columns, hold):
    """An Op that copies what BLAS refuses frees what it had; windows that overlap even Theano hands to it."""
    data = lay(rng.normal(size=(60, 6)))
    w = tt.TensorType("float64", (False,) * (1 + len(columns)))("w")
    loss = tt.sum(tt.sqr(tt.dot(hold(data), w)))
    function, at = compile_function([w], [loss, tt.grad(loss, w)]), rng.normal(size=(3, *columns))
    for _ in range(3):
        found = function(at)
        np.testing.assert_allclose(found[0], np.sum((data @ at) ** 2))
        np.testing.assert_allclose(found[1], 2 * data.T @ (data @ at), rtol=1e-10)


@pytest.mark.parametrize("hold", [tt.as_tensor_variable, partial(theano.shared, borrow=True)], ids=["fixed", "shared"])
def test_stacks_of_sliding_windows_in_products(rng, hold):
    windows, at = (
        np.lib.stride_tricks.as_strided(rng.normal(size=40), (7, 4, 5), (8, 16, 8)),
        rng.normal(size=(7, 5, 2)),
    )
    w = tt.dtensor3("w")
    product = tt.batched_dot(hold(windows), w)
    found = compile_function([w], [product, tt.grad(tt.sum(tt.sqr(product)), w)])(at)
    np.testing.assert_allclose(found[0], windows @ at)
    np.testing.assert_allclose(found[1], 2 * windows.transpose(0, 2, 1) @ (windows @ at), rtol=1e-10)


def test_inside_a_model_context_test_values_are_not_asked_for():
    x = tt.dvector("x")
    y = tt.exp(x)
    with theano.config.change_flags(compute_test_value="raise"):
        function = compile_function([x], y)
        python = compile_function([x], y, mode="FAST_COMPILE")
    assert function([0.0]) == python([0.0]) == [1.0]


def test_a_given_mode_or_profile_means_theano_as_it_is():
    x = tt.dscalar("x")
    for arguments in ({"mode": "FAST_COMPILE"}, {"engine": "theano", "mode": "FAST_COMPILE"}):
        function = compile_function([x], x + 1, **arguments)
        assert not isinstance(function.fn, IslandVM)
        assert function(1.0) == 2.0
    with theano.config.change_flags(mode="FAST_COMPILE"):
        assert not isinstance(compile_function([x], x + 1).fn, IslandVM)


# ---------------------------------------------------------------- control flow
def test_python_nodes_run_between_islands(rng, compiled):
    matrix = tt.dmatrix("matrix")
    factor = cholesky(matrix)
    function = compiled([matrix], [tt.exp(factor).sum(), factor, theano.grad(factor.sum(), matrix)])
    value = np.diag([4.0, 9.0])
    result = function(value)
    np.testing.assert_allclose(result[1], np.diag([2.0, 3.0]))
    np.testing.assert_allclose(result[2], python_function([matrix], theano.grad(factor.sum(), matrix))(value))


def test_lazy_nodes_use_the_stock_linker(caplog, falls_back):
    condition, matrix = tt.dscalar("condition"), tt.dmatrix("matrix")
    with caplog.at_level("DEBUG", logger="pymc3_vi"):
        with pytest.warns(EngineWarning, match="lazily"):
            function = compile_function(
                [condition, matrix], ifelse(condition > 0, matrix.sum(), cholesky(matrix).sum())
            )
    assert not isinstance(function.fn, IslandVM)
    assert function(1.0, -np.eye(2)) == -2.0  # the other branch would raise
    assert len(caplog.records) == 1
    assert "lazily" in caplog.text


def test_loops_have_islands_inside(rng, compiled):
    x = tt.dvector("x")
    start = tt.constant(1.0, dtype="float64")
    states, _ = theano.scan(lambda a, b: tt.exp(-a) * b + 1, sequences=[x], outputs_info=[start])
    outputs = [states, theano.grad(states[-1], x)]
    function = compiled([x], outputs)
    value = rng.random(7)
    expected = python_function([x], outputs)(value)
    for _ in range(2):
        for mine, reference in zip(function(value), expected):
            np.testing.assert_allclose(mine, reference, rtol=1e-12)


def test_random_streams_inside_loops_advance():
    x = tt.dvector("x")

    def draw(compile_it):
        stream = MRG_RandomStream(3)
        values, updates = theano.scan(lambda a: stream.normal(()) + a, sequences=[x])
        function = compile_it([x], values, updates=updates)
        return [function(np.zeros(3)), function(np.zeros(3))]

    np.testing.assert_allclose(draw(compile_function), draw(python_function), rtol=1e-12)


# ---------------------------------------------------------------- bits
def _step_graph(rng):
    """A small regression with an adaptive step size: elementwise, reductions, scatter and in-place updates.

    No matrix product: Theano calls other BLAS routines from Python than from C.
    """
    data, response = rng.standard_normal((50, 4)), rng.standard_normal(50)
    noise, counter, losses = shared(rng.standard_normal((64, 4))), shared(0, "int64"), shared(np.zeros(64))
    mu, rho, squares = shared(np.zeros(4)), shared(np.zeros(4)), shared(np.zeros((3, 4)))
    eps = noise[counter]
    z = mu + tt.nnet.softplus(rho) * eps
    residual = response - tt.sum(data * z, axis=1)
    loss = 0.5 * tt.sum(residual**2) + 0.5 * tt.sum(z**2) - tt.sum(tt.log(tt.nnet.softplus(rho)))
    g_mu, g_rho = theano.grad(loss, [mu, rho])
    new_squares = tt.set_subtensor(squares[counter % 3], g_mu**2)
    updates = [
        (counter, counter + 1),
        (losses, tt.set_subtensor(losses[counter], loss)),
        (squares, new_squares),
        (mu, mu - 0.01 * g_mu / tt.sqrt(new_squares.sum(axis=0) + 0.1)),
        (rho, rho - 1e-3 * g_rho),
    ]
    return updates, [losses, mu, rho, squares]


def _run(compile_it, updates, watched, steps):
    start = [variable.get_value() for variable, _ in updates]
    function = compile_it([], None, updates=updates)
    run_steps(function, steps)
    result = [variable.get_value() for variable in watched]
    for (variable, _), value in zip(updates, start):
        variable.set_value(value)
    return result


def test_every_bit_equals_the_stock_linker(rng, stock_linked):
    updates, watched = _step_graph(rng)
    mine = _run(partial(compile_function, engine="exact"), updates, watched, 60)
    reference = _run(stock_linked, updates, watched, 60)
    assert mine[0][59] < mine[0][0]
    for a, b in zip(mine, reference):
        np.testing.assert_array_equal(a, b)


def test_many_steps_at_once_equal_single_calls(rng):
    updates, watched = _step_graph(rng)

    def one_by_one(*args, **kwargs):
        function = compile_function(*args, **kwargs)
        for _ in range(20):
            function()
        return function

    together = _run(compile_function, updates, watched, 20)
    single = _run(one_by_one, updates, watched, 0)
    for a, b in zip(together, single):
        np.testing.assert_array_equal(a, b)
