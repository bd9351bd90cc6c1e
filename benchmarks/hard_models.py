"""Posteriors that no Gaussian fits, with exact means and standard deviations of some of their values.

Every function builds its model inside of a model context and returns {name of a free variable on the unconstrained
scale: (means, sds)}, in closed form or by quadrature on a grid.
"""

from collections import OrderedDict

import pymc3_vi  # noqa: F401  (before PyMC3)

import numpy as np
import pymc3 as pm
import theano
import theano.tensor as tt
from scipy import special, stats

from benchmarks.development_set import SCHOOLS_EFFECT, SCHOOLS_ERROR

__all__ = ["HARD_MODELS", "build"]

HARD_MODELS = OrderedDict()


def _model(function):
    HARD_MODELS[function.__name__] = function
    return function


def build(name):
    """Model `name` and its exact moments."""
    with theano.config.change_flags(cxx=""), pm.Model() as model:
        truth = HARD_MODELS[name]()
    return model, truth


def moments(grid, log_density, axis=0):
    """Mean and sd of `grid` under unnormalised log densities on it (summed over all other axes)."""
    weights = np.exp(log_density - log_density.max())
    other = tuple(i for i in range(weights.ndim) if i != axis)
    weights = weights.sum(axis=other) / weights.sum()
    mean = np.sum(weights * grid)
    return mean, np.sqrt(np.sum(weights * (grid - mean) ** 2))


@_model
def funnel():
    """Neal's funnel in ten dimensions."""
    v = pm.Normal("v", 0.0, 3.0)
    pm.Normal("x", 0.0, tt.exp(v / 2), shape=9)
    return {"v": (0.0, 3.0)}


@_model
def banana():
    """Rosenbrock's valley: y given x is x^2 up to noise, with a prior that closes it."""
    x = pm.Normal("x", 0.0, 1.0)
    pm.Normal("y", x**2, 0.2)
    return {"x": (0.0, 1.0), "y": (1.0, np.sqrt(2.0 + 0.04))}


@_model
def student_t3():
    """Heavy tails: t with three degrees of freedom in five dimensions, independent."""
    pm.StudentT("x", nu=3.0, mu=0.0, sigma=1.0, shape=5)
    return {"x": (np.zeros(5), np.full(5, np.sqrt(3.0)))}


def _normals(x, weights, means, sd):
    parts = [np.log(w) - 0.5 * tt.sum(((x - m) / sd) ** 2) - 2 * np.log(sd) for w, m in zip(weights, means)]
    top = tt.maximum(*parts)
    return top + tt.log(tt.exp(parts[0] - top) + tt.exp(parts[1] - top))


@_model
def two_modes():
    """Two separate normals with weights 0.3 and 0.7."""
    x = pm.Flat("x", shape=2)
    pm.Potential("density", _normals(x, [0.3, 0.7], [0.0, 10.0], 1.0))
    return {"x": (np.full(2, 7.0), np.full(2, np.sqrt(1 + 0.21 * 100)))}


@_model
def near_modes():
    """Two normals four sds apart, with a saddle between them."""
    x = pm.Flat("x", shape=2)
    pm.Potential("density", _normals(x, [0.4, 0.6], [0.0, 3.0], 1.0))
    return {"x": (np.full(2, 1.8), np.full(2, np.sqrt(1 + 0.24 * 9)))}


@_model
def label_switching():
    """Two components in a symmetric mixture: both orders of their means are as likely."""
    y = np.array([-3.1, -2.4, -1.8, -2.2, -1.1, 1.3, 2.2, 2.9, 1.7, 2.5, 2.0, 1.5])
    mu = pm.Normal("mu", 0.0, 5.0, shape=2)
    pm.NormalMixture("y", w=np.full(2, 0.5), mu=mu, sigma=np.ones(2), observed=y)
    grid = np.linspace(-6, 6, 1201)
    logp = -0.5 * (grid[:, None] / 5) ** 2 - 0.5 * (grid / 5) ** 2
    for value in y:
        single = -0.5 * (value - grid) ** 2
        logp = logp + np.logaddexp(single[:, None], single)
    mean, sd = moments(grid, logp)
    return {"mu": (np.full(2, mean), np.full(2, sd))}


@_model
def poisson_rate():
    """Few counts: a log-gamma posterior."""
    rate = pm.Gamma("rate", 0.5, 0.1)
    pm.Poisson("y", rate, observed=np.array([0, 1, 0, 0]))
    shape, scale = 0.5 + 1, 0.1 + 4
    return {"rate_log__": (special.digamma(shape) - np.log(scale), np.sqrt(special.polygamma(1, shape)))}


@_model
def eight_schools():
    """Centred eight schools: mu and tau by quadrature, with the effects integrated out."""
    mu = pm.Normal("mu", 0.0, 5.0)
    tau = pm.HalfCauchy("tau", 5.0)
    theta = pm.Normal("theta", mu, tau, shape=8)
    pm.Normal("y", theta, SCHOOLS_ERROR, observed=SCHOOLS_EFFECT)
    log_tau, means = np.linspace(-12, 6, 3001), np.linspace(-25, 35, 601)
    spread = np.exp(2 * log_tau)[:, None, None] + SCHOOLS_ERROR**2
    logp = np.sum(-0.5 * np.log(spread) - 0.5 * (SCHOOLS_EFFECT - means[:, None]) ** 2 / spread, axis=-1)
    logp += (stats.halfcauchy(scale=5).logpdf(np.exp(log_tau)) + log_tau)[:, None] - 0.5 * (means / 5) ** 2
    return {"tau_log__": moments(log_tau, logp), "mu": moments(means, logp, axis=1)}


@_model
def pumps():
    """Failures of ten power plant pumps (BUGS examples): shape and rate by quadrature, rates integrated out."""
    failures = np.array([5, 1, 5, 14, 3, 19, 1, 1, 4, 22])
    hours = np.array([94.3, 15.7, 62.9, 126.0, 5.24, 31.4, 1.05, 1.05, 2.1, 10.5])
    alpha = pm.Exponential("alpha", 1.0)
    beta = pm.Gamma("beta", 0.1, 1.0)
    rate = pm.Gamma("rate", alpha=alpha, beta=beta, shape=10)
    pm.Poisson("y", rate * hours, observed=failures)
    log_alpha, log_beta = np.linspace(-4, 3, 561), np.linspace(-7, 4, 661)
    a, b = np.exp(log_alpha)[:, None], np.exp(log_beta)[None, :]
    logp = -a + log_alpha[:, None] + 0.1 * log_beta - b
    for y, t in zip(failures, hours):
        logp = logp + a * np.log(b) - special.gammaln(a) + special.gammaln(a + y) - (a + y) * np.log(b + t)
    return {"alpha_log__": moments(log_alpha, logp), "beta_log__": moments(log_beta, logp, axis=1)}


@_model
def few_trials():
    """One success in twenty trials: a skewed logit."""
    p = pm.Beta("p", 0.5, 0.5)
    pm.Binomial("y", n=20, p=p, observed=1)
    a, b = 1.5, 19.5
    moments = special.digamma(a) - special.digamma(b), np.sqrt(special.polygamma(1, a) + special.polygamma(1, b))
    return {"p_logodds__": moments}


@_model
def separated_logistic():
    """Perfectly separated outcomes: only the prior bounds the slope."""
    x = np.array([-2.0, -1.5, -1.0, 0.5, 1.0, 2.0])
    slope = pm.Normal("slope", 0.0, 10.0)
    pm.Bernoulli("y", logit_p=slope * x, observed=(x > 0).astype(int))
    grid = np.linspace(-20, 80, 20001)
    logp = -0.5 * (grid / 10) ** 2 + np.sum(-np.logaddexp(0, -grid[:, None] * np.abs(x)), axis=1)
    return {"slope": moments(grid, logp)}


@_model
def strong_prior_scale():
    """A scale that the data hardly inform: three observations and a half-Cauchy."""
    y = np.array([-1.0, 0.4, 1.2])
    sigma = pm.HalfCauchy("sigma", 2.0)
    pm.Normal("y", 0.0, sigma, observed=y)
    grid = np.linspace(-6, 12, 20001)
    logp = stats.halfcauchy(scale=2).logpdf(np.exp(grid)) + grid - 3 * grid - 0.5 * np.sum(y**2) * np.exp(-2 * grid)
    return {"sigma_log__": moments(grid, logp)}
