"""Tail averages of iterates."""

from pymc3_vi.updates import adam, sgd, tail_average

import numpy as np
import pytest
import theano
import theano.tensor as tt

from .problems import Quadratic, compile_step, run_path, shared_params


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("start", [0, 4])
def test_average_is_the_mean_of_the_tail(dtype, start):
    with theano.config.change_flags(floatX=dtype):
        params = shared_params(Quadratic, dtype)
        updates = tail_average(adam(Quadratic.loss(*params), params, 0.1), params, start)
        averages = list(updates.averages.values())
        path = run_path(updates, params + averages, 12)
    for k, values in enumerate(path):
        for j in range(len(params)):
            tail = [earlier[j] for earlier in path[start : k + 1]] or [values[j]]
            average = values[len(params) + j]
            np.testing.assert_allclose(average, np.mean(tail, axis=0), rtol=1e-5 if dtype == "float32" else 1e-12)
            assert average.dtype == dtype
    assert list(updates.averages) == params
    assert all(a.broadcastable == p.broadcastable for p, a in updates.averages.items())


def test_start_can_be_set_while_running():
    w = theano.shared(0.0, "w")
    start = theano.shared(np.int64(10**9), "start")
    updates = tail_average(sgd([tt.constant(-1.0)], [w], 1.0), [w], start)
    average, step = updates.averages[w], compile_step(updates)
    for _ in range(5):
        step()
    assert average.get_value() == w.get_value() == 5
    start.set_value(5)  # the next step has index 5
    for _ in range(3):
        step()
    assert average.get_value() == np.mean([6, 7, 8])
    start.set_value(8)  # and a second time: the past is dropped
    for _ in range(2):
        step()
    assert average.get_value() == np.mean([9, 10])


def test_somebody_elses_counter():
    w = theano.shared(0.0, "w")
    counter = theano.shared(np.int64(100), "counter")
    updates = tail_average(sgd([tt.constant(-1.0)], [w], 1.0), [w], 101, counter=counter)
    assert counter not in updates
    updates[counter] = counter + 1
    run_path(updates, [w], 3)
    assert updates.averages[w].get_value() == np.mean([2, 3])


def test_averages_do_not_touch_the_steps():
    w = theano.shared(np.ones(2), "w")
    before = adam([w], [w], 0.1)
    after = tail_average(before, [w], 3)
    assert not before.averages and all(after[variable] is before[variable] for variable in before)
    assert after.hyperparameters == before.hyperparameters and after.params == [w]
    assert {v.name for v in set(after.state) - set(before.state)} == {"w_average", "average_step"}


def test_average_of_a_noisy_descent_beats_its_last_iterate():
    # Stationary sd of an iterate: rate / (2 - rate) of the noise variance; the mean of m of them is near sd / sqrt(m).
    w, noise = theano.shared(np.full(50, 3.0), "w"), theano.shared(np.zeros(50), "noise")
    updates = tail_average(sgd([w + noise], [w], 0.2), [w], 100)
    step, rng = compile_step(updates), np.random.RandomState(0)
    for _ in range(1100):
        noise.set_value(rng.normal(size=50))
        step()
    last, average = (np.sqrt(np.mean(v.get_value() ** 2)) for v in (w, updates.averages[w]))
    np.testing.assert_allclose(last, np.sqrt(0.2 / 1.8), rtol=0.35)  # 50 values: relative error 0.1
    np.testing.assert_allclose(average, 1 / np.sqrt(1000), rtol=0.35)


def test_errors():
    w, other = theano.shared(np.ones(2), "w"), theano.shared(np.ones(2), "other")
    updates = sgd([w], [w], 0.1)
    with pytest.raises(ValueError, match="tail_average must hold keys of 'updates'. other has none"):
        tail_average(updates, [other], 0)
    with pytest.raises(ValueError, match="'start' parameter of tail_average must be an integer of at least 0"):
        tail_average(updates, [w], -1)
    with pytest.raises(TypeError, match="'start' parameter of tail_average"):
        tail_average(updates, [w], 1.5)
    with pytest.raises(
        TypeError, match="'counter' parameter of tail_average must be an integer of at least 0, or an integer scalar"
    ):
        tail_average(updates, [w], 1, counter=theano.shared(0.0))
