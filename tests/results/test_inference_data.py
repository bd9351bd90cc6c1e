"""InferenceData of approximations against densities and draws that are known."""

import json
import warnings

import pymc3_vi
from pymc3_vi.diagnostics import ImportanceWeights
from pymc3_vi.errors import ExplicitInferenceError, UnknownNameError, UnreliableWeightsWarning

import arviz as az
import numpy as np
import pymc3 as pm
import pytest
import theano
from scipy import stats

from tests.diagnostics.conftest import Conjugate


@pytest.fixture(scope="module")
def idata(biased):
    return biased.to_inference_data(300, random_seed=5)


def test_posterior_is_that_of_sample(biased, idata):
    draws = biased.sample(300, random_seed=5)["mu"]
    np.testing.assert_allclose(idata.posterior["mu"].values, draws[None], rtol=1e-6)
    assert list(idata.posterior.data_vars) == ["mu"]


def test_densities_and_weights(conjugate, idata):
    mu, found = idata.posterior["mu"].values[0], idata.sample_stats
    logp = stats.norm.logpdf(mu).sum(1) + stats.norm.logpdf(conjugate.y[:, None], mu, 1).sum((0, 2))
    logq = stats.norm.logpdf(mu, conjugate.mean + [0.5 * conjugate.sd[0], 0, 0], conjugate.sd * [1, 1.3, 1]).sum(1)
    np.testing.assert_allclose(found["logp"].values[0], logp, rtol=1e-5)
    np.testing.assert_allclose(found["logq"].values[0], logq, rtol=1e-4, atol=1e-4)
    weights = ImportanceWeights(logp - logq)
    np.testing.assert_allclose(found["weights"].values[0], weights.weights, rtol=1e-2)
    assert found["weights"].values.sum() == pytest.approx(1)
    assert idata.posterior.attrs["khat"] == pytest.approx(weights.khat, abs=0.01)


def test_log_likelihood_is_pointwise(conjugate, idata):
    mu = idata.posterior["mu"].values[0]
    exact = stats.norm.logpdf(conjugate.y, mu[:, None], 1)
    np.testing.assert_allclose(idata.log_likelihood["y"].values[0], exact, rtol=1e-5)
    np.testing.assert_allclose(idata.observed_data["y"].values, conjugate.y, rtol=1e-6)


def test_log_likelihood_of_minibatches_is_of_all_rows_and_not_scaled():
    problem = Conjugate(np.random.RandomState(2).normal(0.5, 1.0, (40, 1)), batch=5)
    idata = problem.gaussian().to_inference_data(20, random_seed=1)
    exact = stats.norm.logpdf(problem.y, idata.posterior["mu"].values[0][:, None], 1)
    np.testing.assert_allclose(idata.log_likelihood["y"].values[0], exact, rtol=1e-5)
    np.testing.assert_allclose(idata.observed_data["y"].values, problem.y, rtol=1e-6)
    prior = stats.norm.logpdf(idata.posterior["mu"].values[0]).sum(1)
    np.testing.assert_allclose(idata.sample_stats["logp"].values[0], prior + exact.sum((1, 2)), rtol=1e-5)


def test_attributes(biased, idata):
    attrs = idata.posterior.attrs
    assert attrs["inference_library"] == "pymc3_vi" and attrs["inference_library_version"] == pymc3_vi.__version__
    assert (attrs["n"], attrs["seed"], attrs["draws_seed"], attrs["correct"]) == (0, 1, 5, "")
    assert attrs["method"] == "MeanField" and attrs["approximation"] == biased.title
    versions = json.loads(attrs["versions"])
    assert versions["theano"] == theano.__version__ and versions["pymc3"] == pm.__version__


def test_netcdf_keeps_everything(idata, tmp_path):
    idata.to_netcdf(str(tmp_path / "fit.nc"))
    back = az.from_netcdf(str(tmp_path / "fit.nc"))
    assert back.groups() == idata.groups()
    for group in idata.groups():
        assert back[group].equals(idata[group])
        assert dict(back[group].attrs) == dict(idata[group].attrs)


def test_dims_and_coords(model_fast):
    coords = {"school": ["a", "b", "c"], "year": [2001, 2002]}
    with model_fast(), pm.Model(coords=coords) as model:
        x = pm.Data("x", np.arange(2.0))
        effect = pm.Normal("effect", 0.0, 1.0, dims="school")
        pm.Deterministic("double", 2 * effect, dims="school")
        pm.Deterministic("other", 3 * effect)
        pm.Normal("y", effect + x[:, None], 1.0, observed=np.zeros((2, 3)), dims=("year", "school"))
    approx = pymc3_vi.MeanField(model=model, random_seed=1)
    idata = approx.to_inference_data(10, random_seed=1, dims={"other": ["letter"]}, coords={"letter": list("xyz")})
    assert idata.posterior["effect"].dims == idata.posterior["double"].dims == ("chain", "draw", "school")
    assert list(idata.posterior["school"].values) == ["a", "b", "c"]
    assert idata.posterior["other"].dims[2:] == ("letter",) and list(idata.posterior["letter"].values) == list("xyz")
    assert idata.log_likelihood["y"].dims == ("chain", "draw", "year", "school")
    assert idata.observed_data["y"].dims == ("year", "school") and list(idata.observed_data["year"]) == [2001, 2002]
    np.testing.assert_array_equal(idata.constant_data["x"].values, [0, 1])
    np.testing.assert_allclose(idata.posterior["double"], 2 * idata.posterior["effect"], rtol=1e-6)
    # labels of the summary are those of the model's coordinates
    assert list(approx.summary(100, var_names="effect", random_seed=1).index) == ["effect[a]", "effect[b]", "effect[c]"]


def test_missing_values_and_rows_of_multivariate_data(model_fast):
    y = np.ma.masked_invalid([0.5, np.nan, -1.0])
    rows = np.array([[0.0, 1.0], [2.0, 3.0], [1.0, 1.0]])
    with model_fast(), pm.Model(coords={"row": range(3), "column": range(2)}) as model:
        mu = pm.Normal("mu", 0.0, 1.0)
        pm.Normal("y", mu, 1.0, observed=y)
        pm.MvNormal("rows", mu * np.ones(2), np.eye(2), observed=rows, dims=("row", "column"))
    idata = pymc3_vi.MeanField(model=model, random_seed=1).to_inference_data(10, random_seed=1)
    mu = idata.posterior["mu"].values[0][:, None]
    np.testing.assert_allclose(idata.log_likelihood["y"].values[0], stats.norm.logpdf([0.5, -1.0], mu, 1), rtol=1e-5)
    exact = stats.norm.logpdf(rows, mu[:, :, None], 1).sum(2)
    np.testing.assert_allclose(idata.log_likelihood["rows"].values[0], exact, rtol=1e-5)
    assert idata.log_likelihood["rows"].dims == ("chain", "draw", "row")
    np.testing.assert_array_equal(idata.observed_data["y"].values, [0.5, np.nan, -1.0])


def test_without_log_likelihood(biased):
    idata = biased.to_inference_data(10, log_likelihood=False, random_seed=1)
    assert "log_likelihood" not in idata.groups() and "observed_data" in idata.groups()


def test_parts_of_the_draws_change_nothing(biased, idata, monkeypatch):
    monkeypatch.setattr("pymc3_vi.results._model_draws.draws_in_memory", lambda *_: 70)
    parts = biased.to_inference_data(300, random_seed=5)
    for group in ("posterior", "log_likelihood", "sample_stats"):
        for name, values in idata[group].items():
            np.testing.assert_allclose(parts[group][name].values, values.values, rtol=1e-5, atol=1e-5)


def test_corrected_draws(conjugate, biased):
    idata = biased.to_inference_data(4000, correct="psis", random_seed=1)
    assert idata.posterior.attrs["correct"] == "psis" and idata.posterior.attrs["khat"] < 0.7
    np.testing.assert_array_equal(idata.sample_stats["weights"].values, 1 / 4000)
    mu = idata.posterior["mu"].values[0]
    assert np.all(np.abs(mu.mean(0) - conjugate.mean) < 4 * conjugate.sd / np.sqrt(1000))
    with pytest.warns(UnreliableWeightsWarning, match="k-hat is .* the corrected draws"):
        conjugate.gaussian(scale=0.3).to_inference_data(10, correct="psis", random_seed=1)


def test_particles_have_no_log_q(conjugate, rng):
    values = rng.normal(size=(20, 3)).astype(theano.config.floatX)
    particles = pymc3_vi.Empirical(trace={"mu": values}, model=conjugate.model)
    idata = particles.to_inference_data(50, random_seed=1)
    assert set(idata.sample_stats.data_vars) == {"logp", "weights"} and np.isnan(idata.posterior.attrs["khat"])
    assert {tuple(row) for row in idata.posterior["mu"].values[0]} <= {tuple(row) for row in values}
    with pytest.raises(ExplicitInferenceError, match="does not define log q"):
        particles.to_inference_data(50, correct="psis")


def test_posterior_predictive(conjugate, biased):
    before = np.random.get_state()[1].copy()
    idata = biased.to_inference_data(500, posterior_predictive=True, random_seed=3)
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    drawn, mu = idata.posterior_predictive["y"].values[0], idata.posterior["mu"].values[0]
    assert drawn.shape == (500,) + conjugate.y.shape
    z = drawn - mu[:, None]  # standard normal
    assert abs(z.mean()) < 4 / np.sqrt(z.size) and z.std() == pytest.approx(1, abs=4 / np.sqrt(2 * z.size))
    again = biased.to_inference_data(500, posterior_predictive=True, random_seed=3)
    np.testing.assert_array_equal(again.posterior_predictive["y"].values[0], drawn)
    own = biased.to_inference_data(500, posterior_predictive={"y": drawn}, random_seed=3)
    np.testing.assert_array_equal(own.posterior_predictive["y"].values[0], drawn)


def test_streamed_data_have_no_log_likelihood(model_fast):
    def batches():
        while True:
            yield np.zeros(3, dtype=theano.config.floatX)

    with model_fast(), pm.Model() as model:
        mu = pm.Normal("mu", 0.0, 1.0)
        pm.Normal("y", mu, 1.0, observed=pm.generator(batches()), total_size=100)
    approx = pymc3_vi.MeanField(model=model, random_seed=1)
    with pytest.warns(UserWarning, match="Data come from a Python generator"):
        idata = approx.to_inference_data(10, random_seed=1)
    assert idata.groups() == ["posterior", "sample_stats"]


def test_bad_arguments(biased):
    with pytest.raises(ValueError, match="'draws' parameter of to_inference_data must be an integer of at least 1"):
        biased.to_inference_data(0)
    with pytest.raises(UnknownNameError, match="Unknown correction of draws 'is'"):
        biased.to_inference_data(10, correct="is")
    with pytest.raises(TypeError, match="'posterior_predictive' parameter .* must be True, False or a dict of draws"):
        biased.to_inference_data(10, posterior_predictive="yes")


def test_arviz_works_on_it(idata):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = az.summary(idata)
        assert list(table.index) == ["mu[0]", "mu[1]", "mu[2]"]
        assert az.loo(idata).iloc[0] == pytest.approx(az.waic(idata).iloc[0], abs=1)
        assert set(az.compare({"a": idata, "b": idata}).index) == {"a", "b"}
        for plot in (az.plot_posterior, az.plot_density, az.plot_trace, az.plot_forest):
            assert np.size(plot(idata)) > 0
