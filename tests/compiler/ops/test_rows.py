"""Rows by index against NumPy's indexing."""

from pymc3_vi.compiler import compile_function
from pymc3_vi.compiler.ops import PutRows, SumRows, TakeRows
from pymc3_vi.compiler.vectorize import vectorize_graph

import numpy as np
import pytest
import theano
import theano.tensor as tt

from .checks import check_gradient, check_shapes, evaluate

#: name -> core shape of the tensor, index vectors over its leading axes
CASES = {
    "elements": ((4,), ([2, 0, -1, 2, 2],)),
    "rows": ((4, 3), ([2, 0, -1, 2, 2],)),
    "pairs": ((4, 3), ([2, 0, -1, 2, 2], [0, -3, 1, 0, 2])),
    "pairs_of_rows": ((2, 3, 2), ([1, 0, -1, 1], [0, 2, 1, 0])),
}


@pytest.fixture(params=sorted(CASES))
def case(request, rng):
    shape, indices = CASES[request.param]
    x = rng.standard_normal((6,) + shape)
    indices = [np.array(i) for i in indices]
    rows = x[(slice(None), *indices)]
    return x, indices, rng.standard_normal(rows.shape)


def _tensor(value):
    return tt.TensorType(value.dtype, (False,) * value.ndim)()


def _sizes(x, indices):
    return x.shape[1 : 1 + len(indices)]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_values_are_those_of_numpy(case, dtype):
    x, indices, y = case
    x, y = x.astype(dtype), y.astype(dtype)
    at = (slice(None), *indices)
    added, put = np.zeros_like(x), x.copy()
    np.add.at(added, at, y)
    put[at] = y
    p = len(indices)
    a, b = _tensor(x), _tensor(y)
    outputs = [
        TakeRows(p)(a, *indices),
        SumRows(p)(b, *indices, *_sizes(a, indices)),
        PutRows(p)(a, b, *indices),
    ]
    found = evaluate([a, b], outputs, [x, y], rtol=1e-6 if dtype == "float32" else 1e-13)
    for got, wanted in zip(found, (x[at], added, put)):
        assert got.dtype == dtype
        np.testing.assert_allclose(got, wanted, rtol=1e-6 if dtype == "float32" else 1e-13)
    check_shapes([a, b], outputs, [x, y])


def test_the_layout_of_the_input_does_not_matter(case):
    x, indices, y = case
    p, a, b = len(indices), _tensor(x), _tensor(y)
    function = compile_function([a, b], [TakeRows(p)(a, *indices), PutRows(p)(a, b, *indices)])
    for got, wanted in zip(function(np.asfortranarray(x), np.asfortranarray(y)), function(x, y)):
        np.testing.assert_array_equal(got, wanted)


def test_gradients(case, rng):
    x, indices, y = case
    p = len(indices)

    def build(a, b):
        unique = [i[:2] for i in indices]
        return [
            tt.sqr(TakeRows(p)(a, *indices)),
            tt.sqr(SumRows(p)(b, *indices, *_sizes(a, indices))),
            tt.sqr(PutRows(p)(a, b[:, :2], *unique)),
        ]

    check_gradient(build, [x, y], rng)


def test_a_batch_of_batches(case, rng):
    x, indices, y = case
    p = len(indices)
    a, b = _tensor(x), _tensor(y)
    outputs = [TakeRows(p)(a, *indices), SumRows(p)(b, *indices, *_sizes(a, indices)), PutRows(p)(a, b, *indices)]
    many_x, many_y = x + rng.standard_normal((3, 1) + x.shape[1:]).reshape((3, 1) + x.shape[1:]), np.stack([y] * 3)
    a_many, b_many = _tensor(many_x), _tensor(many_y)
    with theano.config.change_flags(cxx=""):
        found = theano.function([a_many, b_many], vectorize_graph(outputs, {a: a_many, b: b_many}))(many_x, many_y)
        single = theano.function([a, b], outputs)
    for s in range(3):
        for got, wanted in zip(found, single(many_x[s], many_y[s])):
            np.testing.assert_array_equal(got[s], wanted)


@pytest.mark.parametrize("bad", [4, -5])
def test_indices_out_of_bounds(bad):
    x = tt.dmatrix()
    index = tt.lvector()
    function = compile_function([x, index], TakeRows()(x, index))
    np.testing.assert_array_equal(function(np.ones((2, 4)), [3, -4]), np.ones((2, 2)))
    with pytest.raises(IndexError, match=f"index {bad} is out of bounds for an axis of size 4"):
        function(np.ones((2, 4)), [0, bad])


def test_shapes_that_do_not_match():
    x, y, i, j = tt.dmatrix(), tt.dmatrix(), tt.lvector(), tt.lvector()
    with pytest.raises(ValueError, match="2 rows and 3 indices"):
        compile_function([y, i], SumRows()(y, i, 4))(np.ones((2, 2)), [0, 1, 2])
    with pytest.raises(ValueError, match="PutRows: the shapes"):
        compile_function([x, y, i], PutRows()(x, y, i))(np.ones((2, 4)), np.ones((3, 2)), [0, 1])
    cube = tt.dtensor3()
    with pytest.raises(ValueError, match="different lengths: 2 and 1"):
        compile_function([cube, i, j], TakeRows(2)(cube, i, j))(np.ones((2, 4, 4)), [0, 1], [0])


def test_types_that_are_refused():
    x = tt.dmatrix()
    with pytest.raises(TypeError, match="vectors of integers"):
        TakeRows()(x, tt.dvector())
    with pytest.raises(TypeError, match="needs 2 vectors of indices"):
        TakeRows(2)(x, tt.lvector())
    with pytest.raises(TypeError, match="float32 or float64"):
        TakeRows()(tt.lmatrix(), tt.lvector())
    with pytest.raises(TypeError, match="sizes"):
        SumRows()(x, tt.lvector())
    with pytest.raises(TypeError, match="rows of the type"):
        PutRows()(x, tt.fmatrix(), tt.lvector())
