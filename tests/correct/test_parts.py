"""The parts of the chains: coordinates, step size, trajectories."""

import warnings
from types import SimpleNamespace

from pymc3_vi.correct import _hmc
from pymc3_vi.correct._chains import LONGEST_STEP, Chains
from pymc3_vi.correct._metric import fisher_scale, is_nearly_normal
from pymc3_vi.correct._starts import Start
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


@pytest.mark.parametrize("on_circles", [True, False])
def test_sweeps_leave_the_target_invariant(on_circles, rng):
    sd, n = np.array([0.5, 2.0]), 4000
    chains = Chains(Target(gaussian(np.diag(sd**2)), np.zeros(2), np.ones(2)), rng.normal(size=(n, 2)) * sd)
    chains.on_circles = on_circles
    accepted = [chains.sweep(0.9, 3, rng).accept.mean() for _ in range(5)]
    assert 0.4 < np.mean(accepted) < 0.8  # steps so long that a good part is rejected
    assert np.all(np.abs(chains.x.mean(0)) < 4 * sd / np.sqrt(n))
    np.testing.assert_allclose(chains.x.var(0) / sd**2, 1.0, atol=4 * np.sqrt(2 / n))


@pytest.mark.parametrize("step, steps", [(0.1, 7), (1.0, 3), (5.0, 2)])
def test_steps_of_any_size_are_exact_for_a_standard_normal(step, steps, rng):
    chains = Chains(Target(gaussian(np.eye(3)), np.zeros(3), np.ones(3)), rng.normal(size=(256, 3)))
    chains.on_circles = True
    np.testing.assert_allclose(chains.sweep(step, steps, rng).accept, 1.0, rtol=1e-12)


def test_one_longest_step_forgets_where_it_began(rng):
    n = 4000
    begin = rng.normal(size=(n, 1))
    chains = Chains(Target(gaussian(np.eye(1)), np.zeros(1), np.ones(1)), begin)
    chains.on_circles = True
    chains.sweep(50.0, 1, rng)  # so long that all, the short ones too, are cut to the longest
    assert abs(np.mean(begin * chains.x)) < 4 / np.sqrt(n)
    np.testing.assert_allclose(chains.x.var(), 1.0, atol=4 * np.sqrt(2 / n))


def test_coordinates_of_gradients_of_all_sizes(rng):
    """A fit that is hundreds of standard deviations off: gradients differ by many orders, along one line or not."""
    x = rng.normal(size=(200, 3))
    for grad in (np.exp(40 * x), np.exp(40 * x[:, :1]) * [1.0, 1e-9, 1e9], np.full(x.shape, 1e200), 1e153 * x):
        location, scale = fisher_scale(x, grad, dense=True)
        assert np.isfinite(location).all() and np.isfinite(scale).all() and abs(np.linalg.det(scale)) > 0


def test_tuned_steps_are_no_longer_than_the_longest(rng):
    step = StepSize(1.0)
    for _ in range(50):
        step.update(np.ones(16))
    assert step.now == pytest.approx(LONGEST_STEP)
    assert step.settled == pytest.approx(LONGEST_STEP, rel=1e-3)


def test_more_chains_begin_where_each_is(rng):
    chains = Chains(Target(gaussian(np.eye(2)), np.zeros(2), np.ones(2)), rng.normal(size=(3, 2)))
    x, logp, grad = chains.x, chains.logp, chains.grad
    chains.multiply(2)
    np.testing.assert_array_equal(chains.x, x[[0, 0, 1, 1, 2, 2]])
    np.testing.assert_array_equal(chains.logp, logp[[0, 0, 1, 1, 2, 2]])
    np.testing.assert_array_equal(chains.grad, grad[[0, 0, 1, 1, 2, 2]])


def test_step_size_reaches_the_acceptance_asked_for(rng):
    target = Target(gaussian(np.diag(np.linspace(0.3, 1.5, 20) ** 2)), np.zeros(20), np.ones(20))
    chains = Chains(target, rng.normal(size=(256, 20)))
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
        assert 0.8 * sd < length.now < 3.5 * sd


def _sampler(rng, most_steps, chains=256, d=2):
    target = Target(gaussian(np.diag([1e-4] + [1.0] * (d - 1))), np.zeros(d), np.ones(d))
    return _hmc._Sampler(target, rng.normal(size=(16, d)) * 0.01, rng, None, lambda sampler: None, most_steps, chains)


def test_a_warm_up_takes_at_most_half_of_the_steps_that_are_left(rng):
    sampler = _sampler(rng, 80)
    sampler.warm_up(40, 0.1)
    assert 40 <= sampler.steps < 60 and sampler.sweeps < 40
    assert len(sampler.chains.x) == 256 and not sampler.chains.on_circles


@pytest.mark.parametrize(
    "chains, d, tuning", [(256, 2, 64), (64, 2, 64), (16, 2, 16), (320, 2, 64), (256, 50, 128), (256, 90, 256)]
)
def test_coordinates_are_tuned_on_few_chains(chains, d, tuning, rng):
    sampler = _sampler(rng, None, chains, d)
    assert len(sampler.chains.x) == tuning
    sampler.warm_up(40, 0.1)
    assert len(sampler.chains.x) == chains


def test_more_draws_are_not_made_where_nothing_but_divergences_is_left(rng, monkeypatch):
    monkeypatch.setattr(_hmc.Run, "flaws", lambda run: {_hmc.DIVERGES: np.array([0])})
    start = Start(rng.normal(size=(16, 2)), np.zeros(2), np.ones(2))
    run = _hmc.run_chains(start, gaussian(np.eye(2)), 100, rng)
    assert run.ended == "steps" and run.steps < _hmc.MOST_STEPS / 2
    assert _hmc.run_chains(start, gaussian(np.eye(2)), 100_000, rng).logp.size >= 100_000  # as many as were asked for


@pytest.mark.parametrize(
    "score, draw, nearly",
    [
        (lambda x: -x, "standard_normal", True),
        (lambda x: -31 * x / (30 + x**2), ("standard_t", 30), True),
        (lambda x: -6 * x / (5 + x**2), ("standard_t", 5), False),
        (lambda x: -np.sign(x), "laplace", False),
        (lambda x: 1 - np.exp(x), "log of an exponential", False),
    ],
)
def test_circles_need_tails_as_steep_as_a_normal(score, draw, nearly, rng):
    """Where they are flatter, points far out are refused on circles, and so seldom entered."""
    if draw == "log of an exponential":
        x = np.log(rng.exponential(size=(640, 1)))
    elif isinstance(draw, tuple):
        x = rng.standard_t(draw[1], size=(640, 1))
    else:
        x = getattr(rng, draw)(size=(640, 1))
    location, scale = fisher_scale(x, score(x), dense=False)
    assert is_nearly_normal((x - location) / scale, score(x) * scale) == nearly


def test_chains_of_a_normal_move_on_circles(rng):
    sampler = _sampler(rng, None)
    sampler.warm_up(40, 0.1)
    assert sampler.chains.on_circles


def test_a_ctrl_c_after_a_later_warm_up_keeps_the_draws_before(rng, monkeypatch):
    """Those of the first round, until the first sweep of the next one is done."""
    monkeypatch.setattr(_hmc.Run, "flaws", lambda run: {_hmc.REMEMBERS: np.array([0])})
    sweeps = []

    def tell(sampler):
        sweeps.append(sampler.sweeps)
        if sampler.sweeps == interrupted:
            raise KeyboardInterrupt

    start = Start(rng.normal(size=(16, 2)), np.zeros(2), np.ones(2))
    warm_ups, warm_up = [], _hmc._Sampler.warm_up

    def watched(sampler, *args):
        warm_up(sampler, *args)
        warm_ups.append(sampler.sweeps)

    monkeypatch.setattr(_hmc._Sampler, "warm_up", watched)
    interrupted = None
    _hmc.run_chains(start, gaussian(np.eye(2)), 100, np.random.default_rng(1), tell=tell)
    interrupted = warm_ups[1] + 1
    run = _hmc.run_chains(start, gaussian(np.eye(2)), 100, np.random.default_rng(1), tell=tell)
    assert run.ended == "interrupted" and len(run.draws) > 1


def test_chains_that_meet_tails_on_circles_go_straight(rng):
    """One chain in a hundred begins in a wide slab around a normal, which the first look may not see."""

    def slopes(z):
        inside, outside = -0.5 * z**2, np.log(0.05 / 8) - 0.5 * (z / 8) ** 2
        logp = np.logaddexp(inside, outside)
        share = np.exp(outside - logp)
        return logp[:, 0], -z * (1 - share) - z / 64 * share

    target, starts = Target(slopes, np.zeros(1), np.ones(1)), rng.normal(size=(16, 1))
    sampler = _hmc._Sampler(target, starts, rng, None, lambda sampler: None, None, 256)
    sampler.chains.on_circles = True
    for _ in range(200):
        sampler.sweep()
        if sampler.leaves_circles():
            break
    assert not sampler._may_circle
    sampler.warm_up(20, 0.1)
    assert not sampler.chains.on_circles and not sampler.leaves_circles()


@pytest.mark.parametrize("tolerance, rounds", [(0.0045, 1), (0.0015, 2)])
def test_a_round_that_is_nearly_done_goes_on(tolerance, rounds, rng, monkeypatch):
    """160 sweeps are what a round is worth; (1 / tolerance)^2 / 256 of independent draws are needed: 193 or 1,736."""
    begun, warm_up = [], _hmc._Sampler.warm_up
    monkeypatch.setattr(_hmc._Sampler, "warm_up", lambda self, *args: begun.append(args) or warm_up(self, *args))
    start = Start(rng.normal(size=(16, 2)), np.zeros(2), np.ones(2))
    run = _hmc.run_chains(start, gaussian(np.eye(2)), 100, rng, tolerance)
    assert run.ended == "converged" and run.largest_error <= tolerance
    assert len(begun) >= 2 if rounds > 1 else len(begun) == 1


@pytest.mark.parametrize(
    "draws, tails, enough",
    [(5120, 0.2, True), (5120, 0.25, False), (10_240, 0.25, True), (10_240, 0.35, False), (20_224, 0.35, True)],
)
def test_tails_are_called_short_after_many_draws(draws, tails, enough, rng):
    """Chains that have not met a tail yet show less of it: k-hat was 0.25 in a run of radon, where it is 0.65."""
    sampler = _sampler(rng, None)
    accept, diverged = np.ones(256), np.zeros(256, dtype=bool)
    kept = [(rng.normal(size=(256, 2)), np.zeros(256), accept, diverged) for _ in range(draws // 256)]
    run = _hmc.Run(sampler, kept, 0.1)
    run.errors.tails = np.array([tails, 0.0])
    assert (_hmc.LARGE_ERRORS not in run.flaws()) == enough
    assert enough or list(run.flaws()[_hmc.LARGE_ERRORS]) == [0]


LONG, SHORT = 0.4, 0.1


@pytest.mark.parametrize(
    "tails, flaws, longer",
    [
        ([LONG, SHORT], {_hmc.HEAVY_TAILS: [0]}, True),
        ([LONG, SHORT], {_hmc.LARGE_ERRORS: [0, 1]}, True),
        ([LONG, SHORT], {}, True),
        ([SHORT, SHORT], {_hmc.LARGE_ERRORS: [0]}, False),
        ([LONG, SHORT], {_hmc.REMEMBERS: [0]}, True),  # what is slow is the tail
        ([LONG, SHORT], {_hmc.REMEMBERS: [0, 1]}, False),
        ([LONG, SHORT], {_hmc.DIVERGES: [0]}, False),
        ([LONG, SHORT], {_hmc.DRIFTS: [0]}, False),
    ],
)
def test_trajectories_are_longer_where_long_tails_are_all_that_is_wrong(tails, flaws, longer, rng, monkeypatch):
    sampler, moves = _sampler(rng, None), []
    run = SimpleNamespace(errors=SimpleNamespace(tails=np.array(tails)), flaws=lambda: flaws)
    move = _hmc._Sampler._move
    monkeypatch.setattr(_hmc._Sampler, "_move", lambda self, *args: moves.append(args[1]) or move(self, *args))
    sampler.reach_tails(run)
    sampler.sweep()
    sampler.chains.on_circles = True
    sampler.sweep()
    assert moves == [sampler.length.now * (_hmc.REACH if longer else 1.0), sampler.length.now]
