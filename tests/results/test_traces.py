"""PyMC3's traces as inference data: what ``pm.sample`` needs of an ArviZ that no longer reads them."""

import pymc3_vi
from pymc3_vi.results import from_pymc3

import arviz as az
import numpy as np
import pymc3 as pm
import pytest
import theano
from scipy import stats

Y = np.array([1.0, 3.0, 2.0, 4.0, 3.5])


@pytest.fixture(scope="module")
def sampled():
    with pymc3_vi.fast_build(), pm.Model(coords={"day": list("abcde")}) as model:
        mu = pm.Normal("mu", 0.0, 2.0)
        sigma = pm.HalfNormal("sigma", 2.0)
        pm.Deterministic("twice", 2 * mu)
        pm.Normal("y", mu, sigma, observed=Y, dims="day")
    with theano.config.change_flags(cxx=""), model:
        trace = pm.sample(
            30,
            tune=20,
            chains=2,
            cores=1,
            step=pm.Metropolis(),
            random_seed=1,
            progressbar=False,
            return_inferencedata=False,
            compute_convergence_checks=False,
            discard_tuned_samples=False,
        )
    return model, trace


def test_values_and_log_likelihoods_are_those_of_the_trace(sampled):
    model, trace = sampled
    found = from_pymc3(trace, model=model)
    assert {"posterior", "sample_stats", "log_likelihood", "observed_data"} <= set(found.groups())
    assert set(found.posterior.data_vars) == {"mu", "sigma", "twice"} and found.posterior.mu.shape == (2, 30)
    kept = np.stack(trace.get_values("mu", combine=False))[:, 20:]
    np.testing.assert_array_equal(found.posterior.mu, kept)
    expected = stats.norm.logpdf(Y, found.posterior.mu.values[..., None], found.posterior.sigma.values[..., None])
    np.testing.assert_allclose(found.log_likelihood.y, expected, rtol=1e-10)
    assert found.log_likelihood.y.dims == ("chain", "draw", "day") and list(found.observed_data.day) == list("abcde")
    assert "warmup_posterior" not in found.groups() and "tune" not in found.sample_stats


def test_tuning_draws_on_request(sampled):
    model, trace = sampled
    found = from_pymc3(trace, model=model, save_warmup=True, log_likelihood=False)
    assert found.warmup_posterior.mu.shape == (2, 20) and "log_likelihood" not in found.groups()
    np.testing.assert_array_equal(found.warmup_posterior.mu, np.stack(trace.get_values("mu", combine=False))[:, :20])


def test_predictive_draws(sampled):
    model, trace = sampled
    draws = np.arange(2 * 30 * 5.0).reshape(60, 5)
    prior = {"mu": np.zeros(7), "sigma_log__": np.zeros(7), "y": np.ones((7, 5))}
    found = from_pymc3(trace, model=model, posterior_predictive={"y": draws}, prior=prior, log_likelihood=False)
    np.testing.assert_array_equal(found.posterior_predictive.y, draws.reshape(2, 30, 5))
    assert set(found.prior.data_vars) == {"mu"} and found.prior_predictive.y.shape == (1, 7, 5)


@pytest.mark.skipif(az.from_pymc3 is from_pymc3, reason="this ArviZ has no function of its own")
def test_equal_to_arviz_where_that_still_can(sampled):
    model, trace = sampled
    ours, theirs = from_pymc3(trace, model=model), az.from_pymc3(trace, model=model)
    for group in ("posterior", "log_likelihood", "observed_data"):
        for name in theirs[group].data_vars:
            np.testing.assert_allclose(ours[group][name], theirs[group][name], rtol=1e-10)
            assert ours[group][name].dims == theirs[group][name].dims
    assert set(theirs.sample_stats.data_vars) == set(ours.sample_stats.data_vars)


def test_sampling_with_its_checks_runs(sampled):
    with theano.config.change_flags(cxx=""), sampled[0]:
        idata = pm.sample(
            120,
            tune=10,
            chains=2,
            cores=1,
            step=pm.Metropolis(),
            random_seed=1,
            progressbar=False,
            return_inferencedata=True,
        )
    assert idata.posterior.mu.shape == (2, 120)


def test_arviz_takes_traces(sampled):
    model, trace = sampled
    with model:
        table = az.compare({"one": trace, "same": trace})
        described = az.summary(trace)
    # ArviZ 0.13 renamed the column.
    assert table.filter(regex="^(elpd_)?loo$").iloc[:, 0].nunique() == 1
    assert set(described.index) == {"mu", "sigma", "twice"}
