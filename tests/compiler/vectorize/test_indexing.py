"""Rules for indexing."""

from pymc3_vi.compiler.vectorize import record_fallbacks, vectorize_graph

import numpy as np
import pytest
import theano.tensor as tt

from .checks import check_against_loop, compiled

ROWS, COLUMNS = np.array([0, 2, 2, 1]), np.array([3, 0, 1, 1])
MASK = np.array([True, False, True])


@pytest.fixture
def matrix(rng):
    return rng.standard_normal((3, 4))


def test_slices_and_integers(matrix):
    build = lambda a: [a[0], a[-1, 1:], a[::-1, ::2], a[..., 2], a[:2][1:, -1], a[1, 2], a[:, None, 1]]  # noqa: E731
    check_against_loop(build, [matrix])


def test_symbolic_bounds(matrix):
    check_against_loop(lambda a: a[: a.shape[0] - 1, a.shape[1] // 2], [matrix])


@pytest.mark.parametrize("update", [tt.set_subtensor, tt.inc_subtensor])
def test_updates_of_slices(matrix, update):
    build = lambda a, b: [update(a[1], b), update(a[:, 1:3], b[0]), update(a[::2, ::2], 2.0)]  # noqa: E731
    check_against_loop(build, [matrix, matrix[0]])
    check_against_loop(lambda a, b: update(a[1, 2], b), [matrix, 0.4])


def test_rows_by_a_vector_of_indices(matrix):
    check_against_loop(lambda a: [a[ROWS], a.T[COLUMNS], a[0][COLUMNS]], [matrix])
    check_against_loop(lambda a: tt.take(a, ROWS.reshape(2, 2), axis=0), [matrix])


@pytest.mark.parametrize("index", [(ROWS, COLUMNS), (slice(None), COLUMNS), (MASK,), (MASK, 2), (ROWS, None, COLUMNS)])
def test_advanced_indices(matrix, index):
    check_against_loop(lambda a: a[index], [matrix])


def test_advanced_indices_that_are_separated(rng):
    stack = rng.standard_normal((3, 2, 4))
    check_against_loop(lambda a: [a[ROWS, :, COLUMNS], a[:, 1, COLUMNS], a[ROWS, 1], a[ROWS.reshape(2, 2)]], [stack])


@pytest.mark.parametrize("update", [tt.set_subtensor, tt.inc_subtensor])
def test_updates_by_advanced_indices(matrix, rng, update):
    unique = np.array([2, 0])
    check_against_loop(lambda a, b: update(a[unique], b), [matrix, rng.standard_normal((2, 4))])
    check_against_loop(lambda a, b: update(a[unique], b), [matrix, rng.standard_normal(4)])
    check_against_loop(lambda a, b: update(a[unique, [1, 3]], b), [matrix, rng.standard_normal(2)])
    check_against_loop(lambda a, b: update(a[:, unique], b), [matrix, 0.5])


def test_repeated_indices_add_up(matrix, rng):
    check_against_loop(lambda a, b: tt.inc_subtensor(a[ROWS], b), [matrix, rng.standard_normal((4, 4))])
    check_against_loop(lambda a, b: tt.inc_subtensor(a[ROWS, COLUMNS], b), [matrix, rng.standard_normal(4)])


def test_indices_that_depend_on_the_batch(matrix):
    def build(a, b):
        return a[tt.argsort(b)]

    check_against_loop(build, [matrix, np.array([0.5, -1.0, 0.1])])


def test_other_indices_that_depend_on_the_batch_are_left_to_a_loop(matrix):
    check_against_loop(lambda a: a[tt.argmax(a[:, 0])], [matrix], fallbacks=("Subtensor",), gradient=False)
    build = lambda a: a[tt.argsort(a[:, 0]), 1]  # noqa: E731
    check_against_loop(build, [matrix], fallbacks=("AdvancedSubtensor",), gradient=False)


@pytest.mark.parametrize("axes", [1, 2])
def test_points_of_data_sets_with_indices_of_their_own(rng, axes):
    """A batch of points, then a batch of data sets: rows of one data set are never those of another."""
    a, points, stacks = tt.matrix(), tt.tensor3(), tt.tensor4()
    rows, columns, many_rows, many_columns = tt.lvector(), tt.lvector(), tt.lmatrix(), tt.lmatrix()
    taken = a[rows] if axes == 1 else a[rows, columns]
    with record_fallbacks() as records:
        of_points = vectorize_graph(taken, {a: points})
        many = vectorize_graph(of_points, {points: stacks, rows: many_rows, columns: many_columns})
        grad = tt.grad(tt.sum(tt.sin(many)), stacks)
    assert not records
    function = compiled([stacks, many_rows, many_columns], [many, grad])
    x, i, j = rng.standard_normal((3, 2, 4, 5)), rng.integers(-4, 4, (3, 6)), rng.integers(0, 5, (3, 6))
    found, slope = function(x, i, j)
    wanted, expected = np.zeros_like(found), np.zeros_like(x)
    for b in range(3):
        for s in range(2):
            index = (i[b],) if axes == 1 else (i[b], j[b])
            wanted[b, s] = x[b, s][index]
            np.add.at(expected[b, s], index, np.cos(x[b, s][index]))
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_allclose(slope, expected, rtol=1e-12)
    for beyond in (4, -5):
        with pytest.raises(IndexError):
            function(x, np.where(np.arange(6) == 2, beyond, i), j)
