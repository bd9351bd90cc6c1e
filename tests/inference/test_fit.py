"""Fits from the front door: options that act, errors that speak, ways out that lose nothing."""

import copy
import logging
import pickle

import pymc3_vi
from pymc3_vi.compiler import compile_count
from pymc3_vi.errors import (
    GroupError,
    NonFiniteError,
    ParameterTypeError,
    ParametrizationError,
    StartError,
    UnknownNameError,
)
from pymc3_vi.updates import cosine

import numpy as np
import pymc3 as pm
import pytest
import theano
import theano.tensor as tt

SGD = pymc3_vi.sgd(learning_rate=1e-3)


@pytest.fixture(scope="module")
def conjugate():
    """y ~ N(mu, 1), mu ~ N(0, 1), ten observations: the posterior is N(sum(y) / 11, 1 / 11)."""
    y = np.random.RandomState(1).normal(1.0, 1.0, 10)
    with theano.config.change_flags(cxx=""), pm.Model() as model:
        mu = pm.Normal("mu", 0.0, 1.0)
        pm.Normal("y", mu, 1.0, observed=y)
    model.mean, model.sd = y.sum() / 11, 1 / np.sqrt(11)
    model.y = y
    return model


def _neg_elbo(model, m, s):
    """Closed form of the loss at q = N(m, s^2)."""
    y = model.y
    prior = -0.5 * np.log(2 * np.pi) - 0.5 * (m**2 + s**2)
    data = -0.5 * len(y) * np.log(2 * np.pi) - 0.5 * (((y - m) ** 2).sum() + len(y) * s**2)
    entropy = 0.5 * np.log(2 * np.pi * np.e * s**2)
    return -(prior + data + entropy)


def _quick(model, n=20, **kwargs):
    kwargs.setdefault("obj_optimizer", SGD)
    return pymc3_vi.fit(n, model=model, progressbar=False, **kwargs)


def test_an_instance_keeps_its_model(conjugate):
    inference = pymc3_vi.ADVI(model=conjugate)
    with pymc3_vi.fast_build(), pm.Model() as other:
        pm.Normal("nu", 0.0, 1.0)
    with pytest.raises(ParameterTypeError, match="made for the model of mu, together with model=a model of nu"):
        pymc3_vi.fit(5, method=inference, model=other, progressbar=False)
    with pytest.raises(ParameterTypeError, match="made for the model of mu"):
        pymc3_vi.fit(5, inference, other, progressbar=False)
    with pytest.raises(TypeError, match="together with .'n_particles'"):
        pymc3_vi.fit(5, method=inference, inf_kwargs={"n_particles": 3}, progressbar=False)
    assert len(pymc3_vi.fit(5, method=inference, model=conjugate, obj_optimizer=SGD, progressbar=False).hist) == 5
    with other:  # the surrounding context is nobody's wish
        assert len(pymc3_vi.fit(5, method=inference, obj_optimizer=SGD, progressbar=False).hist) == 10


def test_loss_is_the_negative_elbo(conjugate):
    frozen = pymc3_vi.sgd(learning_rate=1e-30)
    approx = _quick(conjugate, n=4000, random_seed=3, obj_optimizer=frozen)
    expected = _neg_elbo(conjugate, 0.0, np.log(2.0))
    error = approx.hist.std() / np.sqrt(len(approx.hist))
    assert abs(approx.hist.mean() - expected) < 4 * error


def test_several_draws_lower_the_noise_of_the_loss(conjugate):
    frozen = pymc3_vi.sgd(learning_rate=1e-30)
    one = _quick(conjugate, n=2000, random_seed=3, obj_optimizer=frozen)
    ten = _quick(conjugate, n=2000, random_seed=4, obj_optimizer=frozen, obj_n_mc=10)
    ratio = one.hist.var() / ten.hist.var()
    assert 8 < ratio < 12.5
    expected = _neg_elbo(conjugate, 0.0, np.log(2.0))
    assert abs(ten.hist.mean() - expected) < 4 * ten.hist.std() / np.sqrt(2000)


@pytest.mark.parametrize("method", ["advi", "fullrank_advi"])
def test_same_seed_same_result(conjugate, method):
    a = _quick(conjugate, n=300, method=method, random_seed=11)
    b = _quick(conjugate, n=300, method=method, random_seed=11)
    c = _quick(conjugate, n=300, method=method, random_seed=12)
    np.testing.assert_array_equal(a.hist, b.hist)
    np.testing.assert_array_equal(a.sample(50)["mu"], b.sample(50)["mu"])
    np.testing.assert_array_equal(a.sample(5, random_seed=2)["mu"], b.sample(5, random_seed=2)["mu"])
    assert (a.hist != c.hist).any()


def test_numpys_seed_is_used_without_one(conjugate):
    hists = []
    for _ in range(2):
        np.random.seed(5)
        hists.append(_quick(conjugate).hist)
    np.testing.assert_array_equal(*hists)


def test_callbacks_do_not_change_the_fit(conjugate):
    calls = []
    plain = _quick(conjugate, n=200, random_seed=1)
    watched = _quick(conjugate, n=200, random_seed=1, callbacks=[lambda a, losses, i: calls.append((i, float(losses)))])
    np.testing.assert_array_equal(plain.hist, watched.hist)
    assert [i for i, _ in calls] == list(range(1, 201))
    np.testing.assert_array_equal([x for _, x in calls], plain.hist)


def test_stop_iteration_ends_the_fit_and_keeps_every_loss(conjugate):
    def stop(approx, losses, i):
        if i == 4:
            raise StopIteration("enough")

    approx = _quick(conjugate, n=8, random_seed=1, callbacks=[stop])
    np.testing.assert_array_equal(approx.hist, _quick(conjugate, n=8, random_seed=1).hist[:4])


def test_an_error_in_a_callback_loses_nothing(conjugate):
    inference = pymc3_vi.ADVI(model=conjugate, random_seed=1)

    def broken(approx, losses, i):
        if i == 30:
            raise RuntimeError("from the callback")

    with pytest.raises(RuntimeError, match="from the callback"):
        inference.fit(100, progressbar=False, obj_optimizer=SGD, callbacks=[broken])
    assert len(inference.hist) == len(inference.approx.hist) == 30
    assert np.isfinite(inference.approx.sample(3)["mu"]).all()
    inference.fit(20, progressbar=False, obj_optimizer=SGD)
    assert len(inference.approx.hist) == 50


def test_interrupt_keeps_everything(conjugate):
    def interrupt(approx, losses, i):
        if i == 30:
            raise KeyboardInterrupt

    approx = _quick(conjugate, n=100, random_seed=1, callbacks=[interrupt])
    assert len(approx.hist) == 30


def test_second_fit_and_refine_go_on(conjugate):
    whole = pymc3_vi.ADVI(model=conjugate, random_seed=1)
    whole.fit(90, progressbar=False, obj_optimizer=SGD)
    indices = []
    parts = pymc3_vi.ADVI(model=conjugate, random_seed=1)
    callbacks = [lambda approx, losses, i: indices.append(i)]
    parts.fit(40, progressbar=False, obj_optimizer=SGD, callbacks=callbacks)
    parts.fit(20, progressbar=False, obj_optimizer=SGD, callbacks=callbacks)
    parts.refine(30, progressbar=False)
    np.testing.assert_array_equal(parts.hist, whole.hist)
    np.testing.assert_array_equal(parts.approx.hist, whole.hist)
    assert indices == list(range(1, 91))


def test_second_fit_with_the_same_options_compiles_nothing(conjugate):
    inference = pymc3_vi.ADVI(model=conjugate, random_seed=1)
    inference.fit(5, progressbar=False, obj_optimizer=SGD)
    step = inference.state.step
    inference.fit(5, progressbar=False, obj_optimizer=SGD)
    assert inference.state.step is step
    inference.fit(5, progressbar=False, obj_optimizer=SGD, obj_n_mc=2)
    assert inference.state.step is not step


@pytest.mark.parametrize("rate", [1e-3, cosine(1e-3, 100)], ids=["float", "schedule"])
def test_equal_optimizers_are_the_same_option(conjugate, rate):
    inference = pymc3_vi.ADVI(model=conjugate, random_seed=1)
    inference.fit(5, progressbar=False, obj_optimizer=pymc3_vi.adam(learning_rate=rate))
    step = inference.state.step
    again = copy.copy(rate)
    inference.fit(5, progressbar=False, obj_optimizer=pymc3_vi.adam(learning_rate=again))
    assert inference.state.step is step
    inference.fit(5, progressbar=False, obj_optimizer=pymc3_vi.adam(learning_rate=again, beta1=0.8))
    assert inference.state.step is not step


def test_refine_before_fit(conjugate):
    with pytest.raises(TypeError, match="Need to call `.fit` first"):
        pymc3_vi.ADVI(model=conjugate).refine(10)


# ---------------------------------------------------------------- options
def test_gradient_norm_is_bounded(conjugate):
    bound = 1e-3
    approx = _quick(
        conjugate, n=1, random_seed=1, obj_optimizer=pymc3_vi.sgd(learning_rate=1.0), total_grad_norm_constraint=bound
    )
    moved = np.concatenate([approx.params[0].get_value(), approx.params[1].get_value()])
    assert np.linalg.norm(moved) == pytest.approx(bound, rel=1e-3)


def test_more_updates_run_every_step(conjugate):
    count = theano.shared(0)
    _quick(conjugate, n=37, more_updates={count: count + 1})
    assert count.get_value() == 37


def test_more_replacements_and_more_params_act():
    x = tt.dscalar("x")
    x.tag.test_value = 0.0
    weight = theano.shared(1.0, "weight")
    with theano.config.change_flags(cxx=""), pm.Model() as model:
        mu = pm.Normal("mu", 0.0, 1.0)
        pm.Normal("y", mu + weight * x, 1.0, observed=np.ones(3))
    approx = _quick(model, n=50, more_replacements={x: theano.shared(2.0)}, more_obj_params=[weight])
    assert np.isfinite(approx.hist).all()
    assert weight.get_value() != 1.0


def test_score_off_gives_no_history(conjugate):
    approx = _quick(conjugate, n=50, score=False, random_seed=1)
    scored = _quick(conjugate, n=50, random_seed=1)
    assert len(approx.hist) == 0
    np.testing.assert_array_equal(approx.params[0].get_value(), scored.params[0].get_value())


def test_start_moves_the_initial_means(conjugate):
    approx = _quick(conjugate, n=0, start={"mu": 2.5})
    assert approx.mean.get_value() == pytest.approx([2.5])


def test_beta_weights_the_kl_part(conjugate):
    frozen = pymc3_vi.sgd(learning_rate=1e-30)
    losses = {}
    for beta in (0.0, 1.0, 2.0):
        inference = pymc3_vi.KLqp(pymc3_vi.MeanField(model=conjugate, random_seed=5), beta=beta)
        losses[beta] = inference.fit(50, progressbar=False, obj_optimizer=frozen).hist
    np.testing.assert_allclose(losses[2.0] - losses[1.0], losses[1.0] - losses[0.0], rtol=1e-8)
    assert (losses[1.0] != losses[0.0]).all()


def test_path_derivative_gradient_vanishes_at_the_optimum(conjugate):
    start = {"mu": conjugate.mean}
    for scale, moves in [(0, False), (1, True)]:
        inference = pymc3_vi.ADVI(model=conjugate, start=start, cost_part_grad_scale=scale, random_seed=1)
        rho = inference.approx.shared_params["rho"]
        rho.set_value(np.log(np.expm1([conjugate.sd])).astype(rho.dtype))
        before = rho.get_value()
        inference.fit(20, progressbar=False, obj_optimizer=pymc3_vi.sgd(learning_rate=1e-2))
        change = abs(rho.get_value() - before).max()
        assert (change > 1e-4) if moves else (change < 1e-12)


def test_schedule_for_the_score_term(conjugate):
    seen = []

    def schedule(i):
        seen.append(i)
        return 1.0 if i < 5 else 0.0

    inference = pymc3_vi.ADVI(model=conjugate, cost_part_grad_scale=schedule)
    inference.fit(10, progressbar=False, obj_optimizer=SGD)
    assert set(range(10)) <= set(seen)


def test_scaled_cost(model_fast):
    y = np.random.RandomState(0).normal(size=10)
    with model_fast(), pm.Model() as model:
        pm.Normal("y", pm.Normal("mu", 0, 1), 1, observed=y, total_size=200)
    frozen = pymc3_vi.sgd(learning_rate=1e-30)
    plain = _quick(model, random_seed=1, obj_optimizer=frozen)
    scaled = _quick(model, random_seed=1, obj_optimizer=frozen, inf_kwargs={"scale_cost_to_minibatch": True})
    np.testing.assert_allclose(plain.hist, 20 * scaled.hist, rtol=1e-5)


def test_minibatches_change_from_step_to_step(model_fast):
    data = np.random.RandomState(0).normal(3.0, 1.0, size=1000)
    with model_fast():
        batch = pm.Minibatch(data, 50, random_seed=1)
        with pm.Model() as model:
            pm.Normal("y", pm.Normal("mu", 0, 10), 1, observed=batch, total_size=1000)
    approx = _quick(model, n=2000, random_seed=1, obj_optimizer=pymc3_vi.adam(learning_rate=0.02))
    assert abs(approx.mean.get_value()[0] - data.mean()) < 0.15


def test_profiling(conjugate):
    profile = pymc3_vi.ADVI(model=conjugate).run_profiling(10, obj_optimizer=SGD)
    assert 10 <= profile.fct_callcount <= 10 + 20  # and the draws that are looked at before the first step
    assert pymc3_vi.ADVI(model=conjugate).run_profiling(10).fct_callcount > 10  # the default's path, many draws a call


# ---------------------------------------------------------------- errors
def test_unknown_method_lists_the_known_ones(conjugate):
    with pytest.raises(UnknownNameError, match="'advi'.*'svgd'.*Got 'avdi'.*Did you mean 'advi'"):
        pymc3_vi.fit(1, method="avdi", model=conjugate)
    with pytest.raises(TypeError, match="Got 1 instead"):
        pymc3_vi.fit(1, method=1, model=conjugate)


@pytest.mark.parametrize(
    "call, match",
    [
        (lambda m: pymc3_vi.fit(1, model=m, obj_optimiser=SGD), "'obj_optimiser'.*Did you mean 'obj_optimizer'"),
        (lambda m: pymc3_vi.ADVI(model=m, strat=3), "'strat'.*Did you mean 'start'"),
        (lambda m: pymc3_vi.MeanField(model=m, strat=3), "'strat'.*Did you mean 'start'"),
        (lambda m: pymc3_vi.SVGD(model=m, temprature=2), "'temprature'.*Did you mean 'temperature'"),
    ],
)
def test_typos_in_keywords(conjugate, call, match):
    with pytest.raises(TypeError, match=match):
        call(conjugate)


def test_bad_numbers_are_named(conjugate):
    with pytest.raises(ValueError, match="'n' parameter of fit"):
        pymc3_vi.fit(-1, model=conjugate)
    with pytest.raises(ValueError, match="'obj_n_mc'"):
        _quick(conjugate, obj_n_mc=0)
    with pytest.raises(ValueError, match="'beta' parameter of ADVI"):
        pymc3_vi.ADVI(model=conjugate, beta=-1)
    with pytest.raises(TypeError, match=r"'callbacks'.*\(approx, losses, i\)"):
        _quick(conjugate, callbacks=[3])
    with pytest.raises(ParametrizationError, match="'more_obj_params'"):
        _quick(conjugate, more_obj_params=[1.0])


def test_discrete_variables_fail_by_name(model_fast):
    with model_fast(), pm.Model() as model:
        pm.Normal("x", 0, 1)
        pm.Poisson("count", 3.0)
    with pytest.raises(ParametrizationError, match="count"):
        pymc3_vi.fit(1, model=model)


def test_no_free_variables(model_fast):
    with model_fast(), pm.Model() as model:
        pm.Normal("y", 0, 1, observed=1.0)
    with pytest.raises(GroupError, match="no free random variables"):
        pymc3_vi.fit(1, model=model)


@pytest.mark.parametrize("score", [True, False])
def test_non_finite_loss_stops_with_names_and_keeps_the_rest(model_fast, score):
    """The potential is NaN beyond 1,000, where a large step leads."""
    with model_fast(), pm.Model() as model:
        fine = pm.Normal("fine", 0, 1)
        wild = pm.Normal("wild", 0.0, 1.0)
        pm.Potential("cliff", tt.sqrt(1e6 - tt.sqr(wild)) + 3000 * wild + 0 * fine)
    inference = pymc3_vi.ADVI(model=model, random_seed=1)
    with pytest.raises(NonFiniteError) as caught:
        inference.fit(1000, score=score, progressbar=False, obj_optimizer=pymc3_vi.sgd(learning_rate=0.1))
    error = caught.value
    assert isinstance(error, FloatingPointError)
    assert "cliff" in error.variables or "wild" in error.variables
    assert f"at step {error.step}" in str(error) and "wild" in str(error) or "cliff" in str(error)
    assert np.isfinite(inference.approx.sample(10)["wild"]).all()
    if score:
        assert len(inference.approx.hist) == error.step - 1 and np.isfinite(inference.approx.hist).all()
    assert inference.state.i == error.step - 1


# ---------------------------------------------------------------- results
def test_draws_match_the_approximation(conjugate):
    approx = _quick(conjugate, n=50, random_seed=1)
    draws = approx.sample(20000, random_seed=1)["mu"]
    m, s = approx.mean.get_value()[0], approx.std.eval()[0]
    assert abs(draws.mean() - m) < 4 * s / np.sqrt(20000)
    assert draws.std() == pytest.approx(s, rel=4 / np.sqrt(2 * 20000))


def test_pickled_approximation_samples_the_same(conjugate):
    approx = _quick(conjugate, n=50, random_seed=1)
    copy = pickle.loads(pickle.dumps(approx))
    np.testing.assert_array_equal(approx.sample(20, random_seed=7)["mu"], copy.sample(20, random_seed=7)["mu"])
    np.testing.assert_array_equal(approx.sample(20)["mu"], copy.sample(20)["mu"])
    np.testing.assert_array_equal(approx.hist, copy.hist)
    assert len(pymc3_vi.KLqp(copy).fit(10, progressbar=False).hist) == 10


def test_trace_holds_transformed_untransformed_and_deterministic(model_fast):
    with model_fast(), pm.Model() as model:
        sd = pm.HalfNormal("sd", 1.0)
        w = pm.Normal("w", 0.0, sd, shape=(2, 3))
        pm.Deterministic("total", w.sum() * sd)
    approx = _quick(model, n=1)
    trace = approx.sample(7)
    assert set(trace.varnames) == {"sd_log__", "sd", "w", "total"} and len(trace) == 7
    assert trace["w"].shape == (7, 2, 3)
    np.testing.assert_allclose(trace["sd"], np.exp(trace["sd_log__"]), rtol=1e-6)
    np.testing.assert_allclose(trace["total"], trace["w"].sum((1, 2)) * trace["sd"], rtol=1e-6)
    assert set(approx.sample(2, include_transformed=False).varnames) == {"sd", "w", "total"}
    assert set(approx.sample_vp(2).varnames) == {"sd", "w", "total"}
    assert set(pymc3_vi.sample_approx(approx, 2).varnames) == set(trace.varnames)
    assert trace[3:5]["w"].shape == (2, 2, 3) and set(trace.point(1)) == set(trace.varnames)


def test_sample_node(conjugate):
    approx = _quick(conjugate, n=50, random_seed=1)
    node = conjugate.mu**2
    assert approx.sample_node(node, size=3).eval().shape == (3,)
    central = approx.apply_replacements(node, deterministic=True).eval()
    assert central == pytest.approx(approx.mean.get_value()[0] ** 2)
    size = tt.iscalar()
    drawn = approx.sample_node(node, size=size)
    assert drawn.eval({size: 5}).shape == (5,)
    assert approx.sample_node(node, more_replacements={conjugate.mu: np.asarray(3.0)}).eval() == pytest.approx(9.0)


def test_the_end_of_a_fit_is_logged(conjugate, caplog):
    def stop(approx, losses, i):
        raise StopIteration("as planned")

    with caplog.at_level(logging.INFO, logger="pymc3_vi"):
        _quick(conjugate, n=5, callbacks=[stop])
    assert "as planned" in caplog.text


@pytest.mark.parametrize("start", [None, {"mu": 0.5}])
def test_a_start_without_finite_density_fails_before_anything_is_compiled(model_fast, start):
    with model_fast(), pm.Model() as model:
        mu = pm.Normal("mu", 0.0, 1.0)
        pm.Exponential("y", tt.exp(mu), observed=np.array([1.0, -2.0]))
        pm.Potential("fine", -tt.sqr(mu))
    before = compile_count()
    with pytest.raises(StartError, match=r"the data term of variable 'y' is -inf.*mu=.*another start="):
        pymc3_vi.fit(10, model=model, start=start, progressbar=False)
    assert compile_count() == before


def test_a_bad_start_is_told_apart_from_a_bad_model(model_fast):
    with model_fast(), pm.Model() as model:
        x = pm.Normal("x", 0.0, 1.0)
        pm.Potential("cliff", tt.log(1.0 - x))
    with pytest.raises(StartError, match="the potential term of variable 'cliff' is nan.*x=2"):
        pymc3_vi.fit(10, model=model, start={"x": 2.0}, progressbar=False)
    assert len(pymc3_vi.fit(3, model=model, start={"x": -2.0}, progressbar=False, obj_optimizer=SGD).hist) == 3
