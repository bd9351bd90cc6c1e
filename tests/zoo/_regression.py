"""Regressions and hierarchies."""

import pymc3_vi  # noqa: F401  (before PyMC3)

import numpy as np
import pymc3 as pm
import theano.sparse
import theano.tensor as tt
from scipy import sparse

from ._registry import random_state, weights, zoo


@zoo
def normal(n=50):
    """Mean and scale of a normal sample."""
    y = random_state().normal(2, 3, n)
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 10)
        sigma = pm.HalfNormal("sigma", 5)
        pm.Normal("y", mu, sigma, observed=y)
    return model


@zoo
def radon(n=80, counties=12):
    """Varying intercepts and slopes by county, non-centred, with a predictor of the counties."""
    random = random_state()
    county = random.randint(0, counties, n)
    floor = random.randint(0, 2, n).astype("float64")
    uranium = random.randn(counties)
    y = random.randn(n) + 0.5 * uranium[county] - floor
    with pm.Model() as model:
        gamma = pm.Normal("gamma", 0, 5, shape=2)
        sigma_a = pm.HalfCauchy("sigma_a", 2)
        sigma_b = pm.HalfCauchy("sigma_b", 2)
        mean_b = pm.Normal("mean_b", 0, 5)
        offset_a = pm.Normal("offset_a", 0, 1, shape=counties)
        offset_b = pm.Normal("offset_b", 0, 1, shape=counties)
        a = pm.Deterministic("a", gamma[0] + gamma[1] * uranium + sigma_a * offset_a)
        b = pm.Deterministic("b", mean_b + sigma_b * offset_b)
        noise = pm.HalfCauchy("noise", 2)
        pm.Normal("y", a[county] + b[county] * floor, noise, observed=y)
    return model


_SCHOOLS_Y = np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
_SCHOOLS_SIGMA = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])


@zoo
def schools_centred():
    """Eight schools, centred."""
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 5)
        tau = pm.HalfCauchy("tau", 5)
        theta = pm.Normal("theta", mu, tau, shape=8)
        pm.Normal("y", theta, _SCHOOLS_SIGMA, observed=_SCHOOLS_Y)
    return model


@zoo
def schools_noncentred():
    """Eight schools, non-centred."""
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 5)
        tau = pm.HalfCauchy("tau", 5)
        offset = pm.Normal("offset", 0, 1, shape=8)
        theta = pm.Deterministic("theta", mu + tau * offset)
        pm.Normal("y", theta, _SCHOOLS_SIGMA, observed=_SCHOOLS_Y)
    return model


@zoo
def logistic(n=80, d=5):
    """Logistic regression."""
    random = random_state()
    x, w = weights(random, n, d)
    y = (random.rand(n) < 1 / (1 + np.exp(-x @ w))).astype("int64")
    with pm.Model() as model:
        w = pm.Normal("w", 0, 2, shape=d)
        b = pm.Normal("b", 0, 2)
        pm.Bernoulli("y", logit_p=tt.dot(x, w) + b, observed=y)
    return model


@zoo
def poisson(n=80, d=3):
    """Poisson regression whose design matrix is sparse."""
    random = random_state()
    x, w = weights(random, n, d, 0.3)
    x[random.rand(n, d) < 0.5] = 0
    y = random.poisson(np.exp(x @ w))
    with pm.Model() as model:
        w = pm.Normal("w", 0, 1, shape=d)
        eta = theano.sparse.dot(theano.sparse.as_sparse_variable(sparse.csr_matrix(x)), w.dimshuffle(0, "x"))
        pm.Poisson("y", tt.exp(eta.flatten()), observed=y)
    return model


@zoo
def negative_binomial(n=80, d=3):
    """Counts with overdispersion, and an exposure known through a hyperprior of one element."""
    random = random_state()
    x, w = weights(random, n, d, 0.3)
    y = random.poisson(np.exp(x @ w))
    with pm.Model() as model:
        w = pm.Normal("w", 0, 1, shape=d)
        exposure = pm.Lognormal("exposure", 0, 0.5, shape=1)
        alpha = pm.Gamma("alpha", 2, 1)
        pm.NegativeBinomial("y", exposure * tt.exp(tt.dot(x, w)), alpha, observed=y)
    return model


@zoo
def binomial(groups=12):
    """Rates of groups with a common beta distribution; the scale is given by a potential, as Gelman et al. have it."""
    random = random_state()
    trials = random.randint(5, 40, groups)
    y = random.binomial(trials, 0.3)
    with pm.Model() as model:
        ab = pm.HalfFlat("ab", shape=2, testval=np.ones(2))
        pm.Potential("p(a, b)", tt.log(tt.pow(tt.sum(ab), -5 / 2)))
        theta = pm.Beta("theta", ab[0], ab[1], shape=groups)
        pm.Binomial("y", n=trials, p=theta, observed=y)
    return model


@zoo
def robust(n=60):
    """Student t noise, with a beta-distributed and a stretched coefficient."""
    random = random_state()
    x = random.randn(n)
    y = 0.3 * x + random.standard_t(3, n)
    with pm.Model() as model:
        slope = pm.Beta("slope", 2, 3)
        nu = pm.Exponential("nu", 0.1)
        width = pm.Uniform("width", 0.2, 4)
        pm.StudentT("y", nu + 1, slope * x, sigma=width, observed=y)
    return model


@zoo
def skew_normal(n=60):
    """Location, scale and shape of a skew normal sample."""
    y = random_state().gamma(2, 1, n)
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 5)
        sigma = pm.HalfNormal("sigma", 3)
        alpha = pm.Normal("alpha", 0, 3)
        pm.SkewNormal("y", mu, sigma, alpha=alpha, observed=y)
    return model
