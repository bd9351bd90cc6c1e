"""Fits in several threads at once: the results of one thread, and nothing global left changed."""

import ast
import copy
import itertools
import multiprocessing
import os
import sys
import threading
import traceback
import warnings
from pathlib import Path

import pymc3_vi
from pymc3_vi.compat import _building
from pymc3_vi.compiler import _blas_threads, _compiled_function, _cxx_modules, _flags, compile_function, process_value
from pymc3_vi.compiler._blas_threads import blas_threads
from pymc3_vi.diagnostics import _worker_rows
from pymc3_vi.errors import VariationalInferenceError
from pymc3_vi.model import _random_state
from pymc3_vi.results import _seen_warnings

import numpy as np
import pymc3 as pm
import pytest
import theano.tensor as tt
from theano.compile.ops import as_op

FLAGS = ("cxx", "compute_test_value", "blas__ldflags", "traceback__limit", "floatX", "mode")
METHODS = {
    "adam": dict(method="advi", obj_optimizer=pymc3_vi.adam()),
    "default": dict(method="fullrank_advi"),
    "svgd": dict(method="svgd", inf_kwargs={"n_particles": 5}),
    "dadvi": dict(method="dadvi"),
}


def model(seed):
    y = np.random.RandomState(seed).normal(seed, 1.0, 20)
    with pymc3_vi.fast_build(), pm.Model() as built:
        mu = pm.Normal("mu", 0.0, 10.0)
        pm.Normal("y", mu, pm.HalfNormal("s", 5.0), observed=y)
    return built


def fit(name, built, noisy=False):
    def careful(approx, losses, i):
        if i == 1:
            warnings.warn(f"from {name}", stacklevel=1)

    callbacks = [careful] if noisy else None
    return pymc3_vi.fit(60, model=built, random_seed=1, progressbar=False, callbacks=callbacks, **METHODS[name])


def run_all(works):
    errors = []

    def guarded(work):
        try:
            work()
        except BaseException:
            errors.append(traceback.format_exc())

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def global_state():
    kind, keys, *rest = np.random.get_state()
    return [process_value(name) for name in FLAGS], warnings.filters[:], warnings.showwarning, keys.tolist(), rest


@pytest.mark.filterwarnings("always")
def test_fits_in_threads_are_those_of_one_thread():
    alone = {name: fit(name, model(3)) for name in METHODS}
    together = {}

    def work(name):
        together[name] = fit(name, model(3), noisy=True)
        together[name].sample(20)
        together[name].sample_node(together[name].model["mu"], size=3)

    before = global_state()
    run_all([lambda name=name: work(name) for name in METHODS])
    assert global_state() == before
    for name in METHODS:
        np.testing.assert_array_equal(together[name].hist, alone[name].hist)
        noted = [w for w in together[name].report.warnings if "from" in w]
        assert noted and set(noted) == {f"UserWarning: from {name}"}  # each thread notes its own


@pytest.mark.filterwarnings("always")
def test_a_fit_that_fails_leaves_the_others_alone():
    def fails():
        built = model(2)

        def stop(approx, losses, i):
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            pymc3_vi.fit(30, model=built, progressbar=False, random_seed=1, callbacks=[stop])

    def prior():
        pymc3_vi.fit(5, model=model(4), start="prior", random_seed=2, progressbar=False)

    before = global_state()
    run_all([fails, prior, fails, lambda: fit("adam", model(3))])
    assert global_state() == before


def test_models_are_built_and_fitted_in_their_contexts():
    def work(seed):
        for _ in range(3):
            with model(seed):
                pymc3_vi.fit(5, progressbar=False, random_seed=1, obj_optimizer=pymc3_vi.sgd(learning_rate=1e-4))

    before = global_state()
    run_all([lambda seed=seed: work(seed) for seed in range(3)])
    assert global_state() == before


def afterwards(fitted, path):
    """What is done with a fit, as arrays."""
    fitted.save(path)
    again = pymc3_vi.load(path, model=fitted.model)
    report = again.diagnose(200, random_seed=1)
    return [np.array([report.khat, report.ess]), again.sample(20, correct="psis", random_seed=4)["mu"]]


@pytest.mark.filterwarnings("ignore")
def test_what_follows_a_fit_is_done_in_threads(tmp_path):
    fits = {seed: pymc3_vi.MeanField(model=model(seed), random_seed=1) for seed in range(2)}
    together, before = {}, global_state()

    def work(seed):
        together[seed] = afterwards(fits[seed], tmp_path / f"{seed}.npz")

    run_all([lambda seed=seed: work(seed) for seed in fits])
    assert global_state() == before
    for seed, fitted in fits.items():
        for one, other in zip(afterwards(fitted, tmp_path / "alone.npz"), together[seed]):
            np.testing.assert_array_equal(one, other)


@pytest.mark.filterwarnings("ignore")
def test_many_fits_beside_a_fit():
    with pymc3_vi.fast_build(), pm.Model() as built:
        pm.Normal("y", pm.Normal("mu", 0.0, 10.0), 1.0, observed=pm.Data("data", np.zeros(3)))
    found, before = {}, global_state()

    def many(k):
        data = {"data": np.arange(12.0).reshape(4, 3) + k}
        found[k] = pymc3_vi.fit_many(built, data, random_seed=1, progressbar=False).arrays["mean"]

    run_all([lambda: many(0), lambda: fit("adam", model(4)), lambda: many(1)])
    assert global_state() == before
    exact = (np.arange(12.0).reshape(4, 3).sum(1) / 3.01)[:, None]
    np.testing.assert_allclose(found[0], exact, rtol=2e-3)
    np.testing.assert_allclose(found[1], exact + 3 / 3.01, rtol=2e-3)


def test_a_function_that_two_threads_call_is_called_by_one_after_the_other():
    """Its memory is its own: together they would get numbers of each other's, or crash."""
    inside, go_on = threading.Event(), threading.Event()

    @as_op(itypes=[tt.dscalar], otypes=[tt.dscalar])
    def wait(x):
        inside.set()
        assert go_on.wait(20)
        return x

    x, found = tt.dscalar(), {}
    function = compile_function([x], tt.exp(wait(2 * x)))
    threads = [threading.Thread(target=lambda k=k: found.update({k: float(function(k))})) for k in range(3)]
    for thread in threads:
        thread.start()
    assert inside.wait(20) and found == {}
    go_on.set()
    for thread in threads:
        thread.join()
    assert found == {k: np.exp(2.0 * k) for k in range(3)}


def test_copies_of_a_function_are_as_safe():
    x = tt.dscalar()
    function = compile_function([x], tt.exp(x))
    for other in (function.copy(), copy.copy(function), copy.deepcopy(function)):
        assert type(other) is type(function) and np.allclose(other(1.0), np.e, rtol=1e-15)


def test_a_function_is_free_again_after_an_error():
    @as_op(itypes=[tt.dscalar], otypes=[tt.dscalar])
    def fails(x):
        if x < 0:
            raise ZeroDivisionError
        return x

    x = tt.dscalar()
    function = compile_function([x], fails(x) + 1)
    with pytest.raises(ZeroDivisionError):
        function(-1.0)
    found = []
    thread = threading.Thread(target=lambda: found.append(float(function(1.0))))
    thread.start()
    thread.join(20)
    assert found == [2.0]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_function_that_another_thread_is_in_is_free_in_a_forked_process():
    x, inside, go_on = tt.dscalar(), threading.Event(), threading.Event()
    function = compile_function([x], x + 1)

    def hold():
        with function._locks[os.getpid()]:
            inside.set()
            go_on.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert inside.wait(20)
    process = multiprocessing.get_context("fork").Process(target=lambda: os._exit(int(function(5.0))))
    process.start()
    process.join(20)
    code = process.exitcode
    process.kill()
    go_on.set()
    thread.join()
    assert code == 6


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("method", ["advi", "svgd"])
def test_threads_share_one_approximation(method):
    """As those of a server do: every answer is the one that a seed gives alone."""
    keywords = {"inf_kwargs": {"n_particles": 10}} if method == "svgd" else {}
    fitted = pymc3_vi.fit(100, method=method, model=model(3), random_seed=1, progressbar=False, **keywords)

    def answers(seed):
        report = fitted.diagnose(100, random_seed=seed)
        table = fitted.summary(draws=100, random_seed=seed)
        draws = [fitted.sample_arrays(30, random_seed=seed, correct=how)["mu"] for how in (None, "hmc")]
        return [*draws, np.array([report.khat or 0.0]), table.to_numpy()[:, :2].astype(float)]

    together, alone = {}, [answers(seed) for seed in range(3)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        run_all([lambda seed=seed: together.update({seed: answers(seed)}) for seed in range(3)])
    finally:
        sys.setswitchinterval(interval)
    for seed, right in enumerate(alone):
        for found, expected in zip(together[seed], right):
            np.testing.assert_array_equal(found, expected)


def test_one_inference_has_one_fit_at_a_time():
    inference, inside, go_on = pymc3_vi.ADVI(model=model(3), random_seed=1), threading.Event(), threading.Event()

    def wait(approx, losses, i):
        inside.set()
        assert go_on.wait(20)

    thread = threading.Thread(target=lambda: inference.fit(3, callbacks=[wait], progressbar=False))
    thread.start()
    assert inside.wait(60)
    try:
        with pytest.raises(VariationalInferenceError, match="fit was called while a fit .* by a callback or another"):
            inference.fit(3, progressbar=False)
    finally:
        go_on.set()
        thread.join()
    assert len(inference.hist) == 3 and len(inference.fit(2, progressbar=False).hist) == 5


@pytest.fixture
def two_blas_threads():
    """BLAS has two threads; gives what :func:`blas_threads` then says."""
    setters, before = _blas_threads._thread_functions(), blas_threads()
    try:
        for _, _, set_count in setters:
            set_count(2)
        two = blas_threads()
        if not two or {count for _, count in two} != {2}:
            pytest.skip("BLAS does not take a number of threads")
        yield two
    finally:
        for (_, _, set_count), (_, count) in zip(setters, before):
            set_count(count)


def test_small_matrices_take_one_thread_of_blas(monkeypatch, two_blas_threads):
    """Where others use the processors, those of BLAS wait for each other; callbacks have what the user chose."""
    eigh, seen, in_callbacks = np.linalg.eigh, set(), set()

    def watched(*args, **kwargs):
        seen.update(count for _, count in blas_threads())
        return eigh(*args, **kwargs)

    def look(approx, losses, i):
        in_callbacks.update(count for _, count in blas_threads())

    monkeypatch.setattr(np.linalg, "eigh", watched)
    fitted = pymc3_vi.fit(60, model=model(3), random_seed=1, progressbar=False, callbacks=[look])
    assert seen == {1} and in_callbacks == {2}
    fitted.diagnose(100, random_seed=1)
    fitted.lrvb_cov()
    assert seen == {1} and blas_threads() == two_blas_threads


def test_an_interrupt_before_or_after_leaves_blas_its_threads(two_blas_threads):
    context = _blas_threads.single_blas_thread()
    context.__enter__()
    assert {count for _, count in blas_threads()} == {1}
    with _blas_threads.single_blas_thread():
        del context  # whose end was never reached: the next one to end has its part
        assert {count for _, count in blas_threads()} == {1}
    assert blas_threads() == two_blas_threads


class Watched:
    """A lock that notes which others its thread holds when it asks for it."""

    held, pairs, asked = threading.local(), set(), set()

    def __init__(self, name, lock):
        self.name, self.lock = name, lock

    def __enter__(self):
        mine = vars(self.held).setdefault("names", [])
        self.asked.add(self.name)
        self.pairs.update((other, self.name) for other in mine if self.name not in mine)
        self.lock.acquire()
        mine.append(self.name)

    def __exit__(self, *exception):
        self.held.names.remove(self.name)
        self.lock.release()


@pytest.mark.filterwarnings("ignore")
def test_locks_are_taken_in_one_order(monkeypatch):
    """Two threads that hold one lock each and want the other's wait for ever."""
    monkeypatch.setattr(Watched, "pairs", set())
    for module in (_blas_threads, _cxx_modules, _flags, _worker_rows, _random_state, _seen_warnings):
        monkeypatch.setattr(module, "_lock", Watched(module.__name__, module._lock))
    for patch in (_building.REFUSED_REWRITES, _building.SHUFFLES, _building.CONNECTIONS):
        monkeypatch.setattr(patch, "_lock", Watched(patch.name, patch._lock))
    monkeypatch.setattr(_compiled_function, "RLock", lambda: Watched("function", threading.RLock()))
    built = model(5)
    for keywords in METHODS.values():
        pymc3_vi.fit(20, model=built, random_seed=1, start="prior", progressbar=False, **keywords).sample(3)
    pairs = Watched.pairs
    assert (_flags.__name__, _cxx_modules.__name__) in pairs
    assert "function" in Watched.asked
    names = set(itertools.chain(*pairs))
    for _ in names:  # what a lock leads to, over others
        pairs |= {(a, d) for a, b in pairs for c, d in pairs if b == c}
    assert [name for name in names if (name, name) in pairs] == []


def test_no_property_holds_a_lock_of_pythons_while_it_is_computed():
    """`functools.cached_property` before Python 3.12 has one for all objects, beside those of the test above."""
    for file in Path(pymc3_vi.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            assert "cached_property" not in (getattr(node, "attr", None), getattr(node, "name", None)), file
