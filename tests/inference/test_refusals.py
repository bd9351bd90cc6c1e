"""What can only be refused when a fit begins, or while it runs."""

import copy
import pickle
import warnings

import pymc3_vi
from pymc3_vi.errors import (
    ConvergenceWarning,
    GroupError,
    ParameterTypeError,
    ParameterValueError,
    ParametrizationError,
    StartError,
    VariationalInferenceError,
)
from pymc3_vi.inference._unbounded import warn_if_unbounded

import numpy as np
import pymc3 as pm
import pytest
import theano
import theano.tensor as tt

QUIET = dict(progressbar=False)
SGD = pymc3_vi.sgd(learning_rate=0.01)


def build():
    with pymc3_vi.fast_build(), pm.Model() as model:
        mu = pm.Normal("mu", 0.0, 1.0, shape=2)
        pm.Normal("y", mu[0], 1.0, observed=np.arange(3.0))
    return model


@pytest.fixture(scope="module")
def model():
    return build()


@pytest.fixture(autouse=True)
def without_compiler():
    with theano.config.change_flags(cxx=""):
        yield


@pytest.mark.parametrize(
    "updates, error, words",
    [
        (lambda grads, params: None, ParameterTypeError, "must return a dict .* '?<lambda>'? returned None"),
        (lambda grads, params: 5, ParameterTypeError, "returned 5"),
        (lambda grads, params: {"mu": 1}, ParameterTypeError, "has the key 'mu'"),
        (lambda grads, params: {params[0]: object()}, ParameterTypeError, "gives .* to mu"),
        (lambda grads, params: {p: tt.zeros((2, 2)) for p in params}, ParameterTypeError, "2 dimensions to mu, which"),
        (lambda grads, params: {p: tt.zeros(7) for p in params}, ParametrizationError, r"of shape \(7,\) .* \(2,\)"),
        (lambda grads, params: {}, ParameterValueError, "updates none of them"),
        (lambda grads, params: {theano.shared(0.0): 1.0}, ParameterValueError, "updates none of them"),
    ],
)  # fmt: skip
def test_optimizers_that_return_nonsense(model, updates, error, words):
    inference = pymc3_vi.ADVI(model=model, random_seed=1)
    before = [p.get_value() for p in inference.approx.params]
    with pytest.raises(error, match=words) as caught:
        inference.fit(3, obj_optimizer=updates, **QUIET)
    assert "'obj_optimizer' parameter of fit" in str(caught.value)
    for param, value in zip(inference.approx.params, before):
        np.testing.assert_array_equal(param.get_value(), value)
    inference.fit(3, obj_optimizer=SGD, **QUIET)  # nothing is left of the failure


@pytest.mark.parametrize(
    "given, words",
    [
        (dict(mode="FAST_RN"), "'FAST_RN' for 'mode'"),
        (dict(mode=5), "for 'mode'"),
        (dict(profile=5), "for 'profile'"),
        (dict(givens=5), "for 'givens'"),
        (dict(on_unused_input="shout"), "for 'on_unused_input'"),
        (dict(updates={}), "'updates' as a key"),
    ],
)
def test_values_of_function_keywords(model, given, words):
    with pytest.raises(VariationalInferenceError, match=f"'fn_kwargs' parameter of fit.*{words}"):
        pymc3_vi.fit(3, model=model, fn_kwargs=given, **QUIET)


def test_an_optimizer_may_return_pairs_and_leave_out_parameters(model):
    inference = pymc3_vi.ADVI(model=model, random_seed=1)
    inference.fit(3, obj_optimizer=lambda grads, params: [(params[0], params[0] - 0.1 * grads[0])], **QUIET)
    assert (inference.approx.rho.get_value() == 0).all() and (inference.approx.mean.get_value() != 0).all()


def test_a_rate_without_a_value(model):
    with pytest.raises(ParameterValueError, match="depends on a variable that has no value.*theano.shared"):
        pymc3_vi.fit(3, model=model, obj_optimizer=pymc3_vi.adam(learning_rate=tt.dscalar("rate")), **QUIET)


@pytest.mark.parametrize("call", ["fit", "refine", "resume"])
def test_a_callback_that_fits_its_own_inference(model, call):
    inference = pymc3_vi.ADVI(model=model, random_seed=1)

    def callback(approx, losses, i):
        {"fit": inference.fit, "refine": inference.refine, "resume": lambda n: inference.resume()}[call](2)

    with pytest.raises(VariationalInferenceError, match=f"{call} was called while a fit .* StopIteration"):
        inference.fit(5, callbacks=callback, obj_optimizer=SGD, **QUIET)
    assert len(inference.hist) == 1
    inference.fit(5, obj_optimizer=SGD, **QUIET)
    assert len(inference.hist) == 6


def test_nothing_to_resume(model):
    with pytest.raises(VariationalInferenceError, match="'resume' parameter of fit must be False in the first fit"):
        pymc3_vi.ADVI(model=model).fit(5, resume=True, **QUIET)


@pytest.mark.parametrize("method", ["advi", "dadvi"])
def test_a_model_that_changed(method):
    for add in (
        lambda: pm.Normal("new", 0.0, 1.0),
        lambda: pm.Normal("new", 0.0, 1.0, observed=1.0),
        lambda: pm.Potential("new", tt.constant(0.0)),
    ):
        changing = build()
        inference = pymc3_vi.ADVI(model=changing) if method == "advi" else pymc3_vi.DADVI(model=changing)
        with pymc3_vi.fast_build(), changing:
            add()
        with pytest.raises(GroupError, match="model has changed .* 'new'"):
            inference.fit(5, **QUIET)


@pytest.mark.parametrize(
    "start, words",
    [
        (5, "Got 5"),
        ({"mu": None}, "Got None for 'mu'"),
        ({"mu": "a"}, "Got 'a' for 'mu'"),
        ({"y": 1.0}, "'y', which is observed"),
    ],
)
def test_starts_that_are_none(model, start, words):
    with pytest.raises(StartError, match=f"'start' parameter.*{words}"):
        pymc3_vi.fit(5, model=model, start=start, **QUIET)


def test_fitted_inferences_are_saved_and_not_pickled(model):
    inference = pymc3_vi.ADVI(model=model, random_seed=1)
    pickle.loads(pickle.dumps(inference))
    inference.fit(3, obj_optimizer=SGD, **QUIET)
    for attempt in (pickle.dumps, copy.deepcopy):
        with pytest.raises(VariationalInferenceError, match=r"Pickle its .approx, or write it with .save\(path\)"):
            attempt(inference)
    assert pickle.loads(pickle.dumps(inference.approx)).ndim == 2


def test_the_order_of_pymc3(model):
    """``fit(n, local_rv, method, model, random_seed, start, inf_kwargs)``, by position."""
    start = {"mu": np.array([3.0, 4.0])}
    approx = pymc3_vi.fit(0, None, "FULLRANK_ADVI", model, 1, start, {"beta": 0.5}, **QUIET)
    assert isinstance(approx, pymc3_vi.FullRank) and approx.groups[0].seeds.entropy == 1
    np.testing.assert_array_equal(approx.mean.get_value(), [3.0, 4.0])
    assert isinstance(pymc3_vi.fit(0, {}, model, **QUIET), pymc3_vi.MeanField)
    with pytest.raises(ParameterTypeError, match="got 'method' twice"):
        pymc3_vi.fit(0, None, "advi", model, method="svgd", **QUIET)
    with pytest.raises(ParameterTypeError, match="'n' parameter of fit .* A model goes to model=..."):
        pymc3_vi.fit(model)


def test_warnings_point_at_the_line_that_called(model):
    with pytest.warns(UserWarning, match="score=True is ignored") as caught:
        pymc3_vi.SVGD(20, jitter=1.0, model=model, random_seed=1).fit(1, score=True, obj_optimizer=SGD, **QUIET)
    assert [w.filename for w in caught if "score=True" in str(w.message)] == [__file__]


def test_keywords_of_the_inference_class(model):
    with pytest.raises(ParameterTypeError, match="'inf_kwargs' parameter of fit .*'strat'. Did you mean 'start'"):
        pymc3_vi.fit(1, model=model, inf_kwargs={"strat": 1}, **QUIET)


@pytest.mark.parametrize("make", [pymc3_vi.MeanField, pymc3_vi.FullRank])
def test_a_fit_that_ran_away_names_the_variables_without_a_bound(make):
    with pymc3_vi.fast_build(), pm.Model() as model:
        pm.Flat("free", shape=2)
        pm.Normal("held", 0.0, 1.0)
    approx = make(model=model)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_if_unbounded(approx)
    approx.mean.set_value(np.array([1e5, -4.8e123, 1.0]))
    with pytest.warns(ConvergenceWarning, match=r"4.8e\+123 for free. .* proper priors"):
        warn_if_unbounded(approx)
