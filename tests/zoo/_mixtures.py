"""Simplexes, mixtures and ordered outcomes."""

import pymc3_vi  # noqa: F401  (before PyMC3)

import numpy as np
import pymc3 as pm
import theano.tensor as tt

from ._registry import random_state, zoo


@zoo
def dirichlet_multinomial(n=20, k=4):
    """Counts of categories, by the two distributions for them."""
    random = random_state()
    y = random.multinomial(50, np.ones(k) / k, size=n)
    with pm.Model() as model:
        p = pm.Dirichlet("p", np.ones(k))
        pm.Multinomial("y", 50, p, observed=y)
        pm.DirichletMultinomial("overdispersed", n=50, a=1 + 5 * p, shape=(n, k), observed=y)
    return model


@zoo
def normal_mixture(n=60, k=3):
    """Mixture of normals with ordered means."""
    random = random_state()
    y = np.concatenate([random.randn(n // 2) - 3, random.randn(n - n // 2) + 3])
    with pm.Model() as model:
        w = pm.Dirichlet("w", np.ones(k))
        mu = pm.Normal("mu", 0, 5, shape=k, transform=pm.transforms.ordered, testval=np.linspace(-3, 3, k))
        sigma = pm.HalfNormal("sigma", 2, shape=k)
        pm.NormalMixture("y", w, mu, sigma=sigma, observed=y)
    return model


@zoo
def mixture(n=60):
    """Mixture of different distributions, and one of multivariate components."""
    random = random_state()
    y = random.gamma(2, 1, n)
    with pm.Model() as model:
        w = pm.Dirichlet("w", np.ones(2))
        rate = pm.Gamma("rate", 2, 1)
        mu = pm.Normal("mu", 0, 1, shape=(2, 3))
        pm.Mixture("y", w, [pm.Exponential.dist(rate), pm.Lognormal.dist(mu[0, 0], 1.0)], observed=y)
        components = pm.Normal.dist(mu, 1.0, shape=(2, 3))
        pm.MixtureSameFamily("rows", w=w, comp_dists=components, mixture_axis=-2, shape=3, observed=random.randn(3))
    return model


@zoo
def stick_breaking(n=60, k=6):
    """Truncated Dirichlet process mixture."""
    y = random_state().randn(n)
    with pm.Model() as model:
        alpha = pm.Gamma("alpha", 1, 1)
        beta = pm.Beta("beta", 1, alpha, shape=k)
        pieces = beta * tt.concatenate([[1], tt.extra_ops.cumprod(1 - beta)[:-1]])
        w = pm.Deterministic("w", pieces / pieces.sum())
        tau = pm.Gamma("tau", 1, 1, shape=k)
        mu = pm.Normal("mu", 0, tau=tau, shape=k)
        pm.NormalMixture("y", w, mu, tau=tau, observed=y)
    return model


@zoo
def ordered(n=60):
    """Ordinal regressions with ordered cutpoints."""
    random = random_state()
    y, x = random.randint(0, 4, n), random.randn(n)
    with pm.Model() as model:
        points = np.array([-1.0, 0.0, 1.0])
        cuts = pm.Normal("cuts", 0, 2, shape=3, transform=pm.transforms.ordered, testval=points)
        slope = pm.Normal("slope", 0, 1)
        pm.OrderedLogistic("logistic", slope * x, cuts, observed=y)
        pm.OrderedProbit("probit", slope * x, cuts, observed=y)
    return model


@zoo
def softmax_regression(n=60, d=4, k=3):
    """Categories from a softmax of linear predictors."""
    random = random_state()
    x, y = random.randn(n, d), random.randint(0, k, n)
    with pm.Model() as model:
        w = pm.Normal("w", 0, 1, shape=(d, k))
        b = pm.Normal("b", 0, 1, shape=k)
        pm.Categorical("y", p=tt.nnet.softmax(tt.dot(x, w) + b), observed=y)
    return model
