"""The parts of the chains: coordinates, step size, trajectories."""

import warnings

from pymc3_vi.correct._chains import Chains
from pymc3_vi.correct._metric import fisher_scale
from pymc3_vi.correct._target import Target
from pymc3_vi.correct._tuning import Length, StepSize

import numpy as np
import pytest


def gaussian(cov):
    precision = np.linalg.inv(cov)

    def slopes(z):
        return -0.5 * np.einsum("sd,de,se->s", z, precision, z), -z @ precision

    return slopes


def test_coordinates_are_exact_for_a_gaussian(rng):
    root = rng.normal(size=(5, 5))
    cov = root @ root.T
    x = rng.normal(size=(100, 5)) * [1.0, 0.5, 2.0, 0.7, 1.0]  # any cloud tells the curvature
    _, scale = fisher_scale(x, gaussian(cov)(x)[1], dense=True)
    np.testing.assert_allclose(scale @ scale.T, cov, rtol=0.05, atol=0.02 * np.abs(cov).max())
    sd = np.array([0.05, 1.0, 5.0])
    x = rng.normal(size=(400, 3))
    _, scale = fisher_scale(x, gaussian(np.diag(sd**2))(x)[1], dense=False)
    np.testing.assert_allclose(scale, sd, rtol=0.05)


def test_points_and_coordinates_are_inverse(rng):
    target = Target(gaussian(np.eye(3)), rng.normal(size=3), rng.normal(size=(3, 3)))
    x = rng.normal(size=(7, 3))
    np.testing.assert_allclose(target.coordinates(target.points(x)), x, atol=1e-10)
    moved = target.stretched(np.ones(3), np.diag([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(moved.points(x), target.points(1.0 + x * [1.0, 2.0, 3.0]))


def test_gradients_are_those_of_the_coordinates(rng):
    target = Target(gaussian(np.diag([1.0, 4.0])), [1.0, 2.0], [[1.0, 0.0], [2.0, 3.0]])
    x, step = rng.normal(size=(1, 2)), 1e-5
    numeric = [(target(x + step * e)[0] - target(x - step * e)[0])[0] / (2 * step) for e in np.eye(2)]
    np.testing.assert_allclose(target(x)[1][0], numeric, rtol=1e-6)


@pytest.mark.parametrize("scale", [[1.0, 2.0], [[1.0, 0.5], [0.0, 2.0]]])
def test_an_infinite_gradient_is_no_warning(scale):
    def beyond(z):
        return np.zeros(len(z)), np.full(z.shape, np.inf) * np.array([[1.0, -1.0]])

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        logp, grad = Target(beyond, np.zeros(2), scale)(np.ones((3, 2)))
    assert np.all(logp == -np.inf) and np.all(grad == 0.0)


def test_impossible_points_are_never_entered(rng):
    def half(z):
        logp = np.where(z[:, 0] > 0, -z[:, 0], np.nan)
        return logp, np.where(z > 0, -1.0, np.nan)

    chains = Chains(Target(half, [0.0], [1.0]), rng.exponential(size=(512, 1)))
    kept = []
    for _ in range(60):
        chains.sweep(0.7, 3, rng)
        kept.append(chains.x)
    kept = np.array(kept[10:])
    assert kept.min() > 0
    error = kept.mean(axis=0).std(ddof=1) / np.sqrt(512)
    assert abs(kept.mean() - 1.0) < 4 * error and error < 0.05


def test_sweeps_leave_the_target_invariant(rng):
    chains = Chains(Target(gaussian(np.eye(2)), np.zeros(2), np.ones(2)), rng.normal(size=(4000, 2)))
    for _ in range(5):  # steps so long that a third is rejected
        chains.sweep(1.2, 3, rng)
    assert np.all(np.abs(chains.x.mean(0)) < 4 / np.sqrt(4000))
    np.testing.assert_allclose(chains.x.var(0), 1.0, atol=4 * np.sqrt(2 / 4000))


def test_step_size_reaches_the_acceptance_asked_for(rng):
    chains = Chains(Target(gaussian(np.eye(20)), np.zeros(20), np.ones(20)), rng.normal(size=(256, 20)))
    step = StepSize(0.05)
    for _ in range(60):
        step.update(chains.sweep(step.now, 4, rng).accept)
    accepted = np.mean([chains.sweep(step.settled, 4, rng).accept.mean() for _ in range(10)])
    assert 0.75 < accepted < 0.95


def test_length_fits_the_widest_coordinate(rng):
    # a period of 2 pi sd: a quarter of it, T = 1.6 sd, makes a draw of the widest coordinate independent
    for sd in (1.0, 8.0):
        cov = np.diag([1.0, sd**2])
        chains = Chains(Target(gaussian(cov), np.zeros(2), np.ones(2)), rng.normal(size=(256, 2)) * [1.0, sd])
        length = Length(2)
        for _ in range(30):
            steps = int(np.ceil(1.3 * length.now * rng.uniform(0.5, 1.0) / 0.5))
            chains.sweep(0.5, steps, rng, length.watch(chains, 0.5, steps))
            length.update(0.5)
        assert 1.0 * sd < length.now < 3.5 * sd
