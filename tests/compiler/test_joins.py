"""Vectors and rows that are joined, and cut at known places."""

from pymc3_vi.compiler import compile_function
from pymc3_vi.compiler.ops import Pack, Unpack

import numpy as np
import pytest
import theano
import theano.tensor as tt
from theano.tensor.basic import Join, Split

PYTHON = theano.Mode("py", "fast_compile")

pytestmark = pytest.mark.skipif(not theano.config.cxx, reason="there is no C++ compiler")


def kinds(function):
    return {type(node.op) for node in function.maker.fgraph.toposort()}


def compare(inputs, outputs, values, found, left=()):
    """Check results against those in Python, and which of the four Ops do it."""
    function = compile_function(inputs, outputs)
    python = theano.function(inputs, outputs, mode=PYTHON)
    assert kinds(function) & {Join, Split, Pack, Unpack} == {*found, *left}
    for mine, reference in zip(function(*values), python(*values)):
        assert mine.dtype == reference.dtype and mine.shape == reference.shape
        np.testing.assert_array_equal(mine, reference)
    return function


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_vectors_and_rows_are_joined(dtype, rng):
    x, y = tt.vector(dtype=dtype), tt.vector(dtype=dtype)
    values = [rng.standard_normal(3).astype(dtype), rng.standard_normal(5).astype(dtype)]
    function = compare([x, y], [tt.concatenate([x, y[::-2], x[:1]])], values, {Pack})
    np.testing.assert_array_equal(function(values[0][:0], values[1])[0], values[1][::-2])
    a, b = tt.matrix(dtype=dtype), tt.matrix(dtype=dtype)
    values = [rng.standard_normal((4, 2)).astype(dtype), rng.standard_normal((3, 4)).astype(dtype)]
    for axis in (1, -1):
        function = compare([a, b], [tt.concatenate([a, b.T, a], axis=axis)], values, {Pack})
    with pytest.raises(ValueError):
        function(values[0][:3], values[1])


def test_other_axes_and_types_are_left(rng):
    a, axis, i = tt.dmatrix(), tt.lscalar(), tt.lvector()
    value = rng.standard_normal((2, 3))
    compare([a], [tt.join(0, a, a)], [value], {Join})
    compare([a, axis], [tt.join(axis, a, a)], [value, 1], {Join})
    compare([i], [tt.join(0, i, i)], [np.arange(3)], {Join})
    compare([i, a], [tt.join(0, i, a[0])], [np.arange(3), value], {Join})


def test_what_is_cut_at_known_places(rng):
    x, sizes = tt.dvector(), tt.lvector()
    value = rng.standard_normal(6)
    parts = tt.basic.split(x, [1, 3, 2], 3)
    function = compare([x], [2 * part for part in parts], [value], {Unpack})
    with pytest.raises(ValueError):
        function(value[:5])
    m = tt.dmatrix()
    compare([m], tt.basic.split(m, [2, 4], 2, axis=1), [rng.standard_normal((3, 6))], {Unpack})
    compare([m], tt.basic.split(m, [1, 2], 2, axis=0), [rng.standard_normal((3, 6))], {Split})
    compare([x, sizes], tt.basic.split(x, sizes, 2), [value, np.array([2, 4])], {Split})


def test_gradients_of_joined_vectors_are_cut(rng):
    """Parts of known sizes, as those of a simplex: the last one is one less the others."""
    x = tt.dvector()
    x4 = tt.specify_shape(x, (4,))
    joined = tt.concatenate([x4, tt.exp(x4)])
    cost = tt.sum(joined**3)
    function = compile_function([x], [cost, tt.grad(cost, x)])
    assert not kinds(function) & {Join, Split}
    value = rng.standard_normal(4)
    np.testing.assert_allclose(function(value)[1], 3 * value**2 + 3 * np.exp(3 * value), rtol=1e-12)


def test_parts_are_not_written_over(rng):
    """Parts are views of what is cut, which others read."""
    x = tt.dvector()
    y = 2 * x
    first, second = tt.basic.split(y, [2, 3], 2)
    outputs = [tt.set_subtensor(first[:1], 9.0), tt.inc_subtensor(second[1:], 1.0), y, first, second]
    value = rng.standard_normal(5)
    function = compile_function([x], outputs)
    found = function(value)
    two = 2 * value
    expected = [[9.0, two[1]], two[2:] + [0, 1, 1], two, two[:2], two[2:]]
    for mine, reference in zip(found, expected):
        np.testing.assert_array_equal(mine, reference)
    function(np.zeros(5))
    np.testing.assert_array_equal(found[3], two[:2])  # what was given away is not overwritten by the next call
