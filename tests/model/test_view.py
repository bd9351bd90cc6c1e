"""What the package reads off a PyMC3 model."""

from pymc3_vi.errors import GroupError, ParametrizationError, StartError
from pymc3_vi.model import ModelView

import numpy as np
import pymc3 as pm
import pytest
import theano
import theano.tensor as tt


@pytest.fixture
def model(model_fast):
    with model_fast(), pm.Model() as model:
        mu = pm.Normal("mu", 1.0, 2.0)
        sigma = pm.HalfNormal("sigma", 3.0)
        w = pm.Normal("w", 0.0, 1.0, shape=(2, 3))
        pm.Deterministic("twice", 2 * mu)
        pm.Normal("y", mu + tt.sum(w), sigma, observed=np.array([1.0, 2.0, 4.0]), total_size=30)
        pm.Potential("pot", -tt.sqr(mu))
    return model


def test_variables_come_in_model_order(model_fast):
    names = ["zeta", "beta", "alpha", "gamma", "delta"]
    with model_fast(), pm.Model() as model:
        for name in names:
            pm.Normal(name, 0, 1)
    assert ModelView(model).names == names
    assert ModelView(model).layout().names == names


def test_start_is_completed_from_the_test_point(model):
    start = ModelView(model).start({"mu": 5.0})
    assert start["mu"] == 5.0
    np.testing.assert_array_equal(start["w"], np.zeros((2, 3)))
    assert list(start) == ["mu", "sigma_log__", "w"]


def test_start_transforms_values_of_the_users_variables(model):
    start = ModelView(model).start({"sigma": 2.0})
    np.testing.assert_allclose(start["sigma_log__"], np.log(2.0), rtol=1e-6)


def test_start_accepts_a_map_with_deterministics(model):
    assert ModelView(model).start({"twice": 2.0, "mu": 1.0})["mu"] == 1.0


def test_start_names_an_unknown_variable(model):
    with pytest.raises(StartError, match=r"'sigam'.*Did you mean 'sigma'"):
        ModelView(model).start({"sigam": 1.0})


def test_start_names_a_wrong_shape(model):
    with pytest.raises(StartError, match=r"'w' must have shape \(2, 3\). Got shape \(4,\)"):
        ModelView(model).start({"w": np.zeros(4)})


def test_start_outside_the_support(model):
    with pytest.raises(StartError, match="'sigma' must be finite"):
        ModelView(model).start({"sigma": 0.0})


def test_discrete_variables_are_named(model_fast):
    with model_fast(), pm.Model() as model:
        pm.Normal("x", 0, 1)
        pm.Poisson("count", 3.0)
    with pytest.raises(ParametrizationError, match="count.*Marginalise"):
        ModelView(model).check_continuous()


def test_a_model_without_free_variables(model_fast):
    with model_fast(), pm.Model() as model:
        pm.Normal("y", 0, 1, observed=1.0)
    with pytest.raises(GroupError, match="no free random variables"):
        ModelView(model)


def test_terms_add_up_to_the_models_logp(model):
    view = ModelView(model)
    point = dict(view.start({"mu": 0.3, "sigma": 1.7}), w=np.arange(6.0).reshape(2, 3) / 10)
    with theano.config.change_flags(compute_test_value="off", cxx=""):
        terms = view.logp_terms()
        values = theano.function(
            view.free, [t.node for t in terms], mode=theano.Mode("py", "fast_compile"), on_unused_input="ignore"
        )(*[np.asarray(point[n], dtype=theano.config.floatX) for n in view.names])
    assert [(t.name, t.kind) for t in terms] == [
        ("mu", "prior"), ("sigma_log__", "prior"), ("w", "prior"), ("y", "data"), ("pot", "potential"),
    ]  # fmt: skip
    normal = lambda x, m, s: -0.5 * ((x - m) / s) ** 2 - np.log(s) - 0.5 * np.log(2 * np.pi)  # noqa: E731
    expected_mu = normal(0.3, 1, 2)
    half = np.log(2) + normal(1.7, 0, 3) + np.log(1.7)
    data = 10 * normal(np.array([1.0, 2.0, 4.0]), 0.3 + 1.5, 1.7).sum()
    rtol = 1e-10 if theano.config.floatX == "float64" else 1e-5
    np.testing.assert_allclose(values, [expected_mu, half, normal(point["w"], 0, 1).sum(), data, -0.09], rtol=rtol)


def test_layout_round_trip(model, rng):
    layout = ModelView(model).layout()
    flat = rng.standard_normal(8)
    point = layout.unflatten(flat)
    assert point["w"].shape == (2, 3)
    np.testing.assert_allclose(layout.flatten(point), flat.astype(theano.config.floatX))
    assert layout.labels() == ["mu", "sigma_log__"] + [f"w[{i},{j}]" for i in range(2) for j in range(3)]
    assert layout.unflatten(np.stack([flat, flat]))["w"].shape == (2, 2, 3)


def test_minibatches_work_on_this_numpy(model_fast):
    data = np.arange(20.0).reshape(10, 2)
    with model_fast():
        batch = pm.Minibatch(data, 4, random_seed=1)
        value = batch.eval()
    assert value.shape == (4, 2)
    assert {tuple(row) for row in value} <= {tuple(row) for row in data.astype(value.dtype)}


def test_the_two_parts_of_the_log_density_are_those_of_the_model(model):
    view = ModelView(model)
    start = {"mu": 0.7, "sigma_log__": 0.2, "w": np.full((2, 3), 0.1)}
    with theano.config.change_flags(cxx="", compute_test_value="off"):
        inputs = {v: start[v.name] for v in view.free}
        prior = view.varlogp().eval(inputs)
        data = view.datalogp().eval({v: inputs[v] for v in view.free})
        # by hand: ten times the three rows for a total of 30, and the potential once
        residuals = np.array([1.0, 2.0, 4.0]) - 0.7 - 0.6
        sigma = np.exp(0.2)
        rows = -0.5 * np.sum((residuals / sigma) ** 2) - 3 * np.log(sigma) - 1.5 * np.log(2 * np.pi)
        assert data == pytest.approx(10 * rows - 0.7**2, rel=1e-12)
        assert prior + data == pytest.approx(float(model.logpt.eval(inputs)), rel=1e-12)


def test_the_log_density_is_built_once_and_again_when_a_scaling_changes(model):
    view = ModelView(model)
    before = view.datalogp()
    assert view.datalogp() is before
    values = dict(zip(view.free, view.start().values()))
    with theano.config.change_flags(cxx="", compute_test_value="off"):
        potential = float(tt.sum(model.potentials[0]).eval({view.free[0]: values[view.free[0]]}))
        was = float(before.eval(values)) - potential
        model.observed_RVs[0].scaling = 2 * model.observed_RVs[0].scaling
        assert float(view.datalogp().eval(values)) - potential == pytest.approx(2 * was, rel=1e-12)
