"""Products of matrices and vectors, alone and inside the pass over the rows."""

from pymc3_vi.compiler import compile_function
from pymc3_vi.compiler.ops import (
    ForwardProduct,
    FusedLoop,
    Instruction,
    LoopOutput,
    MatVec,
    ProductLoop,
    TransposedProduct,
)  # fmt: skip

import numpy as np
import pytest
import theano.tensor as tt
from theano import scalar as ts

from .checks import check_shapes, evaluate

RTOL = {"float32": 2e-5, "float64": 1e-12}


def layouts(a):
    """The matrix `a` by rows, by columns, as part of a larger one, backwards, and with gaps in both directions."""
    n, k = a.shape
    larger, gaps = np.full((n + 2, k + 3), 7.0, a.dtype), np.full((2 * n, 3 * k), 7.0, a.dtype)
    larger[1:-1, 2:-1], gaps[::2, ::3] = a, a
    return [a.copy("C"), a.copy("F"), larger[1:-1, 2:-1], a[::-1].copy()[::-1], gaps[::2, ::3]]


def matrix_and_vector(dtype):
    return tt.TensorType(dtype, (False, False))(), tt.TensorType(dtype, (False,))()


# ---------------------------------------------------------------- MatVec
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_matrix_times_vector_in_every_layout(dtype, rng):
    a, x = matrix_and_vector(dtype)
    function = compile_function([a, x], MatVec()(a, x))
    for shape in [(1, 1), (3, 2), (4, 5), (9, 16), (17, 1), (1, 19), (5, 4100), (4099, 6), (0, 3), (3, 0)]:
        value, vector = rng.standard_normal(shape).astype(dtype), rng.standard_normal(2 * shape[1]).astype(dtype)[::2]
        expected = np.dot(value.astype("float64"), vector.astype("float64"))
        for laid in layouts(value):
            result = function(laid, vector)
            assert result.dtype == dtype
            np.testing.assert_allclose(result, expected, rtol=RTOL[dtype], atol=RTOL[dtype] * 100)


def test_matvec_takes_a_matrix_and_a_vector_of_one_type(rng):
    a, x = tt.dmatrix(), tt.dvector()
    evaluate([a, x], [MatVec()(a, x)], [rng.standard_normal((3, 4)), rng.standard_normal(4)])
    check_shapes([a, x], [MatVec()(a, x)], [np.ones((3, 4)), np.ones(4)])
    with pytest.raises(TypeError, match="a matrix and a vector"):
        MatVec()(a, a)
    with pytest.raises(TypeError, match="all float32 or all float64"):
        MatVec()(a, tt.fvector())
    for mode in (None, "FAST_COMPILE"):
        with pytest.raises(ValueError, match="mis-match|not aligned"):
            compile_function([a, x], MatVec()(a, x), mode=mode)(np.ones((3, 4)), np.ones(3))


# ---------------------------------------------------------------- ProductLoop
def residuals(dtype):
    """r = (a w - y) * scale, with its sum of squares; results are that sum, r and a' r."""
    steps = (
        Instruction(ts.sub, (0, 1), dtype), Instruction(ts.mul, (3, 2), dtype), Instruction(ts.sqr, (4,), dtype),
    )  # fmt: skip
    outputs = (LoopOutput(5, (), dtype, True), LoopOutput(4, (0,), dtype, False))
    return FusedLoop(1, ((0,), (0,), ()), steps, outputs)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_pass_over_the_rows_in_every_layout(dtype, rng):
    (a, w), y, scale = matrix_and_vector(dtype), tt.TensorType(dtype, (False,))(), tt.TensorType(dtype, ())()
    inputs = [a, w, y, scale]
    results = []
    for kept in ((0,), (0, 1)):
        op = ProductLoop(residuals(dtype), (ForwardProduct(0, 0, 0),), (TransposedProduct(1, 0),), kept)
        results += op(*inputs, return_list=True)
    function = compile_function(inputs, results)
    # one block; several blocks; several chunks, the last of them short
    for n, k in [(1, 1), (7, 3), (260, 1), (1003, 20), (40001, 9), (5, 3000), (0, 4), (4, 0)]:
        value, weights = rng.standard_normal((n, k)).astype(dtype), rng.standard_normal(k).astype(dtype)
        data = rng.standard_normal(2 * n).astype(dtype)[::2]
        r = (np.dot(value.astype("float64"), weights) - data) * 0.5
        expected = [(r**2).sum(), np.dot(value.T, r), (r**2).sum(), r, np.dot(value.T, r)]
        for laid in layouts(value):
            for mine, reference in zip(function(laid, weights, data, 0.5), expected):
                assert mine.dtype == dtype
                assert mine.shape == reference.shape
                size = np.abs(reference).max() if np.size(reference) else 0
                np.testing.assert_allclose(mine, reference, rtol=RTOL[dtype], atol=RTOL[dtype] * (1 + size))


def several(rng):
    """Two matrices of different types, one of them used twice; its Python code is the reference."""
    a, b, w, v, u = tt.dmatrix(), tt.fmatrix(), tt.dvector(), tt.dvector(), tt.fvector()
    y = tt.dcol()
    steps = (
        Instruction(ts.exp, (1,), "float64"), Instruction(ts.mul, (0, 4), "float64"),
        Instruction(ts.add, (5, 3), "float64"), Instruction(ts.mul, (2, 2), "float32"),
    )  # fmt: skip
    outputs = (
        LoopOutput(6, (0, None), "float64", False), LoopOutput(7, (0,), "float32", False),
        LoopOutput(7, (None,), "float32", True), LoopOutput(4, (0,), "float64", False),
    )  # fmt: skip
    loop = FusedLoop(1, ((0,), (0,), (0,), (0, None)), steps, outputs)
    products = (ForwardProduct(0, 0, 0), ForwardProduct(1, 0, 1), ForwardProduct(2, 1, 2))
    transposed = (TransposedProduct(1, 1), TransposedProduct(0, 0), TransposedProduct(3, 0))
    op = ProductLoop(loop, products, transposed, (2, 0))
    values = [
        rng.standard_normal((40, 5)), rng.standard_normal((40, 3)).astype("float32"), rng.standard_normal(5),
        rng.standard_normal(5), rng.standard_normal(3).astype("float32"), rng.standard_normal((40, 1)),
    ]  # fmt: skip
    inputs = [a, b, w, v, u, y]
    return inputs, op(*inputs, return_list=True), values


def test_several_matrices_and_products(rng):
    inputs, outputs, values = several(rng)
    evaluate(inputs, outputs, values, rtol=1e-4)
    check_shapes(inputs, outputs, values)
    e, f, g = values[0] @ values[2], values[0] @ values[3], values[1] @ values[4]
    expected = [(g**2).sum()[None], (e * np.exp(f) + values[5][:, 0])[:, None], values[1].T @ g**2]
    expected += [values[0].T @ (e * np.exp(f) + values[5][:, 0]), values[0].T @ np.exp(f)]
    for mine, reference in zip(compile_function(inputs, outputs)(*values), expected):
        rtol = RTOL[mine.dtype.name]
        np.testing.assert_allclose(mine, reference, rtol=rtol, atol=rtol * np.abs(reference).max())


@pytest.mark.parametrize("mode", [None, "FAST_COMPILE"])
def test_shapes_that_differ_raise(mode, rng):
    inputs, outputs, values = several(rng)
    function = compile_function(inputs, outputs, mode=mode)
    for position, wrong in [(1, np.ones((39, 3), "float32")), (2, np.ones(4)), (4, np.ones(2, "float32")),
                            (5, np.ones((41, 1)))]:  # fmt: skip
        given = list(values)
        given[position] = wrong
        with pytest.raises(ValueError):
            function(*given)
    assert len(function(*values)) == 5


def test_what_cannot_be_a_pass_over_rows(rng):
    (a, _), y = matrix_and_vector("float64"), tt.dvector()
    steps = (Instruction(ts.mul, (0, 1), "float64"),)
    outputs = (LoopOutput(2, (0, 1), "float64", False),)
    with pytest.raises(ValueError, match="one axis"):
        ProductLoop(FusedLoop(2, ((0, 1), (0, 1)), steps, outputs), (ForwardProduct(0, 0, 0),), (), (0,))
    op = ProductLoop(residuals("float64"), (ForwardProduct(0, 0, 0),), (TransposedProduct(1, 0),), (0,))
    with pytest.raises(TypeError, match="all float32 or all float64"):
        op(a, tt.fvector(), y, tt.dscalar())
    op = ProductLoop(residuals("float32"), (), (TransposedProduct(1, 0),), (0,))
    with pytest.raises(TypeError, match="cannot multiply float32 and float64"):
        op(a, tt.fvector(), tt.fvector(), tt.fscalar())
