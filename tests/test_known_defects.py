"""Defects of PyMC3's module that are fixed here; every test fails on PyMC3's behaviour."""

import pickle
import warnings

import pymc3_vi
from pymc3_vi.errors import VarianceCollapseWarning
from pymc3_vi.flows import Formula
from pymc3_vi.steps import Step

import numpy as np
import pymc3 as pm
import pytest
import theano
import theano.tensor as tt

ADAM = pymc3_vi.adam(learning_rate=0.05)


@pytest.fixture(scope="module")
def model():
    with pymc3_vi.fast_build(), pm.Model() as model:
        pm.Normal("x", 1.0, 1.0)
        pm.Normal("w", 0.0, 2.0, shape=2)
    return model


def _fit(model, method, n=5, **kwargs):
    return pymc3_vi.fit(n, method=method, model=model, progressbar=False, obj_optimizer=ADAM, **kwargs)


def test_particles_are_seeded(model):
    start = [
        pymc3_vi.SVGD(n_particles=20, jitter=1.0, model=model, random_seed=seed).approx.histogram.get_value()
        for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(start[0], start[1])
    assert (start[0] != start[2]).all()


def test_flows_are_seeded(model):
    def params(seed):
        return [p.get_value() for p in pymc3_vi.NFVI("planar*2-radial-hh", model=model, random_seed=seed).approx.params]

    for a, b in zip(params(1), params(1)):
        np.testing.assert_array_equal(a, b)
    assert any((a != b).any() for a, b in zip(params(1), params(2)))


@pytest.mark.filterwarnings("ignore:ASVGD is experimental")
def test_asvgd_takes_a_seed(model):
    a, b = (_fit(model, "asvgd", random_seed=3, obj_n_mc=20) for _ in range(2))
    for p, q in zip(a.params, b.params):
        np.testing.assert_array_equal(p.get_value(), q.get_value())


def test_flow_formulas_keep_the_model(model):
    assert pm.Model.get_context(error_if_none=False) is None
    approx = _fit(model, "nfvi=scale-loc")
    assert approx.model is model and approx.flow.formula == "scale-loc"


def test_formulas_pickle():
    assert pickle.loads(pickle.dumps(Formula("scale-hh*2-loc"))).formula == "scale-hh*2-loc"


def test_flow_parameters_run_first_to_last(model):
    flow = pymc3_vi.NormalizingFlow("scale-loc", model=model)
    assert [sorted(flow.shared_params[i]) for i in (0, 1)] == [["rho"], ["loc"]]


@pytest.mark.filterwarnings("ignore::pymc3_vi.errors.VarianceCollapseWarning")
def test_kernels_as_plain_functions_and_names(model):
    def linear(X):
        n = tt.cast(X.shape[0], X.dtype)
        return tt.dot(X, X.T) + 1, X * n

    for kernel in (linear, "rbf", "imq"):
        approx = _fit(model, "svgd", n=3, inf_kwargs={"kernel": kernel, "n_particles": 20, "jitter": 1.0})
        assert np.isfinite(approx.histogram.get_value()).all()
    with pytest.raises(KeyError, match="Unknown kernel 'rbff'.*Did you mean 'rbf'"):
        pymc3_vi.SVGD(kernel="rbff", model=model)


def test_a_trainable_test_function_gets_its_own_gradients(model):
    """f_t(z) = t * mean(z): the adversary's update must be the gradient with respect to t, with the opposite sign."""
    weight = theano.shared(2.0, "t")

    class Scaled(pymc3_vi.TestFunction):
        shared_params = {"t": weight}

        def __call__(self, z):
            return weight * tt.mean(z)

    class Game(pymc3_vi.Operator):
        has_test_function = True

        def apply(self, f):
            return f(self.terms.z[0]) + 0 * self.logq

    approx = pymc3_vi.MeanField(model=model, random_seed=1)
    objective = Game(approx)(Scaled())
    sgd = pymc3_vi.sgd(learning_rate=0.1)
    mu, rho = approx.params
    mu.set_value(np.full(3, 4.0, dtype=mu.dtype))
    rho.set_value(np.full(3, -40.0, dtype=rho.dtype))  # no noise: z = mu
    Step(objective.build_step(obj_optimizer=sgd, test_optimizer=sgd)).run(1)
    assert weight.get_value() == pytest.approx(2.0 + 0.1 * 4.0)  # ascent along mean(z)
    np.testing.assert_allclose(mu.get_value(), 4.0 - 0.1 * 2.0 / 3)  # descent along t / 3


def test_flow_parameters_are_read_by_name(model):
    flow = pymc3_vi.NormalizingFlow("scale-planar-radial-loc", model=model, random_seed=1).flow
    for step in flow.chain:
        for name, value in step.shared_params.items():
            assert getattr(step, name) is value
    scale = next(iter(flow.chain))
    with theano.config.change_flags(cxx=""):
        log_scale = scale.log_scale.eval()
    np.testing.assert_allclose(log_scale, np.log(np.log1p(np.exp(scale.rho.get_value()))), rtol=1e-6)


def test_the_flat_vector_has_the_models_order():
    names = ["zeta", "beta", "alpha", "gamma", "delta", "epsilon"]
    with pymc3_vi.fast_build(), pm.Model() as model:
        for name in names:
            pm.Normal(name, 0.0, 1.0)
    assert pymc3_vi.MeanField(model=model).ordering.names == names


def test_early_stops_refine_and_callback_indices(model):
    indices = []

    def stop_at_three(approx, losses, i):
        indices.append(i)
        if i == 3:
            raise StopIteration("early")

    inference = pymc3_vi.ADVI(model=model, random_seed=1)
    approx = inference.fit(5, progressbar=False, obj_optimizer=ADAM, callbacks=[stop_at_three])
    assert len(approx.hist) == 3
    inference.refine(3, progressbar=False)
    assert indices == [1, 2, 3, 4, 5, 6]
    np.testing.assert_array_equal(approx.hist, inference.hist)
    assert len(approx.hist) == 6


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda m: pymc3_vi.MeanField(model=m, strat=3), "'strat'.*Did you mean 'start'"),
        (lambda m: pymc3_vi.ADVI(model=m, learning_rat=3), "'learning_rat'"),
        (lambda m: pymc3_vi.fit(1, model=m, obj_optimiser=ADAM), "fit.*'obj_optimiser'.*Did you mean 'obj_optimizer'"),
    ],
    ids=["approximation", "inference", "fit"],
)
def test_misspelt_keywords_are_refused(model, call, words):
    with pytest.raises(TypeError, match=words):
        call(model)


def test_half_built_objects_and_unknown_parts_are_named(model):
    with pytest.raises(AttributeError, match="groups"):
        _ = pymc3_vi.MeanField.__new__(pymc3_vi.MeanField).mean
    with pytest.raises(ValueError, match="Got 'globl' instead.*Did you mean 'global'"):
        pymc3_vi.MeanField(model=model).collect("mean", "globl")


def test_errors_of_optimizers_name_no_other_library():
    with pytest.raises(Exception) as caught:
        pymc3_vi.adam(tt.scalar("loss"), [tt.vector("no_shared_variable")])
    assert "no_shared_variable" in str(caught.value) and "lasagne" not in str(caught.value).lower()


def test_has_batched_is_false_without_rows(model):
    assert not pymc3_vi.MeanField(model=model).has_batched


def test_writing_through_a_shortcut_reaches_the_group(model):
    approx = pymc3_vi.MeanField(model=model)
    new = dict(approx.shared_params)
    approx.shared_params = new
    assert approx.groups[0].shared_params is new
    with pytest.raises(AttributeError, match="'MeanField' object has no attribute 'no_such_thing'"):
        _ = approx.no_such_thing


def test_variance_collapse_is_announced_once(model):
    inference = pymc3_vi.SVGD(n_particles=10, jitter=1.0, model=model, random_seed=1)
    with pytest.warns(VarianceCollapseWarning, match="n_particles of at least 16"):
        inference.fit(2, progressbar=False, obj_optimizer=ADAM)
    with warnings.catch_warnings():
        warnings.simplefilter("error", VarianceCollapseWarning)
        inference.fit(2, progressbar=False, obj_optimizer=ADAM)


def test_install_is_reversible_and_idempotent():
    before = {name: getattr(pm, name) for name in ("fit", "ADVI", "variational", "updates", "adam", "MeanField")}
    with pymc3_vi.install():
        pymc3_vi.install()
        assert pm.fit is pymc3_vi.fit and pm.variational is pymc3_vi and pm.updates is pymc3_vi.updates
        assert pm.callbacks.Tracker is pymc3_vi.Tracker and pm.Tracker is pymc3_vi.Tracker
        from pymc3.variational.opvi import Group

        assert Group is pymc3_vi.Group
    for name, value in before.items():
        assert getattr(pm, name) is value
    assert not hasattr(pm, "Tracker")
    pymc3_vi.uninstall()
    from pymc3.variational.opvi import Group

    assert Group is not pymc3_vi.Group


@pytest.mark.slow
@pytest.mark.parametrize("init", ["advi", "advi+adapt_diag", "advi_map"])
def test_nuts_initialised_by_our_advi(init):
    data = np.random.RandomState(1).normal(2.0, 1.0, 50)
    with pymc3_vi.install(), pymc3_vi.fast_build(), pm.Model():
        mu = pm.Normal("mu", 0.0, 5.0)
        pm.Normal("y", mu, 1.0, observed=data)
        trace = pm.sample(
            200,
            tune=200,
            init=init,
            n_init=5000,
            chains=2,
            cores=1,
            random_seed=1,
            progressbar=False,
            return_inferencedata=False,
        )
    assert trace["mu"].mean() == pytest.approx(data.mean(), abs=0.1)
