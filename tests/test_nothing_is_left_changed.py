"""Theano's flags, warnings, signals, NumPy's global state: the same before and after everything public.

Without a seed, one is drawn from NumPy's global generator, so that ``np.random.seed`` makes a script repeatable; here
everything random has a seed.
"""

import contextlib
import gc
import inspect
import os
import signal
import types
import warnings

import pymc3_vi

import numpy as np
import pymc3 as pm
import pytest
import theano
import theano.tensor as tt

OPTIONS = dict(progressbar=False, obj_optimizer=pymc3_vi.sgd(learning_rate=1e-4))
UPDATES = ["sgd", "momentum", "nesterov_momentum", "adagrad", "adagrad_window", "rmsprop", "adadelta", "adam", "adamax"]


def global_state():
    """Everything in the process that a function of ours might leave changed."""
    config, kind = theano.config, type(theano.config)
    immutable = {name: p for name, p in config._config_var_dict.items() if not name.startswith(("dnn", "gpuarray"))}
    random = np.random.get_state()
    return {
        "flags": {name: parameter.__get__(config, kind) for name, parameter in immutable.items()},
        "filters": list(warnings.filters),
        "showwarning": warnings.showwarning,
        "signals": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
        "random": (random[0], random[1].tolist(), *random[2:]),
        "floating point": np.geterr(),
        "garbage": (gc.isenabled(), gc.get_threshold()),
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "models": list(pm.Model.get_contexts()),
    }


class Parts:
    """A model, and objects of the package made of it."""

    def __init__(self):
        with pymc3_vi.fast_build(), pm.Model() as self.model:
            self.x = pm.Normal("x", 0.0, 1.0, shape=2)
            self.y = pm.Normal("y", self.x.sum(), 1.0, observed=[0.5, 1.5])
        with pymc3_vi.fast_build(), pm.Model() as self.nowhere:
            pm.Potential("nowhere", tt.log(-tt.exp(pm.Normal("x", 0.0, 1.0))))
        with pymc3_vi.fast_build(), pm.Model() as self.rows:
            pm.Normal("y", pm.Normal("mu", 0.0, 1.0), 1.0, observed=pm.Data("rows", np.zeros(3)))
        self.advi = pymc3_vi.ADVI(model=self.model, random_seed=1)
        self.approx = self.advi.fit(3, **OPTIONS)


@pytest.fixture(scope="module")
def parts():
    with theano.config.change_flags(cxx=""):
        return Parts()


def fit(method, **inf_kwargs):
    inf_kwargs = inf_kwargs or None
    options = dict(progressbar=False) if method == "dadvi" else OPTIONS
    return lambda p, tmp: pymc3_vi.fit(3, method, model=p.model, random_seed=1, inf_kwargs=inf_kwargs, **options)


def updates_of(name):
    def call(p, tmp):
        w = theano.shared(np.ones(2))
        getattr(pymc3_vi, name)(tt.sqr(w).sum(), [w])

    return call


def momentum_of(name):
    def call(p, tmp):
        w = theano.shared(np.ones(2))
        getattr(pymc3_vi, name)({w: w - 0.1}, [w])

    return call


def install(p, tmp):
    with pymc3_vi.install(), p.model:
        pm.fit(2, random_seed=1, **OPTIONS)


def saved(p, tmp):
    p.approx.save(tmp / "approx.npz")
    pymc3_vi.load(tmp / "approx.npz", model=p.model)


def stopping(p, tmp):
    def stop(approx, losses, i):
        raise StopIteration("enough")

    pymc3_vi.fit(5, model=p.model, random_seed=1, callbacks=[stop], **OPTIONS)


def fit_with(callback):
    return lambda p, tmp: pymc3_vi.fit(4, model=p.model, random_seed=1, callbacks=[callback()], **OPTIONS)


def _left(context):
    with context:
        pass


def many(p, tmp):
    return pymc3_vi.fit_many(p.rows, {"rows": np.ones((2, 3))}, random_seed=1, progressbar=False)


def sbc(p, tmp):
    return pymc3_vi.sbc(p.model, n=20, draws=9, random_seed=1, progressbar=False)


def kfold(p, tmp):
    return pymc3_vi.kfold(k=2, model=p.rows, random_seed=1, progressbar=False)


#: Public name -> call with the parts and an empty folder.
PUBLIC = {
    "fit": lambda p, tmp: [fit(m)(p, tmp) for m in ("advi", "fullrank_advi", "nfvi=planar")],
    "fit_many": many,
    "sbc": sbc,
    "Calibration": lambda p, tmp: str(sbc(p, tmp)),
    "bootstrap": lambda p, tmp: pymc3_vi.bootstrap(n=2, model=p.rows, random_seed=1, progressbar=False),
    "kfold": kfold,
    "CrossValidation": lambda p, tmp: str(kfold(p, tmp)),
    "FitCollection": lambda p, tmp: many(p, tmp).to_inference_data(),
    "sample_approx": lambda p, tmp: pymc3_vi.sample_approx(p.approx, 5),
    "load": saved,
    "loo": lambda p, tmp: pymc3_vi.loo(p.approx, random_seed=1),
    "ADVI": lambda p, tmp: pymc3_vi.ADVI(model=p.model, random_seed=1).fit(2, **OPTIONS),
    "FullRankADVI": lambda p, tmp: pymc3_vi.FullRankADVI(model=p.model, random_seed=1),
    "NFVI": lambda p, tmp: pymc3_vi.NFVI("scale-loc", model=p.model, random_seed=1),
    "DADVI": fit("dadvi"),
    "SVGD": fit("svgd", n_particles=6),
    "ASVGD": lambda p, tmp: pymc3_vi.ASVGD(model=p.model, random_seed=1).fit(2, **OPTIONS),
    "KLqp": lambda p, tmp: pymc3_vi.KLqp(pymc3_vi.MeanField(model=p.model, random_seed=1)).fit(2, **OPTIONS),
    "ImplicitGradient": lambda p, tmp: pymc3_vi.ImplicitGradient(pymc3_vi.MeanField(model=p.model, random_seed=1)),
    "Inference": lambda p, tmp: p.advi.refine(2, progressbar=False),
    "MeanField": lambda p, tmp: pymc3_vi.MeanField(model=p.model, random_seed=1).sample(4),
    "FullRank": lambda p, tmp: pymc3_vi.FullRank(model=p.model, random_seed=1).cov.eval(),
    "Empirical": lambda p, tmp: pymc3_vi.Empirical(size=5, model=p.model, random_seed=1),
    "NormalizingFlow": lambda p, tmp: pymc3_vi.NormalizingFlow("loc", model=p.model, random_seed=1),
    "Approximation": lambda p, tmp: pymc3_vi.Approximation(
        [pymc3_vi.Group(None, vfam="mf", model=p.model, random_seed=1)], model=p.model
    ),
    "Group": lambda p, tmp: pymc3_vi.Group([p.x], vfam="fr", model=p.model, random_seed=1),
    "DataLoader": lambda p, tmp: pymc3_vi.DataLoader(np.arange(12.0), batch_size=4, seed=1),
    "HMC": lambda p, tmp: p.approx.sample(20, correct=pymc3_vi.HMC(tolerance=0.5), random_seed=1),
    "KL": lambda p, tmp: pymc3_vi.KL(p.approx),
    "KSD": lambda p, tmp: pymc3_vi.KSD(p.approx),
    "Operator": lambda p, tmp: pymc3_vi.KL(p.approx)(None),
    "ObjectiveFunction": lambda p, tmp: pymc3_vi.KL(p.approx)(None).step_function(
        obj_optimizer=pymc3_vi.sgd(learning_rate=1e-4)
    )(),
    "TestFunction": lambda p, tmp: pymc3_vi.TestFunction(),
    "Stein": lambda p, tmp: pymc3_vi.Stein(pymc3_vi.Empirical(size=4, model=p.model, random_seed=1)),
    "rbf": lambda p, tmp: pymc3_vi.rbf(tt.constant(np.eye(3))),
    "norm_constraint": lambda p, tmp: pymc3_vi.norm_constraint(np.eye(3), 1.0),
    "total_norm_constraint": lambda p, tmp: pymc3_vi.total_norm_constraint([tt.constant(np.eye(3))], 1.0),
    "Callback": fit_with(lambda: lambda approx, losses, i: None),
    "CheckParametersConvergence": fit_with(lambda: pymc3_vi.CheckParametersConvergence(every=2)),
    "Converged": fit_with(lambda: pymc3_vi.Converged(0.5)),
    "Tracker": fit_with(lambda: pymc3_vi.Tracker(loss=lambda approx, losses, i: 1)),
    "Checkpoint": lambda p, tmp: fit_with(lambda: pymc3_vi.Checkpoint(2, tmp / "checkpoint.npz"))(p, tmp),
    "fast_build": lambda p, tmp: _left(pymc3_vi.fast_build()),
    "show_config": lambda p, tmp: pymc3_vi.show_config(print_it=False),
    "clear_cache": lambda p, tmp: None,  # other tests use the cache
    "install": install,
    "uninstall": lambda p, tmp: pymc3_vi.uninstall(),
    **{name: updates_of(name) for name in UPDATES},
    **{name: momentum_of(name) for name in ("apply_momentum", "apply_nesterov_momentum")},
}
#: The same for methods of what they return.
METHODS = {
    "sample": lambda p, tmp: p.approx.sample(5),
    "sample of a seed": lambda p, tmp: p.approx.sample(5, random_seed=3),
    "sample_node": lambda p, tmp: p.approx.sample_node(p.x, size=3).eval(),
    "apply_replacements": lambda p, tmp: p.approx.apply_replacements(p.x),
    "diagnose": lambda p, tmp: p.approx.diagnose(draws=200, random_seed=1),
    "summary": lambda p, tmp: p.approx.summary(draws=100, random_seed=1),
    "expectation": lambda p, tmp: p.approx.expectation(p.x.sum(), draws=50, random_seed=1),
    "to_inference_data": lambda p, tmp: p.approx.to_inference_data(20, random_seed=1, posterior_predictive=True),
    "lrvb_cov": lambda p, tmp: p.approx.lrvb_cov(),
    "prior starts": lambda p, tmp: pymc3_vi.fit(2, model=p.model, random_seed=1, start="prior", starts=2, **OPTIONS),
    "stopped": stopping,
}


def raises(p, tmp):
    def broken(approx, losses, i):
        warnings.warn("before the end", stacklevel=1)
        raise ZeroDivisionError

    pymc3_vi.fit(5, model=p.model, random_seed=1, callbacks=[broken], **OPTIONS)


def wrong_option(p, tmp):
    pymc3_vi.fit(5, model=p.model, random_seed=1, no_such_option=1)


def no_start(p, tmp):
    pymc3_vi.fit(5, model=p.nowhere, random_seed=1, start="prior", **OPTIONS)


def interrupted_build(p, tmp):
    def optimizer(loss, params):
        raise KeyboardInterrupt

    pymc3_vi.fit(5, model=p.model, random_seed=1, obj_optimizer=optimizer, progressbar=False)


FAILING = {
    "a callback": raises,
    "an option": wrong_option,
    "a start": no_start,
    "Ctrl-C while a step is built": interrupted_build,
    "a file": lambda p, tmp: pymc3_vi.load(tmp / "not there.npz", model=p.model),
    "a variable": lambda p, tmp: p.approx.summary(var_names=["no such"]),
    "fast_build": lambda p, tmp: _inside(pymc3_vi.fast_build()),
    "install": lambda p, tmp: _inside(pymc3_vi.install()),
}


def _inside(context):
    with context:
        raise ZeroDivisionError


CONTEXTS = {
    "outside": lambda p: [],
    "in a model": lambda p: [p.model],
    "nested": lambda p: [p.model, pm.Model(), p.model, p.model],
}


def changes(call, parts, folder, context):
    """Names of what is not as it was, and what was raised."""
    with theano.config.change_flags(cxx=""), contextlib.ExitStack() as stack:
        before = global_state()
        for model in CONTEXTS[context](parts):
            stack.enter_context(model)
        inside, error = global_state(), None
        try:
            call(parts, folder)
        except BaseException as raised:
            error = raised
        after = global_state()
        found = [name for name in inside if inside[name] != after[name]]
        stack.close()
        found += [name for name, value in global_state().items() if before[name] != value]
    return found, error


def test_every_public_name_is_tried():
    names = {n for n in pymc3_vi.__all__ if not isinstance(getattr(pymc3_vi, n), types.ModuleType)}
    assert {n for n in names if callable(getattr(pymc3_vi, n))} == set(PUBLIC)
    assert inspect.isfunction(pymc3_vi.fit)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [*PUBLIC, *METHODS])
def test_functions_leave_nothing_changed(parts, tmp_path, name):
    for k, context in enumerate(["outside", "nested"]):
        folder = tmp_path / str(k)
        folder.mkdir()
        found, error = changes({**PUBLIC, **METHODS}[name], parts, folder, context)
        assert (found, error) == ([], None), context


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("name", FAILING)
def test_exceptions_leave_nothing_changed(parts, tmp_path, name, context):
    found, error = changes(FAILING[name], parts, tmp_path, context)
    assert found == [] and error is not None


def test_a_change_would_be_found(parts, tmp_path):
    found, _ = changes(lambda p, tmp: np.random.random(), parts, tmp_path, "outside")
    assert set(found) == {"random"}
