"""Cholesky factors, triangular systems, triangles and diagonals."""

from pymc3_vi.compiler import compile_function
from pymc3_vi.compiler.ops import CholeskyFactor, CholeskyGrad, Diagonal, DiagonalMatrix, Triangle, TriangularSolve

import numpy as np
import pytest
import scipy.linalg
import theano
import theano.tensor as tt
from theano.tensor import slinalg

from .checks import check_gradient, check_shapes, evaluate


def positive_definite(rng, *shape):
    root = rng.standard_normal(shape)
    return root @ root.swapaxes(-1, -2) + shape[-1] * np.eye(shape[-1])


# ---------------------------------------------------------------- Cholesky
@pytest.mark.parametrize("n", [1, 2, 7, 30])
@pytest.mark.parametrize("lower", [True, False])
def test_factors(n, lower, rng):
    a, stack = tt.dmatrix("a"), tt.dtensor3("stack")
    values = [positive_definite(rng, n, n), positive_definite(rng, 3, n, n)]
    op = CholeskyFactor(lower)
    one, many, turned = evaluate([a, stack], [op(a), op(stack), op(a.T)], values)
    expected = np.linalg.cholesky(values[0])
    np.testing.assert_allclose(one, expected if lower else expected.T, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(turned, one, rtol=1e-11, atol=1e-13)
    expected = np.linalg.cholesky(values[1])
    np.testing.assert_allclose(many, expected if lower else expected.swapaxes(1, 2), rtol=1e-11, atol=1e-13)


def test_only_one_triangle_is_read(rng):
    a = tt.dmatrix("a")
    value = positive_definite(rng, 4, 4)
    (lower,) = evaluate([a], [CholeskyFactor(True)(a)], [np.tril(value) + np.triu(np.full((4, 4), 1e9), 1)])
    np.testing.assert_allclose(lower, np.linalg.cholesky(value), rtol=1e-12)


@pytest.mark.parametrize("mode", [None, "FAST_COMPILE"])
def test_matrices_that_are_not_positive_definite(mode, rng):
    stack = tt.dtensor3("stack")
    value = np.stack([np.eye(3), -np.eye(3), np.full((3, 3), np.nan), 4 * np.eye(3)])
    strict = compile_function([stack], CholeskyFactor()(stack), mode=mode)
    for bad in (value[1:2], value[2:3]):
        with pytest.raises(np.linalg.LinAlgError, match="not positive definite"):
            strict(bad)
    result = compile_function([stack], CholeskyFactor(on_error="nan")(stack), mode=mode)(value)
    assert np.isnan(result[1:3]).all()
    np.testing.assert_allclose(result[[0, 3]], [np.eye(3), 2 * np.eye(3)])


def test_gradient_of_factors(rng):
    for lower in (True, False):
        # a symmetric argument, because the Op reads one triangle
        check_gradient(
            lambda root, lower=lower: CholeskyFactor(lower)(tt.dot(root, root.T) + 3 * tt.eye(4)),
            [rng.standard_normal((4, 4))],
            rng,
        )
    root = rng.standard_normal((3, 4, 4))
    check_gradient(
        lambda d: CholeskyFactor()(Triangle()(d) + tt.constant(positive_definite(rng, 3, 4, 4))), [root / 9], rng
    )


@pytest.mark.parametrize("stacked", [False, True])
def test_second_derivatives_where_the_gradient_depends_on_the_factor(stacked, rng):
    """The gradient's own derivative must not follow the path through the gradient of what comes after."""
    root = rng.standard_normal((2, 3, 3) if stacked else (3, 3))
    x, v = (tt.TensorType("float64", (False,) * root.ndim)() for _ in range(2))
    turned = x.dimshuffle(*range(root.ndim - 2), root.ndim - 1, root.ndim - 2)
    factor = CholeskyFactor()((tt.batched_dot if stacked else tt.dot)(x, turned) + 3 * np.eye(3))
    grad = tt.grad(tt.sum(tt.sin(factor) + factor**2 + TriangularSolve()(factor, x)), x)
    product = tt.grad(tt.sum(grad * v), x, consider_constant=[v])
    function = compile_function([x, v], [grad, product], mode=theano.Mode("py", "fast_compile"))
    direction, step = rng.standard_normal(root.shape), 1e-6
    up, down = (function(root + sign * step * direction, direction)[0] for sign in (1, -1))
    found = function(root, direction)[1]
    np.testing.assert_allclose(found, (up - down) / (2 * step), atol=1e-8 * abs(found).max())


def test_gradient_is_that_of_theano(rng):
    a, g = tt.dmatrix("a"), tt.dmatrix("g")
    values = [positive_definite(rng, 5, 5), rng.standard_normal((5, 5))]
    for lower in (True, False):
        mine = theano.grad((CholeskyFactor(lower)(a) * g).sum(), a)
        theirs = theano.grad((slinalg.Cholesky(lower)(a) * g).sum(), a)
        results = evaluate([a, g], [mine, theirs], values, rtol=1e-10)
        np.testing.assert_allclose(results[0], results[1], rtol=1e-10, atol=1e-13)


def test_cholesky_grad_takes_factors_in_any_order_and_has_a_gradient(rng):
    factor, g = np.linalg.cholesky(positive_definite(rng, 4, 4)), rng.standard_normal((4, 4))
    x, y = tt.dmatrix("x"), tt.dmatrix("y")
    plain, turned = evaluate([x, y], [CholeskyGrad()(x, y), CholeskyGrad()(x.T.copy().T, y.T.copy().T)], [factor, g])
    np.testing.assert_allclose(plain, turned, rtol=1e-12)
    check_gradient(lambda u, v: CholeskyGrad()(Triangle()(u), v), [factor, g], rng)
    stack = np.linalg.cholesky(positive_definite(rng, 2, 3, 3))
    check_gradient(lambda u, v: CholeskyGrad()(Triangle()(u), v), [stack, rng.standard_normal((2, 3, 3))], rng)


# ---------------------------------------------------------------- triangular systems
@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("transposed", [True, False])
def test_solutions(lower, transposed, rng):
    a, b, v = tt.dmatrix("a"), tt.dmatrix("b"), tt.dvector("v")
    stack, many = tt.dtensor3("stack"), tt.dtensor3("many")
    op = TriangularSolve(lower, transposed)
    values = [rng.standard_normal((5, 5)) + 4 * np.eye(5), rng.standard_normal((5, 3)), rng.standard_normal(5)]
    values += [rng.standard_normal((2, 4, 4)) + 4 * np.eye(4), rng.standard_normal((2, 4, 3))]
    outputs = [op(a, b), op(a, v), op(a, b[::-1]), op(stack, many), op(a[::-1, ::-1], b)]
    other = TriangularSolve(not lower, not transposed)
    outputs += [other(a.T, b), other(a.T, v), other(stack.dimshuffle(0, 2, 1), many)]
    results = evaluate([a, b, v, stack, many], outputs, values, rtol=1e-11)

    def expected(matrix, right):
        return scipy.linalg.solve_triangular(matrix, right, lower=lower, trans=int(transposed))

    matrix, right, vector, matrices, rights = values
    np.testing.assert_allclose(results[0], expected(matrix, right), rtol=1e-11)
    np.testing.assert_allclose(results[1], expected(matrix, vector), rtol=1e-11)
    np.testing.assert_allclose(results[2], expected(matrix, right[::-1]), rtol=1e-11)
    np.testing.assert_allclose(results[3], [expected(m, r) for m, r in zip(matrices, rights)], rtol=1e-11)
    np.testing.assert_allclose(results[4], expected(matrix[::-1, ::-1], right), rtol=1e-11)
    for same, first in zip(results[5:], (results[0], results[1], results[3])):
        np.testing.assert_allclose(same, first, rtol=1e-11)


@pytest.mark.parametrize("transposed", [True, False])
def test_gradient_of_solutions(transposed, rng):
    for lower in (True, False):
        op = TriangularSolve(lower, transposed)
        check_gradient(op, [rng.standard_normal((3, 3)) + 4 * np.eye(3), rng.standard_normal((3, 2))], rng)
    check_gradient(op, [rng.standard_normal((3, 3)) + 4 * np.eye(3), rng.standard_normal(3)], rng)
    check_gradient(op, [rng.standard_normal((2, 3, 3)) + 4 * np.eye(3), rng.standard_normal((2, 3, 2))], rng)


@pytest.mark.parametrize("mode", [None, "FAST_COMPILE"])
def test_systems_without_solution_raise(mode):
    a, b = tt.dmatrix("a"), tt.dvector("b")
    function = compile_function([a, b], TriangularSolve()(a, b), mode=mode)
    with pytest.raises(np.linalg.LinAlgError, match="TriangularSolve: the matrix is singular"):
        function(np.diag([1.0, 0.0]), np.ones(2))
    with pytest.raises(ValueError, match="TriangularSolve: the shapes"):
        function(np.eye(2), np.ones(3))
    with pytest.raises(ValueError, match="TriangularSolve needs square matrices"):
        function(np.ones((2, 3)), np.ones(2))


@pytest.mark.parametrize("n", [2, 20])
@pytest.mark.parametrize("mode", [None, "FAST_COMPILE"])
def test_in_a_stack_the_other_systems_have_solutions(mode, n):
    a, b = tt.dtensor3("a"), tt.dtensor3("b")
    function = compile_function([a, b], TriangularSolve()(a, b), mode=mode)
    matrices = np.stack([np.eye(n), np.diag(np.arange(n) * 1.0), 2 * np.eye(n)])
    x = function(matrices, np.ones((3, n, 1)))
    assert np.isnan(x[1]).all() and (x[0] == 1).all() and (x[2] == 0.5).all()


# ---------------------------------------------------------------- triangles and diagonals
def test_triangles(rng):
    a, stack = tt.dmatrix("a"), tt.dtensor3("stack")
    values = [rng.standard_normal((4, 4)), rng.standard_normal((2, 3, 3))]
    results = evaluate([a, stack], [Triangle()(a), Triangle(False, 0.5)(a.T), Triangle(True, 2.0)(stack)], values)
    np.testing.assert_array_equal(results[0], np.tril(values[0]))
    np.testing.assert_array_equal(results[1], np.triu(values[0].T) - np.diag(np.diag(values[0])) / 2)
    np.testing.assert_array_equal(results[2], [np.tril(m) + np.diag(np.diag(m)) for m in values[1]])
    check_gradient(Triangle(False, 0.5), [values[0]], rng)


def test_diagonals(rng):
    a, stack, v, rows = tt.dmatrix("a"), tt.dtensor3("stack"), tt.dvector("v"), tt.dmatrix("rows")
    values = [
        rng.standard_normal((4, 3)),
        rng.standard_normal((2, 3, 3)),
        rng.standard_normal(4),
        rng.standard_normal((2, 3)),
    ]
    outputs = [
        Diagonal()(a),
        Diagonal()(stack),
        DiagonalMatrix()(v),
        DiagonalMatrix()(rows.T),
        DiagonalMatrix()(v[::2]),
    ]
    results = evaluate([a, stack, v, rows], outputs, values)
    np.testing.assert_array_equal(results[0], np.diag(values[0]))
    np.testing.assert_array_equal(results[1], [np.diag(m) for m in values[1]])
    np.testing.assert_array_equal(results[2], np.diag(values[2]))
    np.testing.assert_array_equal(results[3], [np.diag(row) for row in values[3].T])
    np.testing.assert_array_equal(results[4], np.diag(values[2][::2]))
    check_gradient(Diagonal(), [values[0]], rng)
    check_gradient(Diagonal(), [values[1]], rng)
    check_gradient(DiagonalMatrix(), [values[3]], rng)


def test_the_gradient_of_a_diagonal_of_one_has_the_type_of_its_input():
    x = tt.dscalar("x")
    one = Diagonal()(Triangle()(x.dimshuffle("x", "x")))
    assert theano.grad(tt.sum(one**3), x).eval({x: 2.0}) == 12.0


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("ndim", [1, 2])
def test_the_gradient_of_a_system_of_one_has_the_types_of_its_inputs(ndim, transposed):
    x, b = tt.dscalar("x"), tt.TensorType("float64", [False] * ndim)("b")
    solved = TriangularSolve(transposed=transposed)(x.dimshuffle("x", "x"), b)
    value = np.full([1, 3][:ndim], 6.0)
    found = theano.grad(tt.sum(solved), x).eval({x: 2.0, b: value})  # of 6 / x
    assert found == -1.5 * value.size


def test_float32(rng):
    a, b = tt.fmatrix("a"), tt.fmatrix("b")
    value = positive_definite(rng, 6, 6).astype("float32")
    factor = CholeskyFactor()(a)
    outputs = [factor, TriangularSolve()(factor, b), theano.grad(factor.sum(), a), DiagonalMatrix()(Diagonal()(a))]
    results = evaluate([a, b], outputs, [value, rng.standard_normal((6, 2)).astype("float32")], rtol=1e-4)
    assert all(result.dtype == "float32" for result in results)


def test_shapes(rng):
    a, b = tt.dtensor3("a"), tt.dtensor3("b")
    value = positive_definite(rng, 2, 3, 3)
    outputs = [CholeskyFactor()(a), TriangularSolve()(a, b), Triangle()(a), CholeskyGrad()(a, a), Diagonal()(b)]
    check_shapes([a, b], outputs, [value, np.ones((2, 3, 5))])
    check_shapes([b], [DiagonalMatrix()(b)], [np.ones((2, 3, 5))])


def test_wrong_types_raise():
    with pytest.raises(TypeError, match="CholeskyFactor needs a matrix or a stack"):
        CholeskyFactor()(tt.dvector())
    with pytest.raises(TypeError, match="two stacks of matrices"):
        TriangularSolve()(tt.dtensor3(), tt.dmatrix())
    with pytest.raises(TypeError, match="all float32 or all float64"):
        TriangularSolve()(tt.dmatrix(), tt.fmatrix())
    with pytest.raises(TypeError, match="at least two dimensions"):
        Diagonal()(tt.dvector())


@pytest.mark.parametrize("order", ["C", "F"])
def test_the_gradient_of_large_factors_in_blocks(order, rng):
    """The C code works on blocks of 32; sizes around multiples of that, and factors in both orders."""
    factor, g = tt.dmatrix("factor"), tt.dmatrix("g")
    output = CholeskyGrad()(factor, g)
    compiled = compile_function([factor, g], output)
    python = theano.function([factor, g], output, mode="FAST_COMPILE")
    for n in (1, 31, 32, 33, 64, 65, 100):
        square = rng.standard_normal((n, n))
        lower = np.linalg.cholesky(square @ square.T + n * np.eye(n))
        gradient = rng.standard_normal((n, n))
        expected = python(lower, gradient)
        result = compiled(np.array(lower, order=order), gradient)
        np.testing.assert_allclose(result, expected, rtol=1e-9, atol=1e-12)
