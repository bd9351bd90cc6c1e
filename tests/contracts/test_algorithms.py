"""What every registered algorithm promises: a new one is tested by being registered."""

import math

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
from theano.graph.op import Op

N, STOP, ROWS = 12, 1, 30
Y = np.random.RandomState(1).normal(2.0, 1.0, ROWS)
QUIET = dict(progressbar=False)


class Slope(Op):
    itypes, otypes, __props__ = [tt.dscalar, tt.dscalar], [tt.dscalar], ()

    def perform(self, node, inputs, output_storage):
        output_storage[0][0] = np.asarray(inputs[1] / (2 * math.sqrt(float(inputs[0]))))

    def grad(self, inputs, output_grads):
        (x, g), (outer,) = inputs, output_grads
        return [-0.25 * outer * g * x**-1.5, 0.5 * outer * x**-0.5]


class Root(Op):
    """A user's Op, which raises a ValueError where it has no value."""

    itypes, otypes, __props__ = [tt.dscalar], [tt.dscalar], ()

    def perform(self, node, inputs, output_storage):
        output_storage[0][0] = np.asarray(math.sqrt(float(inputs[0])))

    def grad(self, inputs, output_grads):
        return [Slope()(inputs[0], output_grads[0])]


#: Of a number, something that is undefined at or below zero.
EDGES = {
    "nan": tt.sqrt,
    "factor": lambda x: tt.slinalg.Cholesky(lower=True, on_error="raise")(tt.diag(tt.stack([x, x])))[0, 0],
    "black box": Root(),
}


def _model(minibatches, broken=False):
    """A curved posterior of two values; a broken one has no finite slope anywhere, or beyond an edge called so."""
    with pymc3_vi.fast_build(), pm.Model() as model:
        x = pm.Normal("x", 0.0, 2.0)
        s = pm.Normal("s", 0.0, 1.0)
        if broken in EDGES:
            pm.Potential("edge", 0.01 * EDGES[broken](1.2 - s))
        elif broken:
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


@pytest.mark.filterwarnings("ignore")
def test_draws_beyond_an_edge_are_left_out(name):
    """Where an Op raises as where it gives NaN, of two kinds by turns; the other variable knows nothing of it."""
    edge = ["factor", "black box"][ALGORITHMS.names().index(name) % 2]
    inference = _inference(name, broken=edge)
    approx = _fit(inference, name, 200)
    assert inference.report.reason == "done"
    x = approx.bij.rmap(approx.mean.eval())["x"]
    assert abs(x - Y.mean()) < 0.1


@pytest.mark.filterwarnings("ignore")
def test_particles_beyond_an_edge_are_left_out():
    inference = pymc3_vi.SVGD(model=_model(False, "black box"), n_particles=20, jitter=1.0, random_seed=3)
    assert (inference.approx.histogram.get_value() > 1.2).any()
    inference.fit(30, obj_optimizer=pymc3_vi.adam(learning_rate=0.05), **QUIET)
    assert inference.report.runs[0].left_out > 0 and np.isfinite(inference.approx.histogram.get_value()).all()


@pytest.mark.filterwarnings("ignore")
def test_what_was_left_out_is_counted_over_checkpoints(tmp_path):
    """Also what decides on coming draws: the resumed fit is the same."""
    options = dict(obj_optimizer=pymc3_vi.adam(learning_rate=0.05))
    whole = pymc3_vi.ADVI(model=_model(False, "nan"), random_seed=3)
    whole.fit(200, callbacks=[pymc3_vi.Checkpoint(every=120, path=tmp_path / "x.npz")], **options, **QUIET)
    loaded = pymc3_vi.Inference.load(tmp_path / "x.npz", whole.approx.model)
    (before,) = [run.left_out for run in loaded.report.runs]
    assert 0 < before < whole.report.runs[0].left_out
    loaded.resume(**QUIET)
    _same(loaded, whole)
    assert sum(run.left_out for run in loaded.report.runs) == whole.report.runs[0].left_out
    loaded.save(tmp_path / "y.npz")
    again = pymc3_vi.Inference.load(tmp_path / "y.npz", whole.approx.model)
    assert [run.left_out for run in again.report.runs] == [run.left_out for run in loaded.report.runs]
    whole.refine(50, **QUIET)
    again.refine(50, **QUIET)
    assert again.report.runs[-1].left_out == whole.report.runs[-1].left_out


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
