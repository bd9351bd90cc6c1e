"""The same models for NumPyro."""

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist

from benchmarks.models_pymc import BATCH, HIDDEN

__all__ = ["build"]


def normal(data):
    mu = numpyro.sample("mu", dist.Normal(0, 10))
    sigma = numpyro.sample("sigma", dist.HalfNormal(5))
    numpyro.sample("obs", dist.Normal(mu, sigma), obs=data["y"])


def schools(data):
    mu = numpyro.sample("mu", dist.Normal(0, 5))
    tau = numpyro.sample("tau", dist.HalfCauchy(5))
    offset = numpyro.sample("offset", dist.Normal(0, 1).expand([8]).to_event(1))
    numpyro.sample("obs", dist.Normal(mu + tau * offset, data["se"]), obs=data["y"])


def radon(data):
    intercept = numpyro.sample("intercept", dist.Normal(0, 5))
    uranium = numpyro.sample("uranium", dist.Normal(0, 5))
    floor = numpyro.sample("floor", dist.Normal(0, 5))
    county_sd = numpyro.sample("county_sd", dist.HalfNormal(1))
    sigma = numpyro.sample("sigma", dist.HalfNormal(1))
    offset = numpyro.sample("offset", dist.Normal(0, 1).expand([len(data["uranium"])]).to_event(1))
    county = intercept + uranium * data["uranium"] + county_sd * offset
    numpyro.sample("obs", dist.Normal(county[data["county"]] + floor * data["floor"], sigma), obs=data["y"])


def logistic(data):
    beta = numpyro.sample("beta", dist.Normal(0, 1).expand([data["x"].shape[1]]).to_event(1))
    numpyro.sample("obs", dist.Bernoulli(logits=data["x"] @ beta), obs=data["y"])


def gp(data):
    length = numpyro.sample("length", dist.Gamma(2, 1))
    scale = numpyro.sample("scale", dist.HalfNormal(2))
    noise = numpyro.sample("noise", dist.HalfNormal(1))
    x = data["x"]
    covariance = scale**2 * jnp.exp(-0.5 * ((x - x.T) / length) ** 2) + (noise**2 + 1e-6) * jnp.eye(len(x))
    numpyro.sample("obs", dist.MultivariateNormal(0.0, covariance), obs=data["y"])


def mixture(data):
    weights = numpyro.sample("weights", dist.Dirichlet(jnp.array([2.0, 2.0])))
    mu = numpyro.sample("mu", dist.Normal(jnp.array([-1.0, 1.0]), 2).to_event(1))
    sigma = numpyro.sample("sigma", dist.HalfNormal(2).expand([2]).to_event(1))
    parts = dist.MixtureSameFamily(dist.Categorical(weights), dist.Normal(mu, sigma))
    numpyro.sample("obs", parts, obs=data["y"])


def bnn(data):
    n, d = data["x"].shape
    first = numpyro.sample("first", dist.Normal(0, 1).expand([d, HIDDEN]).to_event(2))
    second = numpyro.sample("second", dist.Normal(0, 1).expand([HIDDEN, HIDDEN]).to_event(2))
    third = numpyro.sample("third", dist.Normal(0, 1).expand([HIDDEN]).to_event(1))
    with numpyro.plate("rows", n, subsample_size=BATCH) as rows:
        mean = jnp.tanh(jnp.tanh(data["x"][rows] @ first) @ second) @ third
        numpyro.sample("obs", dist.Normal(mean, 0.2), obs=data["y"][rows])


def lkj(data):
    d = data["y"].shape[1]
    sd = numpyro.sample("sd", dist.HalfNormal(2.5).expand([d]).to_event(1))
    correlation = numpyro.sample("correlation", dist.LKJCholesky(d, 2.0))
    mu = numpyro.sample("mu", dist.Normal(0, 5).expand([d]).to_event(1))
    numpyro.sample("obs", dist.MultivariateNormal(mu, scale_tril=sd[:, None] * correlation), obs=data["y"])


def independent(data):
    numpyro.sample("z", dist.Normal(0, 1).expand([int(data["d"])]).to_event(1))


def build(name, data):
    """The model of the benchmark called `name`, a function without arguments."""
    model = independent if name.startswith("full-rank") else globals()[name.split("-")[0]]
    arrays = {key: value if key == "d" else jax.numpy.asarray(value) for key, value in data.items()}
    return lambda: model(arrays)
