"""A snapshot put into a fresh step of the same graph makes it go on exactly."""

from collections import OrderedDict

from pymc3_vi.graph import SeedStream, StepNoise, substitute
from pymc3_vi.steps import Step, StepGraph, put_snapshot, take_snapshot

import numpy as np
import pytest
import theano
import theano.tensor as tt
from theano.sandbox.rng_mrg import MRG_RandomStream
from theano.tensor.random.utils import RandomStream


def make_step(seed=1, name="w", size=3, max_rows=7, streams=True):
    """Noisy descent with momentum, noise from a block, from NumPy's and from Theano's own generator."""
    w = theano.shared(np.ones(size, dtype=theano.config.floatX), name)
    velocity = theano.shared(np.zeros(size, dtype=theano.config.floatX), "velocity")
    noise = StepNoise(max_rows=max_rows)
    eps = noise.add((size,), SeedStream(seed).generator("noise"))
    loss = tt.sum((w - eps) ** 2)
    if streams:
        loss = loss + RandomStream(seed).normal() * w[0] + MRG_RandomStream(seed).normal((1,))[0] * w[1]
    new_velocity = tt.cast(0.5 * velocity - 0.1 * tt.grad(loss, w), theano.config.floatX)
    updates = OrderedDict([(velocity, new_velocity), (w, tt.cast(w + new_velocity, theano.config.floatX))])
    rows = noise.allocate()
    nodes = substitute(list(updates.values()) + [loss], rows)
    return Step(StepGraph(nodes[-1], OrderedDict(zip(updates, nodes[:-1])), [w], noise, []))


@pytest.fixture(scope="module")
def whole():
    return make_step().run(40)


@pytest.mark.parametrize("stop", [0, 1, 6, 7, 8, 14, 29])
def test_the_rest_is_the_same_to_the_last_bit(whole, stop):
    first = make_step()
    before = first.run(stop)
    snapshot = take_snapshot(first)
    first.run(5)  # what the old step does afterwards does not matter
    second = make_step(seed=2)
    second.run(3)
    put_snapshot(second, snapshot)
    assert second.steps_done == stop
    np.testing.assert_array_equal(np.concatenate([before, second.run(40 - stop)]), whole)


def test_another_block_length_does_not_matter(whole):
    first = make_step()
    before = first.run(5)
    second = make_step(max_rows=11)
    put_snapshot(second, take_snapshot(first))
    np.testing.assert_array_equal(np.concatenate([before, second.run(2)]), whole[:7])


@pytest.mark.parametrize("changes, words", [
    (dict(name="v"), "a state variable 'v' where the saved one had 'w'"),
    (dict(size=4), "base noise of shapes"),
    (dict(streams=False), "the step has 2 state variables, the saved one had 4"),
    (dict(max_rows=3), "the saved noise has .* rows, the step has room for 3"),
])  # fmt: skip
def test_other_steps_are_refused_and_left_alone(changes, words):
    step = make_step()
    step.run(2)
    other = make_step(**changes)
    before = take_snapshot(other)
    with pytest.raises(ValueError, match=words):
        put_snapshot(other, take_snapshot(step))
    for a, b in zip(before.values, take_snapshot(other).values):
        np.testing.assert_equal(a, b)
