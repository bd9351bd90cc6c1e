"""Schedules: their formulas, in the graph and out of it."""

import math
import pickle

from pymc3_vi.updates import (
    OPTIMIZERS,
    Schedule,
    adam,
    constant,
    cosine,
    exponential,
    momentum,
    reduce_on_plateau,
    sgd,
)

import numpy as np
import pytest
import theano
import theano.tensor as tt

from .problems import compile_step

CLOSED_FORMS = [
    exponential(0.1, 0.5, 10),
    exponential(0.1, 0.5, 10, staircase=True),
    exponential(0.2, 1.0, 3),
    cosine(0.1, 20),
    cosine(0.1, 20, final=0.02),
    cosine(0.1, 20, warmup=5),
    cosine(0.1, 20, 0.05, 19),
]


def expected_rate(schedule, i):
    if isinstance(schedule, exponential):
        return schedule.lr * schedule.decay ** (i // 10 if schedule.staircase else i / schedule.every)
    if i < schedule.warmup:
        return schedule.lr * (i + 1) / schedule.warmup
    done = min(1, (i - schedule.warmup) / (schedule.n - schedule.warmup))
    return schedule.final + (schedule.lr - schedule.final) * (1 + math.cos(math.pi * done)) / 2


@pytest.mark.parametrize("schedule", CLOSED_FORMS, ids=repr)
def test_formula(schedule):
    for i in range(40):
        rate = schedule(i)
        assert type(rate) is float
        np.testing.assert_allclose(rate, expected_rate(schedule, i), rtol=1e-12, atol=1e-17)


def test_landmarks():
    assert constant(0.3)(0) == constant(0.3)(10**6) == 0.3
    assert exponential(0.1, 0.5, 10)(10) == pytest.approx(0.05)
    assert exponential(0.1, 0.5, 10, staircase=True)(9) == 0.1
    assert cosine(0.1, 20)(0) == 0.1 and cosine(0.1, 20)(10) == pytest.approx(0.05)
    assert cosine(0.1, 20)(20) == 0 and cosine(0.1, 20, final=0.02)(1000) == pytest.approx(0.02)
    assert cosine(0.1, 20, warmup=4)(0) == pytest.approx(0.025) and cosine(0.1, 20, warmup=4)(4) == 0.1


@pytest.mark.parametrize("schedule", CLOSED_FORMS, ids=repr)
@pytest.mark.parametrize("floatX", ["float32", "float64"])
def test_rate_changes_every_step_inside_the_graph(schedule, floatX):
    with theano.config.change_flags(floatX=floatX):
        w = theano.shared(np.zeros(1, floatX), "w")
        updates = sgd([tt.ones_like(w)], [w], learning_rate=schedule)
        step = compile_step(updates)
    assert updates.schedules == []
    rate = updates.hyperparameters["learning_rate"]
    assert rate in updates.state and rate.dtype == floatX
    moved = 0.0
    for i in range(30):
        assert rate.get_value() == np.dtype(floatX).type(schedule(i))
        step()
        moved -= schedule(i)
        np.testing.assert_allclose(w.get_value(), [moved], rtol=1e-5 if floatX == "float32" else 1e-12)


@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_every_optimizer_takes_a_schedule(name):
    scheduled, fixed = theano.shared(np.ones(2), "w"), theano.shared(np.ones(2), "w")
    schedule = cosine(0.1, 5, final=0.01)
    one = OPTIMIZERS.get(name)([scheduled * 2], [scheduled], learning_rate=schedule)
    other = OPTIMIZERS.get(name)([fixed * 2], [fixed], learning_rate=1.0)
    one_step, other_step = compile_step(one), compile_step(other)
    for i in range(8):
        other.hyperparameters["learning_rate"].set_value(schedule(i))
        one_step()
        other_step()
        np.testing.assert_allclose(scheduled.get_value(), fixed.get_value(), rtol=1e-12)


def test_a_constant_schedule_is_a_settable_rate():
    w = theano.shared(np.ones(1), "w")
    updates = sgd([w], [w], learning_rate=constant(0.5))
    assert updates.state == [] and updates.schedules == []
    step = compile_step(updates)
    step()
    updates.hyperparameters["learning_rate"].set_value(0.25)
    step()
    np.testing.assert_allclose(w.get_value(), [0.375])


def test_other_hyperparameters_take_schedules_too():
    w = theano.shared(np.ones(1), "w")
    updates = momentum([w], [w], 0.5, momentum=exponential(0.5, 0.5, 1))
    step = compile_step(updates)
    step()  # velocity -0.5
    step()  # velocity 0.25 * -0.5 - 0.25: the coefficient of the second step
    np.testing.assert_allclose(w.get_value(), [0.5 - 0.375])


def test_symbolic_form():
    t = tt.lscalar("t")
    for schedule in CLOSED_FORMS:
        f = theano.function([t], schedule.symbolic(t), mode="FAST_COMPILE")
        for i in (0, 4, 19, 100):
            np.testing.assert_allclose(f(i), schedule(i), rtol=1e-14, atol=1e-18)
    assert constant(0.5).symbolic(t).data == 0.5
    assert reduce_on_plateau(0.1).symbolic(t) is None


def test_a_schedule_of_ones_own_goes_into_the_graph():
    class inverse(Schedule):
        def formula(self, t, xp):
            return 0.1 / xp.sqrt(1 + t)

    w = theano.shared(np.ones(1), "w")
    updates = sgd([w * 0 + 1], [w], learning_rate=inverse())
    step = compile_step(updates)
    step()
    step()
    np.testing.assert_allclose(w.get_value(), [1 - 0.1 - 0.1 / np.sqrt(2)])
    with pytest.raises(NotImplementedError, match="must define formula"):
        Schedule()(0)


# ---------------------------------------------------------------- reduce_on_plateau
def plateau_rates(schedule, losses):
    return np.array([schedule(i, losses[:i]) for i in range(len(losses) + 1)])


def test_plateau_halves_after_patience_windows_without_progress():
    # Three windows of 10 that fall, then flat: best is the first flat window (number 3, steps 30 to 39).
    losses = np.repeat([3.0, 2.0, 1.0] + [0.5] * 9, 10)
    rates = plateau_rates(reduce_on_plateau(0.8, factor=0.5, patience=2, every=10), losses)
    assert (rates[:60] == 0.8).all()
    # Windows 4 and 5 bring nothing, the second of them is complete after step 59; then every two windows.
    assert (rates[60:80] == 0.4).all() and (rates[80:100] == 0.2).all() and (rates[100:120] == 0.1).all()


def test_plateau_ignores_noise_and_sees_progress_through_it():
    rng = np.random.RandomState(3)
    noise = rng.normal(size=40 * 100)
    flat = plateau_rates(reduce_on_plateau(1.0, patience=5, tolerance=2.0), noise)[-1]
    falling = plateau_rates(reduce_on_plateau(1.0, patience=5, tolerance=2.0), noise - np.arange(4000) * 0.01)[-1]
    assert falling == 1.0  # each window falls by 1, ten standard errors
    # Without trend 2 s.e. below the best of k windows is rare: nearly every 5 of the 39 windows are bad in a row.
    assert 0.5**7 <= flat <= 0.5**4


def test_plateau_floor_and_broken_losses():
    schedule = reduce_on_plateau(1.0, factor=0.1, patience=1, every=2, min_lr=0.05)
    rates = plateau_rates(schedule, np.zeros(12))
    assert rates[4] == pytest.approx(0.1) and (rates[6:] == 0.05).all()
    assert reduce_on_plateau(1.0, patience=2, every=2)(4, np.full(4, np.nan)) == 0.5
    assert reduce_on_plateau(1.0, patience=2, every=2)(4, np.array([np.inf, 1, 1, 1])) == 1.0


def test_plateau_depends_on_the_losses_alone():
    rng = np.random.RandomState(0)
    first, second = rng.normal(size=600), rng.normal(size=600) - np.arange(600)
    schedule = reduce_on_plateau(1.0, patience=2, every=20)
    step_by_step = plateau_rates(schedule, first)
    # Another fit with the same object, a jump to the end, and going back.
    assert schedule(600, second) == reduce_on_plateau(1.0, patience=2, every=20)(600, second) == 1.0
    assert schedule(600, first) == step_by_step[600] < 1.0
    assert schedule(100, first) == step_by_step[100]
    # Later losses are not looked at.
    assert reduce_on_plateau(1.0, patience=2, every=20)(100, first) == step_by_step[100]


def test_plateau_without_losses_gives_the_last_rate():
    schedule = reduce_on_plateau(1.0, patience=1, every=2)
    assert schedule(0) == 1.0
    assert schedule(8, np.zeros(8)) == schedule(9) == 0.125
    assert schedule(0) == 1.0
    assert schedule.check_every == 2 and constant(1.0).check_every is None


def test_plateau_is_left_to_the_loop():
    w = theano.shared(np.ones(1), "w")
    schedule = reduce_on_plateau(0.5, patience=1, every=2)
    updates = sgd([w], [w], learning_rate=schedule)
    rate = updates.hyperparameters["learning_rate"]
    assert updates.schedules == [(rate, schedule)] and updates.state == []
    step = compile_step(updates)
    step()
    updates.apply_schedules(4, np.zeros(4))
    assert rate.get_value() == 0.25
    step()
    np.testing.assert_allclose(w.get_value(), [0.375])
    assert updates.copy().schedules == updates.schedules


# ---------------------------------------------------------------- all
@pytest.mark.parametrize("schedule", CLOSED_FORMS + [constant(0.1), reduce_on_plateau(0.1, every=7)], ids=repr)
def test_value_semantics(schedule):
    restored = pickle.loads(pickle.dumps(schedule))
    assert restored == schedule and hash(restored) == hash(schedule) and repr(restored) == repr(schedule)
    names = {kind.__name__: kind for kind in (constant, exponential, cosine, reduce_on_plateau)}
    assert eval(repr(schedule), names) == schedule
    assert schedule != constant(0.7)


@pytest.mark.parametrize(
    "build, parameter, error",
    [
        (lambda: constant(0), "lr", ValueError),
        (lambda: constant("a"), "lr", TypeError),
        (lambda: exponential(0.1, 0.0, 10), "decay", ValueError),
        (lambda: exponential(0.1, 1.1, 10), "decay", ValueError),
        (lambda: exponential(0.1, 0.5, 0), "every", ValueError),
        (lambda: cosine(0.1, 2.5), "n", TypeError),
        (lambda: cosine(0.1, 10, final=0.2), "final", ValueError),
        (lambda: cosine(0.1, 10, warmup=10), "warmup", ValueError),
        (lambda: reduce_on_plateau(0.1, factor=1.0), "factor", ValueError),
        (lambda: reduce_on_plateau(0.1, patience=0), "patience", ValueError),
        (lambda: reduce_on_plateau(0.1, every=1), "every", ValueError),
        (lambda: reduce_on_plateau(0.1, min_lr=0.2), "min_lr", ValueError),
        (lambda: adam(beta1=constant(2.0)), "beta1", ValueError),
    ],
)
def test_bad_settings_are_named(build, parameter, error):
    with pytest.raises(error, match=f"The '{parameter}' parameter of "):
        build()
