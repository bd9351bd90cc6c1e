"""Flat vectors to variables and back."""

from pymc3_vi.compiler import compile_function
from pymc3_vi.compiler.ops import Pack, Unpack, pack, unpack

import numpy as np
import pytest
import theano
import theano.tensor as tt

from .checks import check_gradient, check_shapes, evaluate

SHAPES = [(), (2, 3), (1,), (4,), (2, 1, 2)]
SIZE = 1 + 6 + 1 + 4 + 4


def pieces(z):
    begins = np.cumsum([0] + [int(np.prod(shape)) for shape in SHAPES])
    return [z[..., b:e].reshape(z.shape[:-1] + s) for b, e, s in zip(begins, begins[1:], SHAPES)]


@pytest.mark.parametrize("lead", [(), (1,), (3,)])
def test_unpack_gives_the_slices(lead, rng):
    z = tt.TensorType("float64", (False,) * (len(lead) + 1))("z")
    value = rng.standard_normal(lead + (SIZE,))
    outputs = unpack(z, SHAPES)
    for mine, expected in zip(evaluate([z], outputs, [value]), pieces(value)):
        np.testing.assert_array_equal(mine, expected)
    assert outputs[2].broadcastable == (False,) * len(lead) + (True,)
    assert outputs[4].broadcastable == (False,) * len(lead) + (False, True, False)


def test_the_vector_may_be_strided(rng):
    z = tt.dmatrix("z")
    value = rng.standard_normal((SIZE, 5))
    for mine, expected in zip(evaluate([z], unpack(z.T[::2], SHAPES), [value]), pieces(value.T[::2])):
        np.testing.assert_array_equal(mine, expected)


def test_results_do_not_follow_the_vector(rng):
    z = theano.shared(np.zeros(SIZE))
    function = compile_function([], unpack(z, SHAPES), updates=[(z, z + 1)])
    first = function()
    function()
    assert all((part == 0).all() for part in first)


def test_variables_may_have_another_type(rng):
    z = tt.dvector("z")
    single, double = unpack(z, [(2,), (2,)], dtypes=["float32", "float64"])
    assert (single.dtype, double.dtype) == ("float32", "float64")
    assert single.owner.op.view_map == {1: [0]}
    results = evaluate([z], [single, double, theano.grad((single * 3).sum() + double[0], z)], [np.arange(4.0)])
    np.testing.assert_array_equal(results[2], [3.0, 3.0, 1.0, 0.0])


def test_float32(rng):
    z = tt.fmatrix("z")
    parts = unpack(z, SHAPES)
    value = rng.standard_normal((2, SIZE)).astype("float32")
    results = evaluate([z], [*parts, pack(parts, 1)], [value])
    assert all(result.dtype == "float32" for result in results)
    np.testing.assert_array_equal(results[-1], value)


@pytest.mark.parametrize("lead", [(), (3,)])
def test_gradients(lead, rng):
    check_gradient(lambda z: [v**2 for v in unpack(z, SHAPES)], [rng.standard_normal(lead + (SIZE,))], rng)
    check_gradient(
        lambda a, b: pack([a, b], len(lead)) ** 2,
        [rng.standard_normal(lead + (2, 3)), rng.standard_normal(lead + (4,))],
        rng,
    )


@pytest.mark.parametrize("lead", [(), (3,)])
def test_the_gradient_is_one_node_with_zeros_for_what_is_not_used(lead, rng):
    z = tt.TensorType("float64", (False,) * (len(lead) + 1))("z")
    value = rng.standard_normal(lead + (SIZE,))
    first, _, _, last, _ = unpack(z, SHAPES)
    gradient = theano.grad((first**2).sum() + last.sum(), z)
    assert isinstance(gradient.owner.op, Pack)
    (result,) = evaluate([z], [gradient], [value])
    expected = np.zeros_like(value)
    expected[..., 0] = 2 * value[..., 0]
    expected[..., 8:12] = 1
    np.testing.assert_array_equal(result, expected)
    function = compile_function([z], gradient)
    assert not any("IncSubtensor" in str(node.op) for node in function.maker.fgraph.toposort())


def test_nothing_used_is_disconnected():
    z = tt.dvector("z")
    unpack(z, [(2,), (3,)])
    with pytest.raises(theano.gradient.DisconnectedInputError):
        theano.grad(tt.dscalar("y") ** 2, z)
    # reached only through a function that cuts the gradient
    part = unpack(z, [(2,), (3,)])[0]
    np.testing.assert_array_equal(
        compile_function([z], theano.grad(theano.gradient.zero_grad(part).sum(), z))(np.ones(5)), np.zeros(5)
    )


def test_second_derivatives(rng):
    z = tt.dvector("z")
    a, _, _, b, _ = unpack(z, SHAPES)
    cost = tt.exp(a) * b.sum()
    direction = rng.standard_normal(SIZE)
    gradient = theano.grad(cost, z)
    product = theano.grad((gradient * direction).sum(), z)
    value = rng.standard_normal(SIZE)
    expected = np.zeros(SIZE)
    expected[0] = np.exp(value[0]) * (value[8:12].sum() * direction[0] + direction[8:12].sum())
    expected[8:12] = np.exp(value[0]) * direction[0]
    backward, forward = evaluate([z], [product, theano.gradient.Rop(gradient, z, tt.constant(direction))], [value])
    np.testing.assert_allclose(backward, expected, rtol=1e-12)
    np.testing.assert_allclose(forward, expected, rtol=1e-12)


def test_second_derivatives_of_pack(rng):
    a, b = tt.dmatrix("a"), tt.dscalar("b")
    value, direction = rng.standard_normal((2, 2)), rng.standard_normal(5)
    gradient = theano.grad((pack([a, b]) * direction).sum(), [a, b])
    results = evaluate([a, b], gradient, [value, 2.0])
    np.testing.assert_array_equal(results[0], direction[:4].reshape(2, 2))
    np.testing.assert_array_equal(results[1], direction[4])


def test_shapes(rng):
    z, a = tt.dmatrix("z"), tt.dtensor3("a")
    check_shapes([z, a], [*unpack(z, SHAPES), pack([a, z], 1)], [np.zeros((3, SIZE)), np.zeros((3, 2, 2))])


@pytest.mark.parametrize("mode", [None, "FAST_COMPILE"])
def test_wrong_sizes_raise(mode):
    z, a = tt.dvector("z"), tt.dmatrix("a")
    function = compile_function([z], unpack(z, SHAPES), mode=mode)
    with pytest.raises(ValueError, match="16 elements together, but the vector has 15"):
        function(np.zeros(15))
    rows = compile_function([z, a], pack([a, z.dimshuffle(0, "x")], 1), mode=mode)
    with pytest.raises(ValueError, match="Pack: a part"):
        rows(np.zeros(3), np.zeros((2, 2)))


def test_wrong_arguments_raise():
    z = tt.dvector("z")
    with pytest.raises(ValueError, match="'broadcastables' parameter of unpack"):
        unpack(z, [(2,)], broadcastables=[(True,)])
    with pytest.raises(ValueError, match="must be as long as 'shapes' \\(1\\)"):
        unpack(z, [(2,)], dtypes=["float64", "float64"])
    with pytest.raises(TypeError, match="vector or a matrix"):
        Unpack(((2,),), (None,), ((False,),))(tt.dtensor3())
    with pytest.raises(ValueError, match="'leading_ndim' parameter"):
        pack([z], 2)
    with pytest.raises(ValueError, match="at least one tensor"):
        pack([])
    with pytest.raises(TypeError, match="at least 1 dimensions"):
        pack([tt.dscalar()], 1)


def test_no_variables():
    assert unpack(tt.dvector(), []) == []
