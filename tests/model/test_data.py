"""Data of a model as arrays, and the log-likelihood of every observation."""

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
