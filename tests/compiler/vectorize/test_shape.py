"""Rules for Ops that move, join or repeat elements."""

from pymc3_vi.compiler.ops import Pack, unpack
from pymc3_vi.compiler.vectorize import NoBatchRule, vectorize_graph

import numpy as np
import pytest
import theano
import theano.tensor as tt
from theano.compile.ops import shape_i
from theano.gradient import NullTypeGradError

from .checks import check_against_loop, compiled


@pytest.fixture
def matrix(rng):
    return rng.standard_normal((3, 4))


def test_dimshuffle(rng):
    build = lambda a, b: [a.dimshuffle(1, "x", 0) * 2, a.T, b.dimshuffle(0) * 3]  # noqa: E731
    check_against_loop(build, [rng.standard_normal((3, 4)), rng.standard_normal((2, 1))])


def test_shapes_do_not_depend_on_the_batch(matrix):
    a, batch = tt.dmatrix(), tt.dtensor3()
    with theano.config.change_flags(compute_test_value="off"):
        outputs = [a.shape, shape_i(a, 1), tt.zeros(a.shape[1:])]
        results = vectorize_graph(outputs, {a: batch}, broadcast_unbatched=False)
    assert [r.ndim for r in results] == [1, 0, 1]
    shape, columns, zeros = compiled([batch], results)(np.stack([matrix, matrix]))
    assert tuple(shape) == (3, 4) and columns == 4 and zeros.shape == (4,)


@pytest.mark.parametrize("shape", [(12,), (2, -1), (2, 3, 2), (4, 1, 3)])
def test_reshape_to_constants(matrix, shape):
    check_against_loop(lambda a: tt.reshape(a, shape) ** 2, [matrix])


def test_reshape_to_symbolic_sizes(matrix):
    build = lambda a: [a.reshape((a.shape[1], a.shape[0])) ** 2, a.reshape([tt.prod(a.shape)], ndim=1)]  # noqa: E731
    check_against_loop(build, [matrix])
    check_against_loop(lambda a: a.reshape((1, 1)) + a.reshape((), ndim=0), [np.array([2.0])])


def test_reshape_to_sizes_that_depend_on_the_batch_is_left_to_a_loop():
    build = lambda a: tt.reshape(a, tt.stack([tt.cast(tt.sum(a > -9), "int64"), 1]), ndim=2)  # noqa: E731
    check_against_loop(build, [np.arange(4.0)], fallbacks=("Reshape",), gradient=False)


@pytest.mark.parametrize("ndim", [1, 2])
def test_flatten(rng, ndim):
    check_against_loop(lambda a: a.flatten(ndim) ** 2, [rng.standard_normal((2, 3, 2))])


def test_static_patterns(rng):
    build = lambda a, b: [  # noqa: E731
        tt.addbroadcast(a, 0) ** 2,
        tt.unbroadcast(b, 0) ** 2,
        tt.specify_shape(a, (1, 3)) ** 2,
    ]
    a = tt.TensorType("float64", (False, False))
    with theano.config.change_flags(compute_test_value="off"):
        x, y = a(), a()
        bx, by = tt.dtensor3(), tt.dtensor3()
        results = vectorize_graph(build(x, tt.addbroadcast(y, 0)), {x: bx, y: by})
    assert [r.broadcastable for r in results] == [(False, True, False), (False, False, False), (False, False, False)]
    values = rng.standard_normal((2, 1, 3))
    for found in compiled([bx, by], results)(values, values):
        np.testing.assert_allclose(found, values**2)
    with pytest.raises(AssertionError):
        compiled([bx, by], results[2])(rng.standard_normal((2, 2, 3)), values)


def test_alloc(matrix):
    build = lambda a, b: [tt.alloc(a[0], 2, 4), tt.alloc(b, 3, 2), tt.ones_like(a) * b, tt.fill(a, b)]  # noqa: E731
    check_against_loop(build, [matrix, 0.5])


def test_broadcast_to(matrix):
    check_against_loop(lambda a: tt.extra_ops.broadcast_to(a[0], (3, 4)) * a, [matrix], gradient=False)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_join(matrix, axis):
    check_against_loop(lambda a, b: tt.join(axis, a, b, np.ones((3, 4))), [matrix, matrix + 1])


@pytest.mark.parametrize("axis", [0, -1])
def test_stack(matrix, axis):
    check_against_loop(lambda a, b: tt.stack([a, b, tt.zeros((3, 4))], axis=axis), [matrix, matrix])


def test_make_vector():
    check_against_loop(lambda a, b: tt.stack([a, b**2, 1.0, a * b]), [0.3, 0.8])


@pytest.mark.parametrize("axis", [1, -1])
def test_split(matrix, axis):
    check_against_loop(lambda a: [part**2 for part in tt.split(a, [1, 3], 2, axis=axis)], [matrix])


@pytest.mark.parametrize("axis", [None, 0, 1])
def test_repeat(matrix, axis):
    check_against_loop(lambda a: tt.repeat(a, 2, axis=axis), [matrix])


def test_repeat_by_different_numbers(matrix):
    check_against_loop(lambda a: tt.repeat(a, np.array([1, 0, 2]), axis=0), [matrix], gradient=False)


def test_tile(matrix):
    check_against_loop(lambda a: tt.tile(a, (2, 1)), [matrix])


@pytest.mark.parametrize("offset", [0, 1, -1, -2])
def test_diagonals(rng, offset):
    for shape in [(3, 3), (2, 4), (4, 2)]:
        # Theano's own gradient fails for some diagonals of matrices that are not square.
        square = shape == (3, 3)
        check_against_loop(lambda a: tt.diagonal(a, offset=offset) ** 2, [rng.standard_normal(shape)], gradient=square)


def test_diagonals_of_stacks_have_a_gradient(rng):
    stack = rng.standard_normal((2, 3, 3))
    check_against_loop(lambda a: tt.diagonal(a, axis1=2, axis2=1), [stack], gradient=False)
    a, batch = tt.dtensor3(), tt.dtensor4()
    with theano.config.change_flags(compute_test_value="off"):
        with pytest.raises(NullTypeGradError):  # Theano's own
            tt.grad(tt.sum(tt.diagonal(a, axis1=1, axis2=2)), a)
        gradient = tt.grad(tt.sum(vectorize_graph(tt.diagonal(a, axis1=1, axis2=2), {a: batch})), batch)
    found = compiled([batch], gradient)(stack[None])
    np.testing.assert_array_equal(found, np.broadcast_to(np.eye(3), (1, 2, 3, 3)))


def test_matrices_with_a_given_diagonal(rng):
    check_against_loop(lambda v: [tt.diag(v), tt.nlinalg.alloc_diag(v)], [rng.standard_normal(3)])
    check_against_loop(lambda m, v: tt.fill_diagonal(m, v), [rng.standard_normal((3, 3)), 2.0])
    check_against_loop(lambda m: tt.fill_diagonal(m, 1.0), [rng.standard_normal((4, 2))], gradient=False)


def test_a_diagonal_with_an_offset_is_left_to_a_loop(rng):
    op = tt.AllocDiag(offset=1)
    check_against_loop(op, [rng.standard_normal(3)], fallbacks=("AllocDiag",), gradient=False)
    with pytest.raises(NoBatchRule, match="AllocDiag.*offset"):
        v = tt.dvector()
        vectorize_graph(op(v), {v: tt.dmatrix()}, fallback=False)


def test_unpack_and_pack(rng):
    build = lambda z: [part**2 for part in unpack(z, [(), (2, 1), (3,)])]  # noqa: E731
    check_against_loop(build, [rng.standard_normal(6)])
    check_against_loop(build, [rng.standard_normal((2, 6))])
    values = [rng.standard_normal((2, 2)), rng.standard_normal((2,))]
    check_against_loop(lambda a, b: Pack(0, "float64", (True, True))(a, b), values)
    check_against_loop(lambda a, b: Pack(1, "float64", (True, True))(a, b), values)
