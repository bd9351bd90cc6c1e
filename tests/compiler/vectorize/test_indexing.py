"""Rules for indexing."""

import numpy as np
import pytest
import theano.tensor as tt

from .checks import check_against_loop

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
