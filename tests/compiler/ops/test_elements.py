"""Elements of vectors and rows of arrays: taken, put, added to, summed up, in C and in Python against NumPy."""

from pymc3_vi.compiler import compile_function
from pymc3_vi.compiler.ops import CumulativeSum, PutElements, TakeElements

import numpy as np
import pytest
import theano
import theano.tensor as tt

from .checks import check_shapes, evaluate

INDEX = np.array([3, 0, -1, 3, 2])


def vector(dtype="float64"):
    return tt.TensorType(dtype, (False,))()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_taken(dtype, rng):
    x, i = vector(dtype), tt.lvector()
    value = rng.standard_normal(6).astype(dtype)
    for layout in (value, value[::-1], np.repeat(value, 3)[::3]):
        (found,) = evaluate([x, i], [TakeElements()(x, i)], [layout, INDEX])
        np.testing.assert_array_equal(found, layout[INDEX])
    (found,) = evaluate([x, i], [TakeElements()(x, i)], [value, np.arange(6)[::-2]])
    np.testing.assert_array_equal(found, value[::-2])
    check_shapes([x, i], [TakeElements()(x, i)], [value, INDEX])


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "uint8"])
@pytest.mark.parametrize("shape", [(6, 1), (6, 5), (6, 20), (6, 300), (6, 0), (6, 3, 4)])
def test_rows_taken_in_every_layout(dtype, shape, rng):
    x, i = tt.TensorType(dtype, [False] * len(shape))(), tt.lvector()
    value = (100 * rng.uniform(size=shape)).astype(dtype)
    function = compile_function([x, i], TakeElements()(x, i))
    padded = np.zeros((8,) + tuple(n + 3 for n in shape[1:]), dtype)
    inside = padded[(slice(1, 7),) + tuple(slice(2, -1) for _ in shape[1:])]
    inside[...] = value
    index = rng.integers(-6, 6, 50)
    for layout in (value, value.copy("F"), value[::-1].copy()[::-1], inside, np.repeat(value, 2, axis=-1)[..., ::2]):
        for places in (index, index[::3], index[:0]):
            found = function(layout, places)
            assert found.dtype == dtype and found.flags.c_contiguous
            np.testing.assert_array_equal(found, layout[places])
    evaluate([x, i], [TakeElements()(x, i)], [value, INDEX], rtol=0)
    check_shapes([x, i], [TakeElements()(x, i)], [value, INDEX])
    for layout in (value, value.copy("F")):
        with pytest.raises(IndexError, match="out of bounds"):
            function(layout, np.array([0] * 20 + [6]))


@pytest.mark.parametrize("add", [False, True])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_put_and_added_one_after_the_other(add, dtype, rng):
    x, y, i = vector(dtype), vector(dtype), tt.lvector()
    value, new = rng.standard_normal(6).astype(dtype), rng.standard_normal(10).astype(dtype)
    for layout, numbers in [(value, new[:5]), (value[::-1], new[::2]), (value, new[:1])]:
        before = layout.copy()
        (found,) = evaluate([x, y, i], [PutElements(add)(x, y, i)], [layout, numbers, INDEX], rtol=0)
        expected = layout.copy()
        for j, place in enumerate(INDEX):
            number = numbers[j if len(numbers) > 1 else 0]
            expected[place] = expected[place] + number if add else number
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(layout, before)
    check_shapes([x, y, i], [PutElements(add)(x, y, i)], [value, new[:5], INDEX])


@pytest.mark.parametrize("mode", [None, "FAST_COMPILE"])
def test_into_the_vector_itself(mode):
    x = tt.dvector()
    new = PutElements(True, inplace=True)(x, tt.constant([1.0, 2.0]), tt.constant([2, 2]))
    function = compile_function([theano.In(x, mutable=True)], new, mode=mode, accept_inplace=True)
    value = np.zeros(4)
    assert np.shares_memory(function(value), value)
    np.testing.assert_array_equal(value, [0, 0, 3, 0])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_sums_up_to_every_element_are_numpys_to_the_last_bit(dtype, rng):
    x = vector(dtype)
    value = rng.standard_normal(1001).astype(dtype)
    function = compile_function([x], CumulativeSum()(x))
    for layout in (value, value[::-2], value[:0], value[:1]):
        np.testing.assert_array_equal(function(layout), np.cumsum(layout))
    evaluate([x], [CumulativeSum()(x)], [value], rtol=0)
    check_shapes([x], [CumulativeSum()(x)], [value])


@pytest.mark.parametrize("mode", [None, "FAST_COMPILE"])
def test_places_that_do_not_exist_raise(mode):
    x, y, i = vector(), vector(), tt.lvector()
    take = compile_function([x, i], TakeElements()(x, i), mode=mode)
    put = compile_function([x, y, i], PutElements(True)(x, y, i), mode=mode)
    for bad in ([3], [-4]):
        with pytest.raises(IndexError, match="out of bounds"):
            take(np.zeros(3), bad)
        with pytest.raises(IndexError, match="out of bounds"):
            put(np.zeros(3), np.ones(1), bad)
    with pytest.raises(ValueError):
        put(np.zeros(3), np.ones(2), [0, 1, 2])
    np.testing.assert_array_equal(take(np.zeros(0), np.zeros(0, int)), [])


def test_only_vectors_of_floats_and_long_indices():
    x, i = vector(), tt.lvector()
    for bad in (tt.dscalar(), tt.zvector()):
        with pytest.raises(TypeError, match="integers and floats"):
            TakeElements()(bad, i)
    for bad in (tt.dmatrix(), tt.lvector()):
        with pytest.raises(TypeError):
            PutElements(False)(bad, x, i)
    with pytest.raises(TypeError):
        PutElements(False)(x, vector("float32"), i)
    for bad in (tt.ivector(), tt.lmatrix(), x):
        with pytest.raises(TypeError, match="int64"):
            TakeElements()(x, bad)
