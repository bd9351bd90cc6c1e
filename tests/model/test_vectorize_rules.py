"""PyMC3's own Ops on a batch."""

import pymc3_vi.model  # noqa: F401  (registers the rules)
from pymc3_vi.compiler.vectorize import record_fallbacks, vectorize_graph

import numpy as np
import pytest
import theano
import theano.tensor as tt
from pymc3.distributions.dist_math import SplineWrapper
from pymc3.distributions.multivariate import matrix_pos_def
from pymc3.math import BatchedDiag, LogDet, block_diagonal
from pymc3.ode import DifferentialEquation
from scipy.interpolate import InterpolatedUnivariateSpline

from tests.compiler.vectorize.checks import check_against_loop, compiled


def test_log_determinants(rng):
    check_against_loop(LogDet(), [rng.standard_normal((3, 3)) + 3 * np.eye(3)])


def test_positive_definite_matrices_are_told_from_others():
    x, many = tt.dmatrix(), tt.dtensor3()
    with theano.config.change_flags(compute_test_value="off"), record_fallbacks() as fallbacks:
        result = vectorize_graph(matrix_pos_def(x), {x: many})
    np.testing.assert_array_equal(compiled([many], result)(np.stack([np.eye(2), -np.eye(2)])), [1, 0])
    assert not fallbacks


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_splines(rng, shape):
    grid = np.linspace(-3, 3, 20)
    spline = SplineWrapper(InterpolatedUnivariateSpline(grid, np.sin(grid), k=3))
    check_against_loop(spline, [rng.uniform(-2, 2, shape)])


def test_stacks_of_diagonal_matrices(rng):
    check_against_loop(BatchedDiag(), [rng.standard_normal((2, 3))])


def test_block_diagonal_matrices(rng):
    values = [rng.standard_normal(shape) for shape in [(2, 2), (1, 3), (3, 1)]]
    check_against_loop(lambda *blocks: block_diagonal(blocks), values)


def test_differential_equations():
    times = np.array([0.5, 1.0, 2.0])
    decay = DifferentialEquation(lambda y, t, p: -p[0] * y[0], times=times, n_states=1, n_theta=1)
    theta, many = tt.dvector(), tt.dmatrix()
    with theano.config.change_flags(compute_test_value="off", cxx=""), record_fallbacks() as fallbacks:
        states = vectorize_graph(decay(y0=[1.0], theta=theta), {theta: many})
        gradient = tt.grad(tt.sum(states), many)
        values, slopes = compiled([many], [states, gradient])(np.array([[0.3], [0.9]]))
    assert not fallbacks
    for rate, state, slope in zip([0.3, 0.9], values, slopes):
        np.testing.assert_allclose(state[:, 0], np.exp(-rate * times), rtol=1e-5)
        np.testing.assert_allclose(slope[0], -np.sum(times * np.exp(-rate * times)), rtol=1e-5)
