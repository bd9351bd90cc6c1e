"""Rules for elementwise Ops, reductions and Ops that let their input through."""

from pymc3_vi.compiler.vectorize import vectorize_graph

import numpy as np
import pytest
import theano
import theano.tensor as tt
from theano.gradient import disconnected_grad, grad_clip, zero_grad
from theano.ifelse import ifelse
from theano.printing import Print
from theano.tensor.opt import Assert

from .checks import check_against_loop, compiled


@pytest.fixture
def matrix(rng):
    return rng.standard_normal((3, 4))


def test_broadcasting_between_ranks(rng):
    values = [rng.standard_normal((3, 4)), rng.standard_normal(4), rng.standard_normal((3, 1)), 0.7]
    check_against_loop(lambda a, b, c, d: tt.exp(a * b) + tt.sqr(c - d) / (1 + b**2), values)


def test_switches_and_clips(matrix):
    check_against_loop(
        lambda a: [tt.maximum(a, 0.1), tt.switch(tt.gt(a, 0), a, -2 * a), tt.clip(a, -0.4, 0.4)], [matrix]
    )


def test_integers_and_booleans_keep_their_types(matrix):
    build = lambda a: [tt.gt(a, 0), tt.cast(tt.round(a), "int32"), tt.isnan(a)]  # noqa: E731
    check_against_loop(build, [matrix], gradient=False)


@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 1), (-2,)])
@pytest.mark.parametrize("reduce", [tt.sum, tt.prod, tt.mean, tt.max, tt.min, tt.var])
def test_reductions(matrix, reduce, axis):
    check_against_loop(lambda a: reduce(a, axis=axis), [matrix])


@pytest.mark.parametrize("axis", [None, 0, -1])
def test_reductions_with_kept_axes_and_logical_ones(matrix, axis):
    check_against_loop(lambda a: tt.sum(a, axis=axis, keepdims=True), [matrix])
    build = lambda a: [tt.all(tt.gt(a, -1), axis=axis), tt.any(tt.gt(a, 0.5), axis=axis)]  # noqa: E731
    check_against_loop(build, [matrix], gradient=False)


def test_reductions_of_scalars():
    check_against_loop(lambda a: [tt.sum(a), tt.max(a), tt.prod(a)], [0.3])
    check_against_loop(lambda a: [tt.all(a), tt.any(a)], [0.3], gradient=False)


def test_sums_keep_their_dtypes(rng):
    x = tt.matrix(dtype="float32")
    batch = tt.tensor3(dtype="float32")
    with theano.config.change_flags(compute_test_value="off"):
        result = vectorize_graph(tt.sum(x, axis=0, dtype="float64", acc_dtype="float64"), {x: batch})
    assert result.dtype == "float64" and result.owner.op.acc_dtype == "float64"
    value = rng.standard_normal((2, 3, 4)).astype("float32")
    np.testing.assert_allclose(compiled([batch], result)(value), value.astype("float64").sum(axis=1), rtol=1e-14)


@pytest.mark.parametrize("axis", [None, 0, -1])
def test_positions_of_the_maximum(matrix, axis):
    check_against_loop(lambda a: [tt.argmax(a, axis=axis), tt.argmin(a, axis=axis)], [matrix], gradient=False)
    check_against_loop(lambda a: tt.max_and_argmax(a, axis=axis), [matrix], gradient=False)


@pytest.mark.parametrize("axis", [None, 0, 1])
def test_cumulative(matrix, axis):
    check_against_loop(lambda a: [tt.cumsum(a, axis=axis), tt.extra_ops.cumprod(a, axis=axis)], [matrix])


@pytest.mark.parametrize("n", [1, 2])
def test_differences_of_vectors_have_a_gradient(rng, n):
    check_against_loop(lambda a: tt.extra_ops.diff(a, n=n), [rng.standard_normal(5)])


@pytest.mark.parametrize("axis", [0, -1])
def test_differences_of_matrices(matrix, axis):
    check_against_loop(lambda a: tt.extra_ops.diff(a, axis=axis), [matrix], gradient=False)


@pytest.mark.parametrize("axis", [None, 0, -1])
def test_sorting(matrix, axis):
    check_against_loop(lambda a: tt.sort(a, axis=axis), [matrix])
    check_against_loop(lambda a: tt.argsort(a, axis=axis), [matrix], gradient=False)


def test_softmax(matrix):
    check_against_loop(lambda a: [tt.nnet.softmax(a), tt.nnet.logsoftmax(a)], [matrix])


def test_crossentropy_of_fixed_classes(matrix):
    classes = np.array([0, 2, 1])
    check_against_loop(lambda a: tt.nnet.categorical_crossentropy(tt.nnet.softmax(a), classes), [matrix])


def test_markers_of_the_gradient_are_kept(matrix):
    build = lambda a: [disconnected_grad(a) * a, zero_grad(a) + a**2, grad_clip(a, -0.1, 0.1) ** 2]  # noqa: E731
    check_against_loop(build, [matrix])


def test_print_passes_its_input(matrix, capsys):
    check_against_loop(lambda a: Print("value", attrs=("shape",))(a) ** 2, [matrix], sizes=(2,))
    assert "(2, 3, 4)" in capsys.readouterr().out


def test_assert_holds_for_all_elements(matrix):
    build = lambda a, b: Assert("negative")(a, tt.gt(b, 0))  # noqa: E731
    check_against_loop(build, [matrix, 5.0])
    a, b, batch = tt.dmatrix(), tt.dscalar(), tt.dvector()
    with theano.config.change_flags(compute_test_value="off"):
        result = vectorize_graph(build(a, b), {b: batch}, broadcast_unbatched=False)
    assert result.ndim == 2  # the value does not depend on the batch, its condition does
    function = compiled([a, batch], result)
    np.testing.assert_array_equal(function(matrix, [1.0, 2.0]), matrix)
    with pytest.raises(AssertionError, match="negative"):
        function(matrix, [1.0, -2.0])


@pytest.mark.parametrize("threshold", [-10.0, 0.0])
def test_if_else(matrix, threshold):
    build = lambda a, c: ifelse(tt.gt(c, threshold), tt.sum(a, axis=0), a[0] * c)  # noqa: E731
    check_against_loop(build, [matrix, 0.02])


def test_scalars_that_are_no_tensors(rng):
    def build(a):
        half = tt.scalar_from_tensor(a) * 0.5
        return tt.tensor_from_scalar(half + 1) * a

    check_against_loop(build, [0.4])
