"""Logarithms of sums of exponentials, in Python and in C, against SciPy; and where they are found in models."""

from pymc3_vi.compiler import compile_function
from pymc3_vi.compiler._linear_algebra import with_linear_algebra_in_c
from pymc3_vi.compiler.ops import LogSumExp
from pymc3_vi.compiler.vectorize import vectorize_graph

import numpy as np
import pytest
import theano
import theano.tensor as tt
from pymc3.math import logsumexp
from scipy import special

from .checks import check_gradient, check_shapes, evaluate


def ops_of(variable):
    return [type(node.op) for node in theano.graph.basic.io_toposort([], [variable])]


@pytest.fixture(scope="module")
def both():
    """The two outputs of a matrix in C and in Python."""
    x = tt.dmatrix()
    with theano.config.change_flags(cxx=""):
        python = theano.function([x], LogSumExp()(x))
    return compile_function([x], LogSumExp()(x)), python


@pytest.mark.parametrize("shape", [(1, 1), (5, 2), (63, 3), (64, 2), (129, 5), (3, 100), (0, 3)])
def test_values(both, shape, rng):
    x = rng.normal(scale=3, size=shape)
    for function in both:
        y, w = function(x)
        np.testing.assert_allclose(y, special.logsumexp(x, axis=-1), rtol=1e-14, atol=1e-14)
        np.testing.assert_allclose(w, special.softmax(x, axis=-1), rtol=1e-13)


def test_large_and_infinite_numbers(both):
    inf = np.inf
    x = np.array([[1e5, 1e5], [-1e5, -1e5 + 1], [-inf, 3.0], [-inf, -inf], [inf, 1.0], [np.nan, 1.0]])
    wanted = [1e5 + np.log(2), -1e5 + np.log(1 + np.e), 3.0, -inf, inf, np.nan]
    for function in both:
        y, w = function(x)
        np.testing.assert_allclose(y, wanted, rtol=1e-15)
        np.testing.assert_allclose(w[:3], [[0.5, 0.5], special.softmax([0, 1]), [0, 1]], rtol=1e-10)


def test_layouts_and_types(rng):
    value = rng.normal(size=(4, 6))
    for dtype, rtol in (("float64", 1e-13), ("float32", 1e-5)):
        x = tt.matrix(dtype=dtype)
        outputs = [*LogSumExp()(x), *LogSumExp()(x[::2, ::-3]), *LogSumExp()(x.T), *LogSumExp()(x[1])]
        evaluate([x], outputs, [value.astype(dtype)], rtol)
        evaluate([x], outputs, [np.asfortranarray(value.astype(dtype))], rtol)
    check_shapes([x], LogSumExp()(x), [value.astype("float32")])


def test_derivatives(rng):
    x = rng.normal(size=(3, 4))
    check_gradient(lambda x: LogSumExp()(x), [x], rng)  # through both outputs
    check_gradient(lambda x: LogSumExp()(x)[0], [x], rng)
    symbol, direction = tt.dmatrix(), tt.dmatrix()
    change = compile_function([symbol, direction], tt.Rop(LogSumExp()(symbol)[0], symbol, direction))
    weights = special.softmax(x, axis=1)
    np.testing.assert_allclose(change(x, x**2), np.sum(weights * x**2, axis=1), rtol=1e-12)


def test_integers_and_scalars_are_refused():
    for x in (tt.lmatrix(), tt.dscalar()):
        with pytest.raises(TypeError, match="LogSumExp needs floats with at least one dimension"):
            LogSumExp()(x)


def test_batches_are_further_rows(rng):
    x, batch = tt.dmatrix(), tt.dtensor3()
    single = LogSumExp()(x)
    many = vectorize_graph(single, {x: batch})
    assert not any("Scan" in kind.__name__ for kind in ops_of(many[0]))
    value = rng.normal(size=(2, 5, 3))
    function = compile_function([x], single)
    for one, together in zip(zip(*map(function, value)), compile_function([batch], many)(value)):
        np.testing.assert_allclose(together, one, rtol=1e-14)


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("keepdims", [True, False])
def test_the_sums_of_models_are_found(axis, keepdims, rng):
    x = tt.dtensor3()
    stock = logsumexp(2 * x, axis=axis, keepdims=keepdims)
    ours = with_linear_algebra_in_c(stock)
    assert LogSumExp in ops_of(ours) and ours.type == stock.type
    value = rng.normal(size=(3, 4, 2))
    gradient = theano.grad(ours.sum(), x)
    results = compile_function([x], [ours, gradient])(value)
    np.testing.assert_allclose(results[0], special.logsumexp(2 * value, axis=axis, keepdims=keepdims), rtol=1e-13)
    np.testing.assert_allclose(results[1], 2 * special.softmax(2 * value, axis=axis), rtol=1e-13)


def test_other_sums_are_left_alone():
    x, shift, other = tt.dmatrix(), tt.dcol(), tt.dcol()
    for graph in (
        tt.log(tt.sum(tt.exp(x - shift), axis=1, keepdims=True)) + other,  # another number is added than is subtracted
        tt.log(tt.sum(tt.exp(x - x[:1]), axis=1, keepdims=True)) + x[:1].T[:1],
        tt.log(tt.sum(tt.exp(x - shift), keepdims=True)) + shift,  # summed over both axes
        tt.log(tt.sum(tt.exp2(x - shift), axis=1, keepdims=True)) + shift,
    ):
        assert with_linear_algebra_in_c(graph) is graph
