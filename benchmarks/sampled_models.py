"""Hard posteriors without a closed form, whose references are long runs of NUTS (``benchmarks/sampled_nuts.py``).

That of the horseshoe is a Gibbs sampler's (``benchmarks/horseshoe_gibbs.py``).

A model without its file in ``tests/references/`` is left out of the tables until that command has made it.  Data are
invented with fixed seeds, except the oil price, the law school test, the epileptics and the lynxes.
"""

import json
from collections import OrderedDict

import pymc3_vi  # noqa: F401  (before PyMC3)

import numpy as np
import pandas as pd
import pymc3 as pm
import theano
import theano.tensor as tt

from benchmarks.development_set import REFERENCES

__all__ = ["HORSESHOE_PRIORS", "SAMPLED_MODELS", "build", "horseshoe_data", "reference_path", "stored"]

GALLERY = REFERENCES.parents[1] / "docs" / "gallery" / "data"
EXAMPLES = REFERENCES.parents[1] / "examples" / "data"

#: Widths of the priors of tau and sigma of the horseshoe.
HORSESHOE_PRIORS = 0.2, 2.0

SAMPLED_MODELS = OrderedDict()


def _model(function):
    SAMPLED_MODELS[function.__name__] = function
    return function


def build(name):
    """Model `name`, built without a C compiler."""
    with theano.config.change_flags(cxx=""), pm.Model() as model:
        SAMPLED_MODELS[name]()
    return model


def reference_path(name):
    """File with the NUTS summary of model `name`."""
    return REFERENCES / f"hard_{name}.json"


def stored(name):
    """Stored results of model `name`, as far as computed: ``'nuts'``."""
    path = reference_path(name)
    return json.loads(path.read_text()) if path.exists() else {}


@_model
def ode():
    """Lynxes and hares, 1900 to 1910: predator and prey by two midpoint steps a year, unrolled.

    Pelts in thousands that the Hudson's Bay Company collected: E. P. Odum (1971), *Fundamentals of Ecology*, after
    D. A. MacLulich (1937), *Fluctuations in the numbers of the varying hare*.
    """
    hares = np.array([30.0, 47.2, 70.2, 77.4, 36.3, 20.6, 18.1, 21.4, 22.0, 25.4, 27.1])
    lynxes = np.array([4.0, 6.1, 9.8, 35.2, 59.4, 41.7, 19.0, 13.0, 8.3, 9.1, 7.4])
    rates = pm.Lognormal("rates", np.log([0.55, 0.028, 0.8, 0.024]), 0.5, shape=4)
    start = pm.Lognormal("start", np.log([30.0, 4.0]), 0.5, shape=2)
    sigma = pm.Lognormal("sigma", -1.0, 1.0)

    def slopes(u, v):
        return rates[0] - rates[1] * tt.exp(v), rates[3] * tt.exp(u) - rates[2]

    u, v, h, path = tt.log(start[0]), tt.log(start[1]), 0.5, []
    for step in range(2 * len(hares) - 1):
        if step % 2 == 0:
            path.append((u, v))
        du, dv = slopes(u, v)
        du, dv = slopes(u + 0.5 * h * du, v + 0.5 * h * dv)
        u, v = u + h * du, v + h * dv
    logs = np.log([hares, lynxes])
    for i, name in enumerate(("hares", "lynxes")):
        pm.Normal(name, tt.stack([pair[i] for pair in path]), sigma, observed=logs[i])


def horseshoe_data():
    """Predictors (60, 12) and responses (60,) of :func:`horseshoe`."""
    random = np.random.RandomState(20210501)
    x = random.normal(0, 1, (60, 12))
    return x, x[:, :3].dot([2.0, -1.0, 0.6]) + random.normal(0, 1.0, 60)


@_model
def horseshoe():
    """Sparse regression: 12 predictors of which three matter, with half-Cauchy scales of all and of each."""
    x, y = horseshoe_data()
    tau = pm.HalfCauchy("tau", HORSESHOE_PRIORS[0])
    local = pm.HalfCauchy("local", 1.0, shape=12)
    z = pm.Normal("z", 0.0, 1.0, shape=12)
    sigma = pm.HalfNormal("sigma", HORSESHOE_PRIORS[1])
    pm.Normal("y", tt.dot(x, z * local * tau), sigma, observed=y)


@_model
def stochastic_volatility():
    """Spread of a year of weekly returns of crude oil (2008): a random walk through its steps."""
    oil = pd.read_csv(GALLERY / "wti.csv", parse_dates=["date"])
    price = oil["price"].values[(oil["date"] >= "2008-01-01") & (oil["date"] < "2009-01-01")]
    returns = 100 * np.diff(np.log(price))
    level = pm.Normal("level", 1.5, 1.0)
    step = pm.Exponential("step", 5.0)
    noise = pm.Normal("noise", 0.0, 1.0, shape=len(returns))
    pm.StudentT("returns", nu=8, mu=0, sigma=tt.exp(level + step * tt.cumsum(noise)), observed=returns)


@_model
def item_response():
    """Two-parameter model of 40 of 1,000 people (every 25th) and five items, an ability for everyone."""
    answers = pd.read_csv(GALLERY / "lsat6.csv")
    everyone = np.repeat(answers[[f"item{i}" for i in range(1, 6)]].values, answers["people"].values, axis=0)
    right = everyone[12::25]
    ability = pm.Normal("ability", 0.0, 1.0, shape=len(right))
    difficulty = pm.Normal("difficulty", 0.0, 2.0, shape=5)
    discrimination = pm.Lognormal("discrimination", 0.0, 0.5, shape=5)
    pm.Bernoulli("right", logit_p=discrimination * (ability[:, None] - difficulty), observed=right)


@_model
def gp_counts():
    """Counts whose log rate is a Gaussian process at 25 times, with unknown length scale and amplitude."""
    random = np.random.RandomState(20210502)
    x = np.linspace(0, 10, 25)
    y = random.poisson(np.exp(1.0 + np.sin(x)))
    scale = pm.Lognormal("length_scale", 0.4, 0.4)
    amplitude = pm.HalfNormal("amplitude", 1.5)
    level = pm.Normal("level", 0.0, 2.0)
    eta = pm.Normal("eta", 0.0, 1.0, shape=25)
    cov = tt.exp(-((x[:, None] - x) ** 2) / (2 * scale**2)) + 1e-6 * np.eye(25)
    rate = tt.exp(level + amplitude * tt.dot(tt.slinalg.cholesky(cov), eta))
    pm.Poisson("y", rate, observed=y)


@_model
def epil():
    """Seizures of 59 epileptics at four visits (BUGS examples), with an effect of every patient, centred."""
    data = pd.read_csv(EXAMPLES / "epil.csv")
    treated, base, age = data["progabide"].values, np.log(data["base"].values / 4), np.log(data["age"].values)
    x = np.stack([base, treated, treated * base, age], axis=1)
    x = x - x.mean(axis=0)
    last = np.array([0.0, 0.0, 0.0, 1.0]) - 0.25
    intercept = pm.Normal("intercept", 0.0, 100.0)
    coefs = pm.Normal("coefs", 0.0, 100.0, shape=4)
    fourth = pm.Normal("fourth", 0.0, 100.0)
    spread = pm.HalfNormal("spread", 5.0)
    patient = pm.Normal("patient", 0.0, spread, shape=len(data))
    rate = tt.exp((intercept + tt.dot(x, coefs) + patient)[:, None] + fourth * last)
    pm.Poisson("y", rate, observed=data[["y1", "y2", "y3", "y4"]].values)
