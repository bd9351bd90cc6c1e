"""Products of stacks of matrices."""

import itertools

from pymc3_vi.compiler import compile_function
from pymc3_vi.compiler.ops import BatchMatmul, batch_matmul

import numpy as np
import pytest
import theano
import theano.tensor as tt

from .checks import check_gradient, check_shapes, evaluate


@pytest.mark.parametrize(
    "shapes", [((4, 3, 5), (4, 5, 2)), ((1, 1, 1), (1, 1, 1)), ((2, 1, 6), (2, 6, 1)), ((3, 7, 1), (3, 1, 7))]
)
def test_products(shapes, rng):
    a, b = tt.dtensor3("a"), tt.dtensor3("b")
    values = [rng.standard_normal(shape) for shape in shapes]
    (result,) = evaluate([a, b], [batch_matmul(a, b)], values)
    np.testing.assert_allclose(result, values[0] @ values[1], rtol=1e-12)


def test_any_strides(rng):
    a, b = tt.dtensor3("a"), tt.dtensor3("b")
    x, y = rng.standard_normal((5, 4, 6)), rng.standard_normal((6, 3, 8))
    pairs = [
        (lambda v: v.transpose(0, 2, 1), lambda v: v[:5].transpose(0, 2, 1)[:, :4]),
        (lambda v: v[:, ::-1, ::2], lambda v: v[1:, :, ::-1]),
        (lambda v: v.transpose(2, 0, 1)[:, ::2, :3], lambda v: v[:, ::-1, 1::3]),
        (lambda v: v[::2, :, 1:4], lambda v: v[::-2, :, :]),
    ]
    for left, right in pairs:
        product = batch_matmul(left_symbolic(left, a), left_symbolic(right, b))
        (result,) = evaluate([a, b], [product], [x, y])
        np.testing.assert_allclose(result, left(x) @ right(y), rtol=1e-12, atol=1e-14)


def left_symbolic(view, variable):
    """The NumPy view, applied to a Theano variable."""
    return view(variable)


def test_one_matrix_for_all(rng):
    a, b, m = tt.dtensor3("a"), tt.dmatrix("b"), tt.TensorType("float64", (True, False, False))("m")
    values = [rng.standard_normal((4, 2, 3)), rng.standard_normal((3, 5)), rng.standard_normal((1, 3, 5))]
    outputs = [batch_matmul(a, b), batch_matmul(b.T, a.dimshuffle(0, 2, 1)), batch_matmul(a, m), batch_matmul(b.T, b)]
    results = evaluate([a, b, m], outputs, values)
    np.testing.assert_allclose(results[0], values[0] @ values[1], rtol=1e-12)
    np.testing.assert_allclose(results[1], values[1].T @ values[0].transpose(0, 2, 1), rtol=1e-12)
    np.testing.assert_allclose(results[2], values[0] @ values[2], rtol=1e-12)
    np.testing.assert_allclose(results[3], (values[1].T @ values[1])[None], rtol=1e-12)


def test_every_size_and_layout(rng):
    a, b = tt.dtensor3("a"), tt.dtensor3("b")
    function = compile_function([a, b], batch_matmul(a, b))
    for n, m, k in itertools.product([1, 3, 20], [1, 2, 30], [1, 5, 40]):
        x, y = rng.standard_normal((2, n, k)), rng.standard_normal((2, k, m))
        layouts = [lambda v: v, lambda v: np.ascontiguousarray(v.swapaxes(1, 2)).swapaxes(1, 2)]
        for left, right in itertools.product(layouts, layouts):
            np.testing.assert_allclose(function(left(x), right(y)), x @ y, rtol=1e-12, atol=1e-13)


def test_gradients(rng):
    check_gradient(batch_matmul, [rng.standard_normal((4, 2, 3)), rng.standard_normal((4, 3, 2))], rng)
    check_gradient(batch_matmul, [rng.standard_normal((4, 2, 3)), rng.standard_normal((3, 5))], rng)
    check_gradient(batch_matmul, [rng.standard_normal((1, 2, 3)), rng.standard_normal((4, 3, 5))], rng)


def test_forward_derivative(rng):
    a, b = tt.dtensor3("a"), tt.dtensor3("b")
    x, y, u = rng.standard_normal((2, 3, 4)), rng.standard_normal((2, 4, 2)), rng.standard_normal((2, 3, 4))
    product = batch_matmul(a, b)
    (result,) = evaluate([a, b], [theano.gradient.Rop(product, [a, b], [tt.constant(u), b])], [x, y])
    np.testing.assert_allclose(result, u @ y + x @ y, rtol=1e-12)


def test_float32(rng):
    a, b = tt.ftensor3("a"), tt.ftensor3("b")
    values = [rng.standard_normal((2, 3, 4)).astype("float32"), rng.standard_normal((2, 4, 5)).astype("float32")]
    (result,) = evaluate([a, b], [batch_matmul(a, b)], values, rtol=1e-5)
    assert result.dtype == "float32"
    np.testing.assert_allclose(result, values[0] @ values[1], rtol=1e-5, atol=1e-5)


def test_empty_sums_and_empty_stacks():
    a, b = tt.dtensor3("a"), tt.dtensor3("b")
    evaluate([a, b], [batch_matmul(a, b)], [np.zeros((2, 3, 0)), np.zeros((2, 0, 4))])
    evaluate([a, b], [batch_matmul(a, b)], [np.zeros((0, 3, 2)), np.zeros((0, 2, 4))])


def test_shapes(rng):
    a, b = tt.dtensor3("a"), tt.dmatrix("b")
    check_shapes(
        [a, b], [batch_matmul(a, b), batch_matmul(b.T, a.dimshuffle(0, 2, 1))], [np.zeros((4, 2, 3)), np.zeros((3, 5))]
    )


@pytest.mark.parametrize("mode", [None, "FAST_COMPILE"])
def test_shapes_that_do_not_match_raise(mode):
    a, b = tt.dtensor3("a"), tt.dtensor3("b")
    function = compile_function([a, b], batch_matmul(a, b), mode=mode)
    for left, right in (((2, 3, 4), (2, 3, 4)), ((2, 3, 4), (3, 4, 2))):
        with pytest.raises(ValueError, match=r"BatchMatmul: the shapes \(2, 3, 4\) and .* do not match"):
            function(np.zeros(left), np.zeros(right))


def test_wrong_types_raise():
    with pytest.raises(TypeError, match="two tensors of 3 dimensions"):
        BatchMatmul()(tt.dmatrix(), tt.dtensor3())
    with pytest.raises(TypeError, match="all float32 or all float64"):
        BatchMatmul()(tt.dtensor3(), tt.ftensor3())
