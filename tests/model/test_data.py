"""Data of a model as arrays, and the log-likelihood of every observation."""

import pymc3_vi
from pymc3_vi.graph import substitute
from pymc3_vi.model import (
    ModelView,
    constant_arrays,
    full_data,
    is_streamed,
    model_coords,
    observed_arrays,
    pointwise_logp,
    variable_dims,
)

import numpy as np
import pymc3 as pm
import pytest
import theano
import theano.tensor as tt
from scipy import stats

Y = np.array([1.0, 2.0, 0.5, -1.0])
BIG = np.linspace(-1, 1, 60).reshape(30, 2)


def _pointwise(model):
    nodes = pointwise_logp(ModelView(model))
    point = {"mu": 0.3, "gappy_missing": [7.0]}
    values = {model.named_vars[k]: np.asarray(v, dtype=theano.config.floatX) for k, v in point.items()}
    with theano.config.change_flags(cxx=""):
        function = theano.function([], substitute(list(nodes.values()), values), mode=theano.Mode("py", None))
    return dict(zip(nodes, function()))


@pytest.fixture(scope="module")
def model():
    with theano.config.change_flags(cxx=""), pm.Model(coords={"unit": list("abcd")}) as model:
        mu = pm.Normal("mu", 0.0, 1.0)
        x = pm.Data("x", Y + 1, dims="unit")
        seen = pm.Data("seen", Y)
        pm.Normal("y", mu + 0 * x, 2.0, observed=seen, dims="unit")
        pm.Normal("big", mu, 1.0, observed=pm.Minibatch(BIG, 5), total_size=30)
        pm.Normal("gappy", mu, 1.0, observed=np.ma.masked_invalid([1.0, np.nan, 3.0]))
        pm.Poisson("counts", pm.math.exp(mu), observed=np.array([1, 2]), total_size=20)
        pm.MvNormal("rows", np.zeros(2) + mu, np.eye(2), observed=BIG[:3])
        pm.DensityDist("pair", lambda a, b: a * mu + b, observed={"a": Y, "b": Y**2})
    return model


def test_pointwise_is_unscaled_and_of_all_rows(model):
    values = _pointwise(model)
    np.testing.assert_allclose(values["y"], stats.norm(0.3, 2).logpdf(Y), rtol=1e-6)
    np.testing.assert_allclose(values["big"], stats.norm(0.3, 1).logpdf(BIG), rtol=1e-6)
    np.testing.assert_allclose(values["counts"], stats.poisson(np.exp(0.3)).logpmf([1, 2]), rtol=1e-6)
    np.testing.assert_allclose(values["rows"], stats.norm(0.3, 1).logpdf(BIG[:3]).sum(1), rtol=1e-6)
    np.testing.assert_allclose(values["pair"], 0.3 * Y + Y**2, rtol=1e-6)


def test_missing_entries_have_no_likelihood(model):
    values = _pointwise(model)
    np.testing.assert_allclose(values["gappy"], stats.norm(0.3, 1).logpdf([1.0, 3.0]), rtol=1e-6)


def test_observed_arrays(model):
    arrays = observed_arrays(ModelView(model))
    assert list(arrays) == ["y", "big", "gappy", "counts", "rows", "pair_a", "pair_b"]
    np.testing.assert_array_equal(arrays["y"], Y.astype(arrays["y"].dtype))
    np.testing.assert_allclose(arrays["big"], BIG, rtol=1e-6)
    np.testing.assert_array_equal(arrays["gappy"], [1.0, np.nan, 3.0])
    np.testing.assert_array_equal(arrays["counts"], [1, 2])
    np.testing.assert_allclose(arrays["pair_b"], Y**2)


def test_constants_dims_and_coords(model):
    view = ModelView(model)
    constants = constant_arrays(view)
    assert list(constants) == ["x"]
    np.testing.assert_allclose(constants["x"], Y + 1)
    assert list(model_coords(view)["unit"]) == list("abcd")
    assert variable_dims(view) == {"x": ["unit"], "y": ["unit"]}


def test_full_data_replaces_minibatches(model):
    view = ModelView(model)
    (pair,) = full_data(view).items()
    assert isinstance(pair[0], pm.Minibatch)
    np.testing.assert_allclose(pair[1].get_value(), BIG, rtol=1e-6)
    assert not is_streamed(view)


def test_streams_are_found_and_have_no_arrays():
    with theano.config.change_flags(cxx=""), pm.Model() as model:
        stream = pm.generator(np.ones(3) for _ in range(100))
        pm.Normal("y", pm.Normal("mu", 0, 1), 1.0, observed=stream, total_size=10)
    assert is_streamed(ModelView(model))
    assert observed_arrays(ModelView(model)) == {}


# ---------------------------------------------------------------- likelihoods whose "data" are free variables
_DATA = np.random.RandomState(1).normal(5, 1, 50)


def _normal(v, y):
    return pm.Normal.dist(v[0], v[1]).logp(y)


@pytest.mark.parametrize(
    "density, observed, arrays, pointwise",
    [
        (lambda v: _normal(v, _DATA).sum(), lambda v: {"v": v}, [], ()),
        (_normal, lambda v: {"v": v, "y": _DATA}, ["like_y"], (50,)),
        (lambda mu, s, y: _normal((mu, s), y), lambda v: {"mu": v[0], "s": v[1], "y": _DATA}, ["like_y"], (50,)),
        (lambda r: -(r**2) / 2, lambda v: (_DATA - v[0]) / v[1], [], (50,)),
    ],
    ids=["variables alone", "beside data", "two and data", "an expression"],
)
def test_free_variables_in_the_place_of_data(density, observed, arrays, pointwise, tmp_path):
    """What follows a fit works: they are no observed data, and are drawn."""
    with pymc3_vi.fast_build(), pm.Model() as model:
        mu, s = pm.Normal("mu", 0, 10), pm.HalfNormal("s", 5)
        pm.DensityDist("like", density, observed=observed(tt.stack([mu, s])))
    approx = pymc3_vi.MeanField(model=model, random_seed=1)
    approx.shared_params["mu"].set_value(np.array([5.0, 0.1]))
    approx.shared_params["rho"].set_value(np.full(2, -2.0))
    idata = approx.to_inference_data(30, random_seed=1)
    assert list(getattr(idata, "observed_data", {})) == arrays
    assert idata.log_likelihood["like"].shape == (1, 30) + pointwise
    with pytest.warns(UserWarning, match="cross-validation is not reliable"):  # of 30 draws
        assert np.isfinite(float(pymc3_vi.loo(idata).iloc[0]))
    drawn = idata.posterior["mu"].values[0], idata.posterior["s"].values[0]
    if arrays:
        expected = stats.norm.logpdf(_DATA, *(v[:, None] for v in drawn))
        np.testing.assert_allclose(idata.log_likelihood["like"].values[0], expected, rtol=1e-6)
    approx.save(tmp_path / "fit.npz")
    assert pymc3_vi.load(tmp_path / "fit.npz", model).summary(100).shape[0] == 2
