"""Products with packed lower triangular matrices."""

from pymc3_vi.compiler import compile_function
from pymc3_vi.compiler.ops import TrilMatVec, tril_matvec, tril_outer

import numpy as np
import pytest
import theano
import theano.tensor as tt

from .checks import check_gradient, check_shapes, evaluate


def packed_matrix(rng, d, dtype="float64"):
    matrix = np.tril(rng.standard_normal((d, d))).astype(dtype)
    return matrix[np.tril_indices(d)], matrix


@pytest.mark.parametrize("d", [1, 2, 5, 8, 17, 40])
def test_matvec_is_the_product_with_the_unpacked_matrix(d, rng):
    packed, matrix = packed_matrix(rng, d)
    eps, many = rng.standard_normal(d), rng.standard_normal((3, d))
    w, x, xs = tt.dvector("w"), tt.dvector("x"), tt.dmatrix("xs")
    outputs = [tril_matvec(w, x), tril_matvec(w, xs), TrilMatVec(True)(w, x), TrilMatVec(True)(w, xs)]
    one, three, one_t, three_t = evaluate([w, x, xs], outputs, [packed, eps, many])
    np.testing.assert_allclose(one, matrix @ eps, rtol=1e-12)
    np.testing.assert_allclose(three, many @ matrix.T, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(one_t, matrix.T @ eps, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(three_t, many @ matrix, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("d", [1, 2, 9, 21])
def test_outer_is_the_packed_triangle_of_the_sum(d, rng):
    g, x = tt.dmatrix("g"), tt.dmatrix("x")
    left, right = rng.standard_normal((4, d)), rng.standard_normal((4, d))
    many, one = evaluate([g, x], [tril_outer(g, x), tril_outer(g[0], x[0])], [left, right])
    np.testing.assert_allclose(many, (left.T @ right)[np.tril_indices(d)], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(one, np.outer(left[0], right[0])[np.tril_indices(d)], rtol=1e-15)


def test_strided_arguments(rng):
    packed, matrix = packed_matrix(rng, 6)
    w, x = tt.dvector("w"), tt.dmatrix("x")
    value = rng.standard_normal((6, 4))
    results = evaluate(
        [w, x],
        [tril_matvec(w[::-1], x.T), tril_matvec(w[::-1], x[:, 1]), tril_outer(x.T[:, ::-1], x.T)],
        [packed[::-1].copy(), value],
    )
    np.testing.assert_allclose(results[0], value.T @ matrix.T, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(results[1], matrix @ value[:, 1], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(results[2], (value.T[:, ::-1].T @ value.T)[np.tril_indices(6)], rtol=1e-12, atol=1e-14)


def test_float32(rng):
    packed, matrix = packed_matrix(rng, 19, "float32")
    eps = rng.standard_normal((3, 19)).astype("float32")
    w, x = tt.fvector("w"), tt.fmatrix("x")
    z, g = evaluate([w, x], [tril_matvec(w, x), theano.grad(tril_matvec(w, x).sum(), w)], [packed, eps], rtol=2e-5)
    assert z.dtype == g.dtype == "float32"
    np.testing.assert_allclose(z, eps @ matrix.T, rtol=1e-5, atol=1e-5)


def test_types_are_joined():
    assert tril_matvec(tt.fvector(), tt.dvector()).dtype == "float64"
    assert tril_outer(tt.fvector(), tt.fvector()).dtype == "float32"


def test_gradients(rng):
    packed, _ = packed_matrix(rng, 4)
    check_gradient(tril_matvec, [packed, rng.standard_normal(4)], rng)
    check_gradient(tril_matvec, [packed, rng.standard_normal((3, 4))], rng)
    check_gradient(TrilMatVec(True), [packed, rng.standard_normal((3, 4))], rng)
    check_gradient(tril_outer, [rng.standard_normal((3, 4)), rng.standard_normal((3, 4))], rng)
    check_gradient(tril_outer, [rng.standard_normal(4), rng.standard_normal(4)], rng)


def test_second_derivatives(rng):
    """Hessian-vector products go through the Ops again."""
    packed, matrix = packed_matrix(rng, 3)
    eps, direction = rng.standard_normal(3), rng.standard_normal(6)
    w, x = tt.dvector("w"), tt.dvector("x")
    cost = tt.exp(tril_matvec(w, x)).sum()
    gradient = theano.grad(cost, w)
    product = theano.grad((gradient * direction).sum(), w)
    expected = []
    for row in range(3):
        scale = np.exp(matrix[row] @ eps) * (direction[np.tril_indices(3)[0] == row] @ eps[: row + 1])
        expected.extend(scale * eps[: row + 1])
    (result,) = evaluate([w, x], [product], [packed, eps])
    np.testing.assert_allclose(result, expected, rtol=1e-10)
    (forward,) = evaluate([w, x], [theano.gradient.Rop(gradient, w, tt.constant(direction))], [packed, eps])
    np.testing.assert_allclose(forward, expected, rtol=1e-10)


def test_shapes(rng):
    packed, _ = packed_matrix(rng, 5)
    w, x = tt.dvector("w"), tt.dmatrix("x")
    check_shapes([w, x], [tril_matvec(w, x), tril_outer(x, x)], [packed, rng.standard_normal((2, 5))])


@pytest.mark.parametrize("mode", [None, "FAST_COMPILE"])
def test_wrong_sizes_raise(mode, rng):
    w, x = tt.dvector("w"), tt.dvector("x")
    function = compile_function([w, x], tril_matvec(w, x), mode=mode)
    with pytest.raises(ValueError, match="5 packed elements do not make a triangle of dimension 3, which has 6"):
        function(np.zeros(5), np.zeros(3))
    outer = compile_function([w, x], tril_outer(w, x), mode=mode)
    with pytest.raises(ValueError, match="must be equal|shapes"):
        outer(np.zeros(5), np.zeros(3))


def test_wrong_types_raise():
    with pytest.raises(TypeError, match="packed vector and a vector or matrix"):
        TrilMatVec()(tt.dmatrix(), tt.dvector())
    with pytest.raises(TypeError, match="all float32 or all float64"):
        TrilMatVec()(tt.dvector(), tt.lvector())
