"""Models on which the default rule of ``fit`` is judged: small posteriors that are hard in different ways.

Data are invented with fixed seeds, except eight schools, radon and the seven points of PyMC issue 2162.
"""

import json
from collections import OrderedDict
from pathlib import Path

import pymc3_vi  # noqa: F401  (before PyMC3)

import numpy as np
import pymc3 as pm
import theano
import theano.tensor as tt

from examples import radon as radon_data

__all__ = ["DEVELOPMENT_SET", "build", "reference_path", "stored"]

REFERENCES = Path(__file__).resolve().parents[1] / "tests" / "references"

DEVELOPMENT_SET = OrderedDict()


def _model(function):
    DEVELOPMENT_SET[function.__name__] = function
    return function


def build(name):
    """Model `name` of the development set, built without a C compiler."""
    with theano.config.change_flags(cxx=""), pm.Model() as model:
        DEVELOPMENT_SET[name]()
    return model


def reference_path(name):
    """File with the NUTS summary and the families' optima of model `name`."""
    return REFERENCES / f"dev_{name}.json"


def stored(name):
    """Stored results of model `name`, as far as computed: ``'nuts'``, ``'mean_field'`` and ``'full_rank'``."""
    path = reference_path(name)
    return json.loads(path.read_text()) if path.exists() else {}


def _random(seed):
    return np.random.RandomState(20210400 + seed)


@_model
def conjugate_normal():
    """Mean of 20 observations with known noise: the posterior is Gaussian."""
    y = _random(1).normal(3.0, 2.0, 20)
    mu = pm.Normal("mu", 0.0, 10.0)
    pm.Normal("y", mu, 2.0, observed=y)


@_model
def normal():
    """Mean and noise of 100 observations."""
    y = _random(2).normal(1.9, 0.9, 100)
    mu = pm.Normal("mu", 0.0, 10.0)
    sigma = pm.HalfNormal("sigma", 5.0)
    pm.Normal("y", mu, sigma, observed=y)


@_model
def scaled_regression():
    """Six predictors in units from 1e-3 to 1e3: coefficients whose widths differ by 1e6."""
    random = _random(3)
    units = np.array([1e-3, 1e-2, 1e-1, 1e1, 1e2, 1e3])
    x = random.normal(0, 1, (120, 6)) * units
    beta = np.array([1.5, -2.0, 0.7, 1.0, -0.4, 2.5]) / units
    y = 40.0 + x.dot(beta) + random.normal(0, 2.0, 120)
    intercept = pm.Normal("intercept", 0.0, 100.0)
    coefs = pm.Normal("coefs", 0.0, 1e4, shape=6)
    sigma = pm.HalfCauchy("sigma", 5.0)
    pm.Normal("y", intercept + tt.dot(x, coefs), sigma, observed=y)


@_model
def far_correlated_regression():
    """A trend over calendar years that nobody centred: correlation 0.9999, 800 units from the test point."""
    random = _random(4)
    year = np.arange(1960.0, 2020.0)
    y = 14.0 + 0.4 * (year - 1990.0) + random.normal(0, 1.5, 60)
    intercept = pm.Normal("intercept", 0.0, 5000.0)
    slope = pm.Normal("slope", 0.0, 10.0)
    sigma = pm.HalfNormal("sigma", 10.0)
    pm.Normal("y", intercept + slope * year, sigma, observed=y)


@_model
def interaction_regression():
    """Two predictors far from zero and their product: four coefficients, all strongly correlated."""
    random = _random(5)
    iq = random.normal(100.0, 15.0, 150)
    school = random.binomial(1, 0.75, 150).astype(float)
    y = 10.0 + 0.6 * iq + 50.0 * school - 0.45 * iq * school + random.normal(0, 18.0, 150)
    x = np.stack([np.ones(150), iq, school, iq * school], axis=1)
    coefs = pm.Normal("coefs", 0.0, 1000.0, shape=4)
    sigma = pm.HalfCauchy("sigma", 2.5)
    pm.Normal("y", tt.dot(x, coefs), sigma, observed=y)


@_model
def issue_2162():
    """Seven points of PyMC's issue 2162, where ADVI, full-rank ADVI and SVGD found the wrong sign."""
    x = np.array([1.17, 2.97, 3.26, 4.69, 5.83, 6.0, 6.41])
    y = np.array([78.93, 58.2, 67.47, 37.47, 45.65, 32.92, 29.97])
    intercept = pm.Normal("intercept", 0.0, 100.0)
    slope = pm.Normal("slope", 0.0, 100.0)
    sigma = pm.HalfCauchy("sigma", 5.0)
    pm.Normal("score", intercept + slope * x, sigma, observed=y)


@_model
def logistic_regression():
    """Intercept and five slopes from 200 binary outcomes."""
    random = _random(6)
    x = random.normal(0, 1, (200, 5))
    x[:, 4] = 0.9 * x[:, 3] + 0.436 * x[:, 4]
    logit = -0.5 + x.dot([1.2, -0.8, 0.0, 0.5, 0.9])
    y = random.binomial(1, 1 / (1 + np.exp(-logit)))
    intercept = pm.Normal("intercept", 0.0, 5.0)
    coefs = pm.Normal("coefs", 0.0, 2.5, shape=5)
    pm.Bernoulli("y", logit_p=intercept + tt.dot(x, coefs), observed=y)


SCHOOLS_EFFECT = np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
SCHOOLS_ERROR = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])


@_model
def eight_schools_centered():
    """Eight schools with a funnel."""
    mu = pm.Normal("mu", 0.0, 5.0)
    tau = pm.HalfCauchy("tau", 5.0)
    theta = pm.Normal("theta", mu, tau, shape=8)
    pm.Normal("y", theta, SCHOOLS_ERROR, observed=SCHOOLS_EFFECT)


@_model
def eight_schools_noncentered():
    """Eight schools with offsets."""
    mu = pm.Normal("mu", 0.0, 5.0)
    tau = pm.HalfCauchy("tau", 5.0)
    offset = pm.Normal("offset", 0.0, 1.0, shape=8)
    pm.Normal("y", mu + tau * offset, SCHOOLS_ERROR, observed=SCHOOLS_EFFECT)


@_model
def radon():
    """919 homes in 85 counties, 90 latent values."""
    data = radon_data.load_data()
    intercept = pm.Normal("intercept", mu=0, sigma=5)
    uranium = pm.Normal("uranium", mu=0, sigma=5)
    floor = pm.Normal("floor", mu=0, sigma=5)
    county_sd = pm.HalfNormal("county_sd", sigma=1)
    sigma = pm.HalfNormal("sigma", sigma=1)
    offset = pm.Normal("county_offset", mu=0, sigma=1, shape=85)
    county = intercept + uranium * data.log_uranium + county_sd * offset
    pm.Normal("log_radon", mu=county[data.county] + floor * data.floor, sigma=sigma, observed=data.log_radon)


@_model
def poisson_offsets():
    """Counts with exposures over three decades; one predictor in hundreds."""
    random = _random(7)
    exposure = 10 ** random.uniform(0, 3, 80)
    x = np.stack([random.normal(0, 1, 80), random.normal(300.0, 50.0, 80)], axis=1)
    y = random.poisson(exposure * np.exp(-2.0 + 0.3 * x[:, 0] + 0.004 * x[:, 1]))
    intercept = pm.Normal("intercept", 0.0, 10.0)
    coefs = pm.Normal("coefs", 0.0, 1.0, shape=2)
    pm.Poisson("y", mu=tt.exp(intercept + tt.dot(x, coefs) + np.log(exposure)), observed=y)


@_model
def gamma_shape():
    """Shape and rate of 40 gamma observations, strongly correlated on the log scale."""
    y = _random(8).gamma(3.0, 1 / 0.02, 40)
    alpha = pm.Gamma("alpha", 1.0, 0.1)
    beta = pm.HalfNormal("beta", 1.0)
    pm.Gamma("y", alpha=alpha, beta=beta, observed=y)


@_model
def beta_shape():
    """Both shapes of 30 beta observations."""
    y = _random(9).beta(2.0, 6.0, 30)
    alpha = pm.HalfCauchy("alpha", 5.0)
    beta = pm.HalfCauchy("beta", 5.0)
    pm.Beta("y", alpha=alpha, beta=beta, observed=y)


@_model
def gaussian_process():
    """Length scale, amplitude and noise of a GP at 30 points."""
    random = _random(10)
    x = np.sort(random.uniform(0, 10, 30))
    y = np.sin(x) + 0.3 * x + random.normal(0, 0.3, 30)
    squared = (x[:, None] - x[None, :]) ** 2
    scale = pm.Gamma("length_scale", 2.0, 1.0)
    amplitude = pm.HalfNormal("amplitude", 3.0)
    noise = pm.HalfNormal("noise", 1.0)
    cov = amplitude**2 * tt.exp(-squared / (2 * scale**2)) + (noise**2 + 1e-6) * np.eye(30)
    pm.MvNormal("y", mu=np.zeros(30), cov=cov, observed=y)


@_model
def mixture():
    """Two overlapping normals with an order on their means."""
    random = _random(11)
    first = random.uniform(size=150) < 0.35
    y = np.where(first, random.normal(-1.5, 0.8, 150), random.normal(2.0, 1.2, 150))
    weight = pm.Beta("weight", 2.0, 2.0)
    low = pm.Normal("low", 0.0, 5.0)
    gap = pm.HalfNormal("gap", 5.0)
    sigma = pm.HalfNormal("sigma", 2.0, shape=2)
    pm.NormalMixture("y", w=tt.stack([weight, 1 - weight]), mu=tt.stack([low, low + gap]), sigma=sigma, observed=y)


@_model
def ar1():
    """Level, persistence and noise of 120 steps of an autoregression."""
    random = _random(12)
    y = np.empty(120)
    y[0] = 10.0
    for t in range(1, 120):
        y[t] = 2.0 + 0.8 * y[t - 1] + random.normal(0, 1.0)
    level = pm.Normal("level", 0.0, 10.0)
    persistence = pm.Normal("persistence", 0.0, 1.0)
    sigma = pm.HalfNormal("sigma", 3.0)
    pm.Normal("y", level + persistence * y[:-1], sigma, observed=y[1:])
