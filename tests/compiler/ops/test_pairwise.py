"""Distances between points and their median, in Python and in C, against NumPy."""

from pymc3_vi.compiler import compile_function
from pymc3_vi.compiler.ops import MedianDistance, SquaredDistances

import numpy as np
import pytest
import theano
import theano.tensor as tt

from .checks import check_gradient, check_shapes, evaluate


def exact(x):
    x = np.asarray(x, dtype=np.longdouble)
    return np.sum((x[:, None] - x[None]) ** 2, axis=-1).astype(float)


@pytest.fixture(scope="module")
def both():
    """Distances and their median in C, and the median in Python."""
    x, h = tt.dmatrix(), tt.dmatrix()
    distances = compile_function([x], SquaredDistances()(x))
    median = compile_function([h], MedianDistance()(h))
    with theano.config.change_flags(cxx=""):
        return distances, median, theano.function([h], MedianDistance()(h))


@pytest.mark.parametrize("n, d", [(1, 3), (2, 1), (3, 2), (4, 1), (5, 9), (8, 3), (17, 2), (64, 5), (101, 1)])
def test_values(both, n, d, rng):
    distances, median, median_in_python = both
    x = 5 + rng.normal(size=(n, d))
    h = distances(x)
    np.testing.assert_allclose(h, exact(x), rtol=1e-12)
    np.testing.assert_array_equal(h, h.T)
    wanted = np.median(h) if n > 1 else 1
    assert median(h) == wanted and median_in_python(h) == wanted


def test_layouts_and_types(rng):
    x = rng.normal(size=(9, 14))
    for dtype, rtol in (("float64", 1e-13), ("float32", 1e-5)):
        symbol = tt.matrix(dtype=dtype)
        outputs = [SquaredDistances()(symbol), SquaredDistances()(symbol[::2, ::-3]), MedianDistance()(symbol[:, :9])]
        value = x.astype(dtype)
        value[:, :9] = exact(value)
        evaluate([symbol], outputs, [value], rtol)
        evaluate([symbol], outputs, [np.asfortranarray(value)], rtol)
        check_shapes([symbol], outputs[:1], [value])


@pytest.mark.parametrize("n", [48, 61, 150])
def test_medians_of_many_are_selected_exactly(both, n, rng):
    # 48 points have more distances than are selected without a sample; ties and outliers mislead the sample.
    for x in (rng.normal(size=(n, 1)), rng.integers(0, 4, size=(n, 2)).astype(float), rng.standard_cauchy(size=(n, 2))):
        h = exact(x)
        assert both[1](h) == np.median(h)
    sorted_points = np.arange(n, dtype=float)[:, None]
    assert both[1](exact(sorted_points)) == np.median(exact(sorted_points))


def test_distances_keep_the_digits_of_differences(both, rng):
    x = 1e6 + 1e-5 * rng.normal(size=(10, 3))
    np.testing.assert_allclose(both[0](x), exact(x), rtol=1e-12)


def test_scales_where_the_median_is_zero(both):
    half = np.zeros((10, 1))
    half[8:] = [[1.0], [2.0]]
    for median in both[1:]:
        np.testing.assert_allclose(median(exact(half)), exact(half).mean(), rtol=1e-14)
        assert median(np.zeros((4, 4))) == 1
        assert median(np.zeros((0, 0))) == 1


def test_what_is_not_finite(both):
    h = exact(np.arange(5.0)[:, None])
    with_nan, with_inf = h.copy(), h.copy()
    with_nan[3, 1] = with_nan[1, 3] = np.nan
    with_inf[4, :4] = with_inf[:4, 4] = np.inf
    for median in both[1:]:
        assert np.isnan(median(with_nan))
        assert median(with_inf) == np.median(with_inf)


def test_gradients(rng):
    check_gradient(lambda x: tt.sqrt(1 + SquaredDistances()(x)), [rng.normal(size=(5, 3))], rng)
    h = tt.matrix()
    with pytest.raises(theano.gradient.NullTypeGradError):
        tt.grad(MedianDistance()(h), h)


def test_types_that_are_refused(both):
    for op in (SquaredDistances(), MedianDistance()):
        for x in (tt.imatrix(), tt.vector()):
            with pytest.raises(TypeError, match="needs a float matrix"):
                op(x)
    for median in both[1:]:
        with pytest.raises(ValueError, match=r"square matrix. Got shape \(2, 3\)"):
            median(np.ones((2, 3)))
