"""Whatever ends a fit, its steps, losses and parameters are all there, and it goes on from them."""

import signal

import pymc3_vi
from pymc3_vi.inference._history import History
from pymc3_vi.progress import Progress
from pymc3_vi.steps import Step

import numpy as np
import pymc3 as pm
import pytest
import theano
import theano.tensor as tt
from theano.graph.basic import Apply
from theano.graph.op import Op

SGD = pymc3_vi.sgd(learning_rate=1e-3)
OPTIONS = dict(progressbar=False, obj_optimizer=SGD)


@pytest.fixture(scope="module")
def model():
    y = np.random.RandomState(1).normal(1.0, 1.0, 10)
    with theano.config.change_flags(cxx=""), pm.Model() as model:
        mu = pm.Normal("mu", 0.0, 1.0, shape=3)
        pm.Normal("y", mu.sum(), 1.0, observed=y)
    return model


def _same_fit(a, b):
    np.testing.assert_array_equal(a.hist, b.hist)
    for p, q in zip(a.approx.params, b.approx.params):
        np.testing.assert_array_equal(p.get_value(), q.get_value())


# ---------------------------------------------------------------- Ctrl-C
class _Alarm:
    """Presses Ctrl-C `wanted` times, at times that a seed decides, wherever a fit then is."""

    def __init__(self, rng, wanted):
        self.rng, self.wanted, self.hits = rng, wanted, 0

    def __enter__(self):
        self.before = signal.signal(signal.SIGALRM, self.ring)
        self.set()
        return self

    def __exit__(self, *error):
        signal.signal(signal.SIGALRM, lambda number, frame: None)  # one may be under way
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self.before)

    def set(self):
        signal.setitimer(signal.ITIMER_REAL, float(self.rng.uniform(1e-3, 5e-3)))

    def ring(self, number, frame):
        if self.hits < self.wanted:
            self.set()
        handler = signal.getsignal(signal.SIGINT)
        if handler is not signal.default_int_handler and self.hits < self.wanted:  # a fit is running
            self.hits += 1
            handler(signal.SIGINT, frame)


needs_timers = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs interval timers")


@needs_timers
def test_interrupts_at_any_point_lose_no_step_and_no_loss(model, rng):
    parts = pymc3_vi.ADVI(model=model, random_seed=1)
    parts.fit(0, **OPTIONS)
    with _Alarm(rng, 200) as alarm:
        while alarm.hits < 200:
            parts.refine(10**6, progressbar=False)
            assert parts.approx.report.reason == "interrupted"
            assert len(parts.hist) == len(parts.approx.hist) == parts.state.i == parts.report.steps
    whole = pymc3_vi.ADVI(model=model, random_seed=1)
    whole.fit(parts.state.i, **OPTIONS)
    _same_fit(parts, whole)


@needs_timers
def test_the_default_rule_goes_on_exactly_after_any_interrupt(model, rng):
    n = 20_000
    parts = pymc3_vi.ADVI(model=model, random_seed=1)

    def interrupt(approx, losses, i):  # after the warm start, which is not made of steps
        if i == 10:
            raise KeyboardInterrupt

    parts.fit(n, progressbar=False, callbacks=[interrupt])
    assert parts.state.i == 10
    with _Alarm(rng, 30) as alarm:
        while parts.state.i < n:
            parts.resume(callbacks=[], progressbar=False)
            assert len(parts.hist) == len(parts.approx.hist) == parts.state.i == parts.report.steps
    assert alarm.hits > 0 and parts.report.reason == "done"
    whole = pymc3_vi.ADVI(model=model, random_seed=1)
    whole.fit(n, progressbar=False, tol=None)
    _same_fit(parts, whole)


def test_an_interrupt_between_two_batches_of_draws(model, monkeypatch):
    parts = pymc3_vi.ADVI(model=model, random_seed=1)
    parts.fit(0, progressbar=False)
    step = parts.state.step
    load, loads = step.target.load, []

    def interrupted(mu, scale, eps):
        load(mu, scale, eps)
        loads.append(len(eps))
        if step.steps_done == 64 and step.position == step.rows:
            monkeypatch.undo()
            raise KeyboardInterrupt

    monkeypatch.setattr(step.target, "load", interrupted)
    parts.fit(1_000, progressbar=False)
    assert parts.report.reason == "interrupted" and len(parts.hist) == parts.state.i == 64
    parts.resume(progressbar=False)
    whole = pymc3_vi.ADVI(model=model, random_seed=1)
    whole.fit(1_000, progressbar=False)
    _same_fit(parts, whole)


def test_a_warm_start_that_was_interrupted_begins_again_as_it_did(model, interrupted_evaluation):
    parts = pymc3_vi.ADVI(model=model, random_seed=1)
    parts.fit(0, progressbar=False)
    with interrupted_evaluation(parts.state.step.target):
        parts.fit(500, progressbar=False)
    assert parts.state.i == 0 and parts.report.reason == "interrupted"
    parts.resume(progressbar=False)
    whole = pymc3_vi.ADVI(model=model, random_seed=1)
    whole.fit(500, progressbar=False)
    _same_fit(parts, whole)


@pytest.mark.parametrize(
    "place",
    [(Step, "_recorded"), (Step, "_first_broken"), (History, "extend"), (Progress, "update")],
    ids=lambda place: place[1],
)
def test_an_interrupt_between_compiled_steps(model, monkeypatch, place):
    owner, name = place
    original, calls = getattr(owner, name), []

    def interrupted(*args, **kwargs):
        calls.append(name)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(*args, **kwargs)

    parts = pymc3_vi.ADVI(model=model, random_seed=1)
    monkeypatch.setattr(owner, name, interrupted)
    parts.fit(2000, **OPTIONS)
    assert 0 < parts.state.i < 2000 and len(calls) >= 3
    parts.resume(progressbar=False)
    whole = pymc3_vi.ADVI(model=model, random_seed=1)
    whole.fit(2000, **OPTIONS)
    _same_fit(parts, whole)


def test_an_interrupt_while_compiling_keeps_the_fit_before(model, monkeypatch):
    inference = pymc3_vi.ADVI(model=model, random_seed=1)
    inference.fit(30, **OPTIONS)
    before = inference.hist.copy()

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(pymc3_vi.algorithms.stochastic._gradients, "Step", interrupted)
        inference.fit(30, obj_n_mc=2, **OPTIONS)
    np.testing.assert_array_equal(inference.approx.hist, before)
    assert inference.report.reason == "interrupted" and inference.state.i == 30
    inference.refine(5, progressbar=False)
    assert len(inference.approx.hist) == 35


# ---------------------------------------------------------------- errors
class _Fails(Op):
    """The identity, which raises at the call that `left` counts down to."""

    __props__ = ()
    left = 10**9

    def make_node(self, x):
        return Apply(self, [tt.as_tensor_variable(x)], [tt.as_tensor_variable(x).type()])

    def perform(self, node, inputs, outputs):
        type(self).left -= 1
        if self.left == 0:
            raise RuntimeError("the simulator has crashed")
        outputs[0][0] = inputs[0].copy()

    def grad(self, inputs, gradients):
        return gradients


class _Arm(pymc3_vi.Callback):
    """Lets the simulator fail at the 38th call of a fit, in the middle of a chunk."""

    def bind(self, inference):
        _Fails.left = 38

    def next_call(self, i):
        return i + 10**9


def test_an_op_that_fails_keeps_the_steps_before():
    with theano.config.change_flags(cxx=""), pm.Model() as model:
        x = pm.Normal("x", 0.0, 1.0)
        pm.Potential("simulated", _Fails()(x))
    inference = pymc3_vi.ADVI(model=model, random_seed=1)
    with pytest.raises(RuntimeError, match="the simulator has crashed"):
        inference.fit(200, callbacks=[_Arm()], **OPTIONS)
    assert inference.state.i == len(inference.approx.hist) == 37
    assert inference.approx.report.reason == "failed" and "crashed" in inference.approx.report.message
    inference.resume(callbacks=[], progressbar=False)
    whole = pymc3_vi.ADVI(model=model, random_seed=1)
    whole.fit(200, **OPTIONS)
    _same_fit(inference, whole)


def test_data_that_end_stop_the_fit():
    with theano.config.change_flags(cxx=""), pm.Model() as model:
        stream = pm.generator(np.full(3, i, dtype=theano.config.floatX) for i in range(60))
        pm.Normal("y", pm.Normal("mu", 0, 1), 1.0, observed=stream, total_size=30)
    inference = pymc3_vi.ADVI(model=model, random_seed=1)
    inference.fit(1000, **OPTIONS)
    report = inference.approx.report
    assert report.reason == "stopped" and report.message.startswith("stopped by the data at step")
    assert 50 < inference.state.i == len(inference.approx.hist) <= 60


@pytest.mark.parametrize("score", [True, False])
def test_errors_in_callbacks(model, score):
    def broken(approx, losses, i):
        if i == 35:
            raise RuntimeError("from the callback")

    inference = pymc3_vi.ADVI(model=model, random_seed=1)
    with pytest.raises(RuntimeError):
        inference.fit(100, score=score, callbacks=[broken], **OPTIONS)
    assert inference.state.i == inference.report.steps == 35
    assert len(inference.approx.hist) == (35 if score else 0)
    with pytest.raises(RuntimeError):  # `refine` has the callbacks of the fit
        inference.state = inference.state._replace(i=30)
        inference.refine(100, progressbar=False)
    assert inference.state.i == 35 and inference.report.runs[-1].steps == 5
    assert len(inference.approx.hist) == (40 if score else 0)


def test_a_fit_that_broke_goes_on_after_a_change():
    """A non-finite step is taken back; the parameters and losses before it stay, and further steps count on."""
    with theano.config.change_flags(cxx=""), pm.Model() as model:
        x = pm.Normal("x", 0.0, 1.0)
        pm.Potential("wall", tt.log(x + 3.0))
    inference = pymc3_vi.ADVI(model=model, random_seed=1)
    group = inference.approx.groups[0]
    inference.fit(35, obj_n_mc=20, **OPTIONS)
    group.params_dict["mu"].set_value(np.full(1, -10.0, dtype=theano.config.floatX))
    with pytest.raises(pymc3_vi.errors.NonFiniteError) as caught:
        inference.refine(20000, progressbar=False)
    done = inference.state.i
    assert done == 35 and caught.value.step == done + 1 and len(inference.approx.hist) == done
    assert np.isfinite(inference.approx.hist).all()
    group.params_dict["mu"].set_value(np.zeros(1, dtype=theano.config.floatX))
    group.params_dict["rho"].set_value(np.full(1, -6.0, dtype=theano.config.floatX))
    inference.refine(50, progressbar=False)
    assert len(inference.approx.hist) == inference.state.i == done + 50
