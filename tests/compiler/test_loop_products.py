"""Graphs whose products of a matrix and a vector become part of the loop over its rows."""

from pymc3_vi.compiler import compile_function
from pymc3_vi.compiler.ops import FusedLoop, MatVec, ProductLoop

import numpy as np
import pytest
import theano
import theano.tensor as tt
from theano.tensor.blas import Dot22, Dot22Scalar, Gemm, Gemv

PYTHON = theano.Mode("py", "fast_compile")

pytestmark = pytest.mark.skipif(not theano.config.cxx, reason="there is no C++ compiler")


def count(function, *kinds):
    return sum(isinstance(node.op, kinds) for node in function.maker.fgraph.toposort())


def compare(inputs, outputs, values, passes, alone=0, rtol=1e-12):
    """Check results against those in Python, and the numbers of passes and of products that are alone."""
    fused = compile_function(inputs, outputs)
    python = theano.function(inputs, outputs, mode=PYTHON, on_unused_input="ignore")
    assert (count(fused, ProductLoop), count(fused, MatVec), count(fused, Gemv)) == (passes, alone, 0)
    for mine, reference in zip(fused(*values), python(*values)):
        assert mine.dtype == reference.dtype
        assert mine.shape == reference.shape
        np.testing.assert_allclose(mine, reference, rtol=rtol, atol=rtol * (1 + np.abs(reference).max()))
    return fused


def logistic(x, w, y):
    eta = tt.dot(x, w)
    return tt.sum(tt.switch(y, -tt.nnet.softplus(-eta), -tt.nnet.softplus(eta)))


def test_a_product_of_matrices_that_is_also_read_negated_is_taken_once(rng):
    """Of a batch of logistic regressions: Theano makes products with a factor of their own, though loops have them."""
    x, y, w = rng.standard_normal((50, 4)), rng.random(50) > 0.5, tt.matrix("w", dtype="float64")
    eta = tt.dot(w, x.T)
    logp = tt.sum(tt.switch(y, -tt.nnet.softplus(-eta), -tt.nnet.softplus(eta)))
    outputs, point = [logp, tt.grad(logp, w)], rng.standard_normal((3, 4))
    function = compile_function([w], outputs)
    assert count(function, Dot22, Dot22Scalar, Gemm) == 2
    for mine, reference in zip(function(point), theano.function([w], outputs, mode=PYTHON)(point)):
        np.testing.assert_allclose(mine, reference, rtol=1e-12)


@pytest.mark.parametrize("kind", ["constant", "columns", "shared", "minibatch"])
def test_logistic_regression_reads_its_matrix_once(kind, rng):
    x, y = rng.standard_normal((50, 4)), rng.random(50) > 0.5
    w, index = tt.dvector("w"), tt.lvector("index")
    matrix = {
        "constant": x, "columns": np.asfortranarray(x), "shared": theano.shared(x),
        "minibatch": theano.shared(x)[index],
    }[kind]  # fmt: skip
    data = theano.shared(y.astype("int64"))[index] if kind == "minibatch" else y
    logp = logistic(matrix, w, data)
    values = [rng.standard_normal(4), np.array([3, 1, 4, 1, 5, 9])]
    fused = compare([w, index], [logp, theano.grad(logp, w)], values, passes=1)
    assert count(fused, FusedLoop) == 0
    compare([w, index], [logp], values, passes=1)


def test_logistic_regression_by_way_of_probabilities(rng):
    x, y, w = rng.standard_normal((50, 4)), (rng.random(50) > 0.5).astype(int), tt.dvector("w")
    p = tt.nnet.sigmoid(tt.dot(x, w))
    logp = tt.sum(tt.switch(y, tt.log(p), tt.log1p(-p)))
    compare([w], [logp, theano.grad(logp, w)], [rng.standard_normal(4)], passes=1)


def test_single_precision(rng):
    x, y = rng.standard_normal((50, 4)).astype("float32"), rng.random(50) > 0.5
    w = tt.fvector("w")
    logp = logistic(theano.shared(x), w, y)
    compare([w], [logp, theano.grad(logp, w)], [rng.standard_normal(4).astype("float32")], passes=1, rtol=2e-6)


def test_factors_and_sums_of_blas_are_part_of_the_loop(rng):
    """Residuals are ``y - X w`` and the prior's gradient is added to ``X' r``; BLAS takes both in its products."""
    x, y, z = theano.shared(rng.standard_normal((30, 3))), rng.standard_normal(30), tt.dvector("z")
    w, log_sd = z[:3], z[3]
    residual = (y - tt.dot(x, w)) * tt.exp(-log_sd)
    logp = -0.5 * tt.sum(residual**2) - 30 * log_sd - 0.5 * tt.sum(w**2)
    compare([z], [logp, theano.grad(logp, z)], [rng.standard_normal(4)], passes=1)


def test_several_matrices_and_several_predictors(rng):
    a, b = theano.shared(rng.standard_normal((30, 3))), theano.shared(rng.standard_normal((30, 5)))
    y, w, v, u = rng.standard_normal(30), tt.dvector("w"), tt.dvector("v"), tt.dvector("u")
    log_sd = tt.dot(b, u)
    logp = tt.sum(-0.5 * ((y - tt.dot(a, w) - 2 * tt.dot(b, v)) * tt.exp(-log_sd)) ** 2 - log_sd)
    values = [rng.standard_normal(n) / 3 for n in (3, 5, 5)]
    compare([w, v, u], [logp, *theano.grad(logp, [w, v, u])], values, passes=1)


def test_one_of_the_two_products_alone(rng):
    x, r, w = theano.shared(rng.standard_normal((30, 3))), tt.dvector("r"), tt.dvector("w")
    values = [rng.standard_normal(30), rng.standard_normal(3)]
    compare([r, w], [tt.sum(tt.exp(tt.dot(x, w)) * r)], values, passes=1)
    compare([r, w], [tt.dot(x.T, tt.exp(r) * 2)], values, passes=1)
    compare([r, w], [tt.dot(tt.exp(r) * 2, x)], values, passes=1)
    compare([r, w], [tt.dot(x, w), tt.dot(r, x)], values, passes=0, alone=2)


def test_rows_and_products_that_are_needed_elsewhere_are_kept(rng):
    x, w = theano.shared(rng.standard_normal((30, 3))), tt.dvector("w")
    eta = tt.dot(x, w)
    r = tt.exp(eta)
    outputs = [eta, tt.sort(eta), r, tt.cumsum(r), r.sum(), tt.dot(x.T, r)]
    compare([w], outputs, [rng.standard_normal(3)], passes=1)


def test_products_that_wait_for_each_other(rng):
    """Three passes in a row; a product of the first is read again by the last."""
    x, w = theano.shared(rng.standard_normal((30, 3))), tt.dvector("w")
    eta = tt.dot(x, w)
    first = tt.dot(x.T, tt.tanh(eta))
    second = tt.dot(x, first / 30)
    r = tt.exp(second - second.sum() + eta)
    outputs = [r.sum(), tt.dot(x.T, r), first]
    compare([w], outputs, [rng.standard_normal(3) / 10], passes=3)


def test_a_matrix_that_is_made_from_the_rows(rng):
    """The product needs the loop's result twice, as the vector and in the matrix: it has to wait."""
    x, w = theano.shared(rng.standard_normal((12, 12))), tt.dvector("w")
    r = tt.exp(tt.dot(x, w))
    centred = tt.exp(r - r.sum())
    matrix = x * tt.cumsum(r).dimshuffle(0, "x")
    compare([w], [tt.dot(matrix, r), tt.dot(matrix.T, centred)], [rng.standard_normal(12) / 10], passes=2, alone=1)


def test_matrices_that_are_parameters(rng):
    """The gradient by the matrix is not a product with a vector; it needs the rows stored."""
    x, w, y = tt.dmatrix("x"), tt.dvector("w"), rng.standard_normal(20)
    logp = tt.sum(-0.5 * (y - tt.dot(tt.tanh(x), w)) ** 2)
    values = [rng.standard_normal((20, 3)), rng.standard_normal(3)]
    compare([x, w], [logp, *theano.grad(logp, [x, w])], values, passes=1)


def test_no_rows_and_shapes_that_differ(rng):
    x, w, y = tt.dmatrix("x"), tt.dvector("w"), tt.dvector("y")
    logp = logistic(x, w, y)
    fused = compare([x, w, y], [logp, theano.grad(logp, w)], [np.ones((0, 3)), np.ones(3), np.ones(0)], passes=1)
    total, gradient = fused(np.ones((0, 3)), np.ones(3), np.ones(0))
    assert total == 0.0
    np.testing.assert_array_equal(gradient, np.zeros(3))
    for values in [(np.ones((5, 3)), np.ones(2), np.ones(5)), (np.ones((5, 3)), np.ones(3), np.ones(4))]:
        with pytest.raises(ValueError, match="mis-match"):
            fused(*values)


def test_infinite_and_undefined_numbers_of_a_matrix_reach_the_results(rng):
    x, w = tt.dmatrix("x"), tt.dvector("w")
    r = tt.exp(-tt.dot(x, w))
    value = rng.standard_normal((9, 6))
    value[3, 5], value[7, 1] = np.inf, np.nan
    fused = compile_function([x, w], [tt.dot(x.T, r), r.sum()])
    weights = np.ones(6)
    weights[2] = 0.0
    rows = np.exp(-np.dot(value, weights))
    gradient, total = fused(value, weights)
    np.testing.assert_allclose(gradient, np.dot(value.T, rows))
    np.testing.assert_allclose(total, rows.sum())
