"""What every registered algorithm promises: a new one is tested by being registered."""

import pymc3_vi
from pymc3_vi.algorithms import ALGORITHMS
from pymc3_vi.errors import (
    NonFiniteError,
    ParameterTypeError,
    ParameterValueError,
    ParametrizationError,
    StartError,
    VariationalInferenceError,
)

import numpy as np
import pymc3 as pm
import pytest
import theano
import theano.tensor as tt

N, STOP, ROWS = 12, 1, 30
Y = np.random.RandomState(1).normal(2.0, 1.0, ROWS)
QUIET = dict(progressbar=False)


def _model(minibatches, broken=False):
    """A curved posterior of two values; a broken one has no finite slope anywhere."""
    with pymc3_vi.fast_build(), pm.Model() as model:
        x = pm.Normal("x", 0.0, 2.0)
        s = pm.Normal("s", 0.0, 1.0)
        if broken:
            pm.Potential("broken", tt.sqrt(-tt.sqr(x)))
        y = pm.Minibatch(Y, 10, random_seed=1) if minibatches else Y
        pm.Normal("y", x, tt.exp(0.1 * s), observed=y, **({"total_size": ROWS} if minibatches else {}))
    return model


def _inference(name, broken=False, seed=3):
    """An inference of a model that the algorithm can fit."""
    for minibatches in (False, True):
        inference = pymc3_vi.ADVI(model=_model(minibatches, broken), random_seed=seed)
        task = inference._task({}, True)
        if ALGORITHMS.get(name)().obstacle(task) is None:
            return inference
    raise AssertionError(f"{name} fits neither whole data nor minibatches")


def _fit(inference, name, n=N, **options):
    return inference.fit(n, algorithm=name, **QUIET, **options)


@pytest.fixture(scope="module", params=ALGORITHMS.names())
def name(request):
    return request.param


@pytest.fixture(scope="module")
def whole(name):
    inference = _inference(name)
    _fit(inference, name)
    return inference


def _same(a, b):
    np.testing.assert_array_equal(a.hist, b.hist)
    np.testing.assert_array_equal(a.approx.hist, b.approx.hist)
    for p, q in zip(a.approx.params, b.approx.params):
        np.testing.assert_array_equal(p.get_value(), q.get_value())


def test_it_is_told_what_was_taken(name, whole):
    run = whole.report.runs[0]
    assert run.options["algorithm"] == whole.algorithm.describe() != ""
    assert run.options["because"] == "asked for" and run.reason == "done"
    assert run.steps == len(whole.hist) == whole.state.i == whole.algorithm.steps_done <= N
    assert np.isfinite(whole.hist).all() and len(whole.hist) > STOP


def test_seeds_decide(name, whole):
    again = _inference(name)
    again.fit(N, algorithm=ALGORITHMS.get(name)(), **QUIET)
    _same(again, whole)
    other = _inference(name, seed=4)
    _fit(other, name)
    assert not np.array_equal(other.hist, whole.hist)


def test_resumed_is_uninterrupted(name, whole, tmp_path):
    """After Ctrl-C in the same process, and from a checkpoint."""

    def interrupt(approx, losses, i):
        if i == STOP:
            raise KeyboardInterrupt

    part = _inference(name)
    checkpoint = pymc3_vi.Checkpoint(every=STOP, path=tmp_path / "x.npz")
    _fit(part, name, callbacks=[checkpoint, interrupt])
    assert part.report.reason == "interrupted" and len(part.hist) == part.state.i == part.report.steps == STOP
    part.resume(callbacks=[], **QUIET)
    _same(part, whole)
    loaded = pymc3_vi.Inference.load(tmp_path / "x.npz", part.approx.model)
    assert loaded.state.i == STOP and len(loaded.hist) == STOP
    loaded.resume(**QUIET)
    _same(loaded, whole)
    for which in (part, loaded):
        which.refine(3, **QUIET)
    _same(part, loaded)


def test_nothing_is_lost_when_the_loop_is_interrupted_after_a_run(name, whole, monkeypatch):
    run, calls = ALGORITHMS.get(name).run, []

    def interrupted(self, k):
        losses = run(self, k)
        calls.append(k)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return losses

    monkeypatch.setattr(ALGORITHMS.get(name), "run", interrupted)
    part = _inference(name)
    _fit(part, name)
    assert part.report.reason == "interrupted"
    assert len(part.hist) == part.state.i == part.report.steps == part.algorithm.steps_done > 0
    monkeypatch.undo()
    part.resume(**QUIET)
    _same(part, whole)


def test_a_second_fit_goes_on(name, whole):
    inference = _inference(name)
    _fit(inference, name)
    before = len(inference.hist)
    _fit(inference, name)
    assert len(inference.hist) == inference.state.i > before
    assert np.isfinite(inference.approx.params[0].get_value()).all()


@pytest.mark.filterwarnings("ignore")
def test_what_is_not_finite_is_a_typed_error_with_the_variable(name):
    inference = _inference(name, broken=True)
    with pytest.raises((NonFiniteError, StartError), match="broken|'x'"):
        _fit(inference, name, 200)
    assert all(np.isfinite(p.get_value()).all() for p in inference.approx.params)
    assert inference.report.reason in ("non-finite", "failed") and len(inference.hist) == inference.report.steps


def test_it_is_profiled_or_says_so(name):
    inference = _inference(name)
    try:
        profile = inference.run_profiling(2, algorithm=name, fn_kwargs={"mode": theano.Mode("py", "fast_compile")})
    except VariationalInferenceError as error:
        assert f"algorithm={name!r} has no step that Theano could profile" in str(error)
    else:
        assert profile.fct_callcount > 0
    assert len(inference.hist) == 0


def test_states_of_others_are_refused(whole):
    with pytest.raises((ValueError, KeyError)):
        whole.algorithm.restore({"rule": "another"})


def test_optimizers_are_run_or_refused(name):
    inference = _inference(name)
    if ALGORITHMS.get(name).takes_optimizer:
        _fit(inference, name, 3, obj_optimizer=pymc3_vi.sgd(learning_rate=1e-3))
        assert len(inference.hist) == 3
        return
    with pytest.raises(ParameterTypeError, match=f"algorithm='{name}' together with an optimizer"):
        _fit(inference, name, 3, obj_optimizer=pymc3_vi.adam)


def test_unknown_names_and_what_cannot_be_done_are_named():
    inference = pymc3_vi.NFVI("loc", model=_model(False), random_seed=1)
    with pytest.raises(ParameterValueError, match="Did you mean 'newton'"):
        inference.fit(3, algorithm="newtonn", **QUIET)
    with pytest.raises(ParametrizationError, match="'newton' cannot fit this model: .* is no Gaussian group"):
        inference.fit(3, algorithm="newton", **QUIET)
