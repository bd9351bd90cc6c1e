"""A fit that goes on from a file takes the steps that it would have taken."""

import pymc3_vi
from pymc3_vi import updates
from pymc3_vi.errors import FileFormatError, VariationalInferenceError
from pymc3_vi.results import Checkpoint

import numpy as np
import pymc3 as pm
import pytest
import theano
import theano.tensor as tt

from .models import Y, hierarchy

N, STOP = 300, 130


def minibatches():
    data = np.random.RandomState(0).normal(2.0, 1.0, (200, 2))
    with theano.config.change_flags(cxx=""), pm.Model() as model:
        mu = pm.Normal("mu", 0.0, 1.0, shape=2)
        pm.Normal("y", mu, 1.0, observed=pm.Minibatch(data, 20), total_size=200)
    return model


CASES = {
    "default": (pymc3_vi.ADVI, hierarchy, {}),
    "stochastic gradients": (pymc3_vi.ADVI, minibatches, dict(algorithm="stochastic")),
    "full rank, several draws, clipped": (
        pymc3_vi.FullRankADVI,
        hierarchy,
        dict(obj_n_mc=3, obj_optimizer=updates.adagrad, total_grad_norm_constraint=5.0),
    ),
    "averaged, cosine": (
        pymc3_vi.ADVI,
        hierarchy,
        dict(obj_optimizer=pymc3_vi.adam(learning_rate=updates.cosine(0.1, N)), average=0.5),
    ),
    "plateau": (
        pymc3_vi.ADVI,
        hierarchy,
        dict(obj_optimizer=pymc3_vi.sgd(learning_rate=updates.reduce_on_plateau(0.01, patience=1, every=20))),
    ),
    "window": (pymc3_vi.ADVI, hierarchy, dict(obj_optimizer=pymc3_vi.adagrad_window)),
    "flow, minibatches": (pymc3_vi.NFVI, minibatches, dict(obj_optimizer=pymc3_vi.adam(learning_rate=0.01))),
    "without losses": (pymc3_vi.ADVI, hierarchy, dict(score=False, obj_optimizer=pymc3_vi.sgd(learning_rate=1e-3))),
    "particles": (pymc3_vi.SVGD, hierarchy, dict(obj_optimizer=pymc3_vi.adagrad(learning_rate=0.1))),
    "amortised generator": (pymc3_vi.ASVGD, hierarchy, dict(obj_n_mc=20, obj_optimizer=updates.adam)),
}


def _make(cls, model):
    keywords = dict(n_particles=20, jitter=1.0) if cls is pymc3_vi.SVGD else {}
    return cls(model=model, random_seed=4, **keywords)


@pytest.mark.filterwarnings("ignore:ASVGD is experimental")
@pytest.mark.filterwarnings("ignore:.*numbers of the steps")
@pytest.mark.parametrize("name", CASES)
def test_resumed_is_uninterrupted(name, tmp_path):
    """The checkpoint inside the uninterrupted run does not disturb it, and what follows from it is the same."""
    cls, build, options = CASES[name]
    path = tmp_path / "x.npz"
    whole = _make(cls, build())
    whole.fit(N, progressbar=False, callbacks=[_Once(path, STOP)], **options)
    resumed = pymc3_vi.Inference.load(path, build())
    assert type(resumed) is cls and resumed.state.i == STOP
    approx = resumed.resume(progressbar=False)
    np.testing.assert_array_equal(resumed.hist, whole.hist)
    for a, b in zip(whole.approx.params, approx.params):
        np.testing.assert_array_equal(a.get_value(), b.get_value())
    assert resumed.state.i == whole.state.i == N
    # ... and so is a further fit of both.
    whole.refine(20, progressbar=False)
    resumed.refine(20, progressbar=False)
    np.testing.assert_array_equal(resumed.hist, whole.hist)
    for a, b in zip(whole.approx.params, approx.params):
        np.testing.assert_array_equal(a.get_value(), b.get_value())


class _Once(Checkpoint):
    """A checkpoint at one step only."""

    def __init__(self, path, step):
        super().__init__(step, path)

    def __call__(self, approx, losses, i):
        if i == self.every:
            super().__call__(approx, losses, i)


def _saved(tmp_path, n=60, **options):
    path = tmp_path / "x.npz"
    inference = _make(pymc3_vi.ADVI, hierarchy())
    inference.fit(n, progressbar=False, **dict(dict(obj_optimizer=pymc3_vi.adam(learning_rate=0.01)), **options))
    inference.save(path)
    return path, inference


def test_a_finished_fit_goes_on_like_the_original(tmp_path):
    path, inference = _saved(tmp_path)
    loaded = pymc3_vi.ADVI.load(path, hierarchy())
    np.testing.assert_array_equal(loaded.hist, inference.hist)
    np.testing.assert_array_equal(loaded.approx.hist, inference.hist)
    np.testing.assert_array_equal(loaded.approx.sample(5)["s"], inference.approx.sample(5)["s"])
    assert str(loaded.report) == str(inference.report)
    for which in (inference, loaded):
        which.fit(30, progressbar=False, obj_optimizer=pymc3_vi.adam(learning_rate=0.01))
    np.testing.assert_array_equal(loaded.hist, inference.hist)
    assert len(loaded.report.runs) == 2


def test_saving_a_loaded_inference_changes_nothing(tmp_path):
    path, inference = _saved(tmp_path)
    loaded = pymc3_vi.ADVI.load(path, hierarchy())
    loaded.save(tmp_path / "again.npz")
    again = pymc3_vi.ADVI.load(tmp_path / "again.npz", hierarchy())
    for which in (inference, again):
        which.refine(30, progressbar=False)
    np.testing.assert_array_equal(again.hist, inference.hist)


def test_interrupted_in_the_same_process(tmp_path):
    def interrupt(approx, losses, i):
        if i == 200:
            raise KeyboardInterrupt

    whole = _make(pymc3_vi.ADVI, hierarchy())
    whole.fit(N, progressbar=False)
    part = _make(pymc3_vi.ADVI, hierarchy())
    part.fit(N, progressbar=False, callbacks=[interrupt])
    assert part.state.i == 200 and part.approx.report.reason == "interrupted"
    part.save(tmp_path / "x.npz")
    part.resume(callbacks=[], progressbar=False)
    np.testing.assert_array_equal(part.hist, whole.hist)
    # the interrupted fit holds the average of its iterates; a file of it goes on from the last iterate all the same
    loaded = pymc3_vi.ADVI.load(tmp_path / "x.npz", hierarchy())
    loaded.resume(progressbar=False)
    np.testing.assert_array_equal(loaded.hist, whole.hist)
    np.testing.assert_array_equal(loaded.approx.params[0].get_value(), whole.approx.params[0].get_value())


def test_nothing_left_to_resume(tmp_path):
    path, inference = _saved(tmp_path)
    loaded = pymc3_vi.ADVI.load(path, hierarchy())
    assert loaded.resume(progressbar=False) is loaded.approx and len(loaded.hist) == 60


def test_before_the_first_fit(tmp_path):
    path = tmp_path / "x.npz"
    inference = _make(pymc3_vi.ADVI, hierarchy())
    with pytest.raises(VariationalInferenceError, match="no fit to resume yet"):
        inference.resume()
    inference.save(path)
    loaded = pymc3_vi.ADVI.load(path, hierarchy())
    with pytest.raises(VariationalInferenceError, match="no fit to resume yet"):
        loaded.resume()
    options = dict(progressbar=False, obj_optimizer=pymc3_vi.sgd(learning_rate=1e-3))
    inference.fit(20, **options)
    loaded.fit(20, **options)
    np.testing.assert_array_equal(loaded.hist, inference.hist)


def test_operator_keywords_and_kernels_come_back(tmp_path):
    path = tmp_path / "x.npz"
    inference = pymc3_vi.ADVI(model=hierarchy(), random_seed=1, beta=0.5)
    inference.save(path)
    assert pymc3_vi.KLqp.load(path, hierarchy()).objective.op.beta == 0.5
    inference = pymc3_vi.SVGD(n_particles=7, model=hierarchy(), kernel="imq", temperature=2.0)
    inference.save(path)
    loaded = pymc3_vi.Inference.load(path, hierarchy())
    assert loaded.objective.tf is inference.objective.tf and loaded.objective.op.temperature == 2.0


# ---------------------------------------------------------------- what a file cannot hold
def test_functions_of_ones_own_must_be_passed_again(tmp_path):
    def mine(loss_or_grads, params):
        return updates.adam(loss_or_grads, params, learning_rate=0.02)

    path = tmp_path / "x.npz"
    whole = _make(pymc3_vi.ADVI, hierarchy())
    whole.fit(N, progressbar=False, callbacks=[_Once(path, STOP)], obj_optimizer=mine)
    loaded = pymc3_vi.ADVI.load(path, hierarchy())
    words = r"obj_optimizer \(mine\). To go on, call fit\(170, obj_optimizer=..., resume=True\)"
    with pytest.raises(FileFormatError, match=words) as caught:
        loaded.resume(progressbar=False)
    assert caught.value.reason == "options"
    loaded.fit(N - STOP, progressbar=False, obj_optimizer=mine, resume=True)
    np.testing.assert_array_equal(loaded.hist, whole.hist)


def test_encoders_and_kernels_of_ones_own_are_restored(tmp_path):
    def kernel(x):
        return pymc3_vi.rbf(x)

    def make():
        return pymc3_vi.SVGD(n_particles=7, jitter=1.0, model=hierarchy(), kernel=kernel, random_seed=1)

    path = tmp_path / "x.npz"
    options = dict(progressbar=False, obj_optimizer=pymc3_vi.adagrad(learning_rate=0.1))
    whole = make()
    whole.fit(40, callbacks=[_Once(path, 15)], **options)
    with pytest.raises(FileFormatError, match="the kernel of the saved SVGD cannot be stored.*restore") as caught:
        pymc3_vi.SVGD.load(path, hierarchy())
    assert caught.value.reason == "kind"
    other = make()
    assert other.restore(path) is other
    other.resume(progressbar=False)
    np.testing.assert_array_equal(*[w.approx.histogram.get_value() for w in (other, whole)])


def test_amortised_fit_is_restored_with_its_weights(tmp_path):
    def make():
        data = theano.shared(np.random.RandomState(1).normal(size=(50, 1)).astype(theano.config.floatX))
        weight = theano.shared(np.asarray(0.1, dtype=theano.config.floatX), "weight")
        with theano.config.change_flags(cxx=""), pm.Model() as model:
            z = pm.Normal("z", 0.0, 1.0, shape=(50, 1))
            pm.Normal("y", z, 1.0, observed=data)
        params = {"mu": data * weight, "rho": tt.zeros_like(data)}
        group = pymc3_vi.Group([z], params=params, local=True, model=model, random_seed=1)
        return pymc3_vi.KLqp(pymc3_vi.Approximation([group], model=model)), weight

    path = tmp_path / "x.npz"
    options = dict(progressbar=False, obj_optimizer=pymc3_vi.adam(learning_rate=0.01))
    whole, weight = make()
    whole.fit(60, more_obj_params=[weight], callbacks=[_Once(path, 25)], **options)
    other, other_weight = make()
    other.restore(path)
    other.fit(35, more_obj_params=[other_weight], resume=True, **options)
    np.testing.assert_array_equal(other.hist, whole.hist)
    assert other_weight.get_value() == weight.get_value() != np.float32(0.1)


def test_other_options_warn_and_start_afresh(tmp_path):
    path, _ = _saved(tmp_path)
    loaded = pymc3_vi.ADVI.load(path, hierarchy())
    with pytest.warns(UserWarning, match="options obj_n_mc, obj_optimizer differ from those of the fit saved in"):
        loaded.fit(10, progressbar=False, obj_n_mc=2, obj_optimizer=pymc3_vi.sgd(learning_rate=1e-3))
    assert len(loaded.hist) == 70


def test_an_optimizer_of_another_kind_under_an_opaque_option_is_refused(tmp_path):
    path, _ = _saved(tmp_path, obj_optimizer=lambda loss, params: updates.adam(loss, params, learning_rate=0.1))
    loaded = pymc3_vi.ADVI.load(path, hierarchy())
    with pytest.raises(FileFormatError, match="does not fit this step: .* Use the options of the saved fit") as caught:
        loaded.fit(10, progressbar=False, obj_optimizer=lambda loss, params: updates.sgd(loss, params, 0.1))
    assert caught.value.reason == "options"


def test_streams_of_data_warn(tmp_path):
    def make():
        with theano.config.change_flags(cxx=""), pm.Model() as model:
            stream = pm.generator(np.ones(3) * i for i in range(10000))
            pm.Normal("y", pm.Normal("mu", 0, 1), 1.0, observed=stream, total_size=30)
        return model

    path = tmp_path / "x.npz"
    inference = pymc3_vi.ADVI(model=make(), random_seed=1)
    inference.fit(10, progressbar=False, obj_optimizer=pymc3_vi.sgd(learning_rate=1e-3))
    inference.save(path)
    with pytest.warns(UserWarning, match="Python generator, whose position .* cannot hold"):
        pymc3_vi.ADVI.load(path, make())


# ---------------------------------------------------------------- other files
def test_kinds_are_told_apart(tmp_path):
    path, inference = _saved(tmp_path)
    assert pymc3_vi.load(path, hierarchy()).title == inference.approx.title
    with pytest.raises(FileFormatError, match="holds a ADVI, which is no SVGD known here") as caught:
        pymc3_vi.SVGD.load(path, hierarchy())
    assert caught.value.reason == "kind"
    with pytest.raises(FileFormatError, match="holds a ADVI, not a FullRankADVI"):
        pymc3_vi.FullRankADVI(model=hierarchy()).restore(path)
    inference.approx.save(path)
    with pytest.raises(FileFormatError, match="holds a 'approximation', and what can be read here is 'inference'"):
        pymc3_vi.ADVI.load(path, hierarchy())


def test_another_model_is_refused_before_anything_changes(tmp_path):
    path, _ = _saved(tmp_path)
    other = pymc3_vi.ADVI(model=hierarchy(y=Y + 1), random_seed=1)
    before = [p.get_value() for p in other.approx.params]
    with pytest.raises(FileFormatError, match="observed variable 'y' has other observed values"):
        other.restore(path)
    for a, b in zip(before, other.approx.params):
        np.testing.assert_array_equal(a, b.get_value())
    assert other.restore(path, same_data=False).state.i == 60


# ---------------------------------------------------------------- the callback
def test_checkpoints_are_written_when_due(tmp_path):
    path = tmp_path / "x.npz"
    seen = []
    checkpoint = Checkpoint(every=40, path=str(path))
    inference = _make(pymc3_vi.ADVI, hierarchy())
    inference.fit(
        100,
        progressbar=False,
        obj_optimizer=pymc3_vi.sgd(learning_rate=1e-3),
        callbacks=[checkpoint, lambda approx, losses, i: seen.append((i, checkpoint.saved))],
    )
    assert seen[38:41] == [(39, None), (40, 40), (41, 40)] and checkpoint.saved == 80
    assert pymc3_vi.Inference.load(path, hierarchy()).state.i == 80
    assert [f.name for f in tmp_path.iterdir()] == ["x.npz"]


def test_checkpoint_of_a_second_fit_counts_on(tmp_path):
    checkpoint = Checkpoint(every=40, path=tmp_path / "x.npz")
    inference = _make(pymc3_vi.ADVI, hierarchy())
    for _ in range(2):
        inference.fit(50, progressbar=False, obj_optimizer=pymc3_vi.sgd(learning_rate=1e-3), callbacks=[checkpoint])
    loaded = pymc3_vi.Inference.load(tmp_path / "x.npz", hierarchy())
    assert loaded.state.i == 80 and loaded.planned == 100


@pytest.mark.parametrize("every", [0, -1, 2.5, "10"])
def test_wrong_intervals_are_refused(every):
    with pytest.raises((ValueError, TypeError), match="'every' parameter of Checkpoint"):
        Checkpoint(every=every, path="x.npz")


def test_a_checkpoint_without_inference_says_so():
    with pytest.raises(VariationalInferenceError, match="does not know the inference"):
        Checkpoint(every=1, path="x.npz")(None, None, 1)


def test_what_watches_for_a_tolerance_goes_on(tmp_path):
    with pymc3_vi.fast_build(), pm.Model() as model:
        mu = pm.Normal("mu", 0.0, 1.0, shape=2)
        pm.Normal("y", mu.sum(), 1.0, observed=np.ones(5))
    options = dict(obj_optimizer=pymc3_vi.adam(learning_rate=0.02), progressbar=False, tol=0.05)
    whole = pymc3_vi.ADVI(model=model, random_seed=1)
    whole.fit(20_000, **options)
    assert whole.report.reason == "stopped"

    def interrupt(approx, losses, i):
        if i == whole.state.i // 2 + 37:
            raise KeyboardInterrupt

    parts = pymc3_vi.ADVI(model=model, random_seed=1)
    parts.fit(20_000, callbacks=[interrupt], **options)
    parts.save(tmp_path / "parts.npz")
    loaded = pymc3_vi.ADVI.load(tmp_path / "parts.npz", model=model)
    loaded.resume(progressbar=False)
    parts.resume(callbacks=[], progressbar=False)
    for found in (parts, loaded):
        assert found.report.reason == "stopped"
        np.testing.assert_array_equal(found.hist, whole.hist)
        for p, q in zip(found.approx.params, whole.approx.params):
            np.testing.assert_array_equal(p.get_value(), q.get_value())
