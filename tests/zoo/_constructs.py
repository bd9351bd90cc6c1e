"""Constructs of the language: potentials, bounds, indexing, minibatches."""

import pymc3_vi  # noqa: F401  (before PyMC3)

import numpy as np
import pymc3 as pm
import theano.tensor as tt

from ._registry import random_state, weights, zoo


@zoo
def potential(n=4):
    """Potentials of tensors and scalars, reductions over several axes, broadcasting along axes of one element."""
    with pm.Model() as model:
        x = pm.Normal("x", 0, 1, shape=(n, 3))
        row = pm.Normal("row", 0, 1, shape=(1, 3))
        y = pm.Uniform("y", 0, 1)
        d = pm.Deterministic("d", (x**2).sum(axis=-1) + y)
        pm.Potential("p", -tt.max(d) - tt.mean(d, 0) - tt.sum((x - row) ** 2))
        pm.Potential("q", -tt.abs_(x.T[0]) * x[..., 1])
    return model


@zoo
def bounded(n=40):
    """Bounds from one and from both sides."""
    y = random_state().randn(n) + 2
    with pm.Model() as model:
        mu = pm.Bound(pm.Normal, lower=0.0)("mu", 1, 3)
        sigma = pm.Bound(pm.Normal, lower=0.0, upper=5.0)("sigma", 1, 2)
        shift = pm.Bound(pm.Normal, upper=1.0)("shift", 0, 1, shape=2)
        pm.Normal("y", mu + shift.sum(), sigma, observed=y)
    return model


@zoo
def indexing(n=40):
    """Matrices of parameters, indexed by pairs, slices, ellipses and boolean masks."""
    random = random_state()
    i, j, y = random.randint(0, 5, n), random.randint(0, 6, n), random.randn(n)
    with pm.Model() as model:
        a = pm.Normal("a", 0, 1, shape=(5, 6))
        g = pm.Normal("g", 0, 1, shape=5)
        joined = tt.concatenate([g, g[::-1]])
        pm.Normal("y", a[i, j] + joined[i] + a[0][j] + a[:, 2][i] + a[i][:, 1], 1, observed=y)
        changed = tt.inc_subtensor(tt.set_subtensor(a[1:3], g[:3:2].dimshuffle(0, "x"))[i[:4], j[:4]], g[:4])
        pm.Potential("changed", -tt.sqr(changed[..., ::2]).sum() - tt.sqr(a[:, [0, 3]][(np.arange(5) > 2)]).sum())
    return model


@zoo
def missing_values(n=20):
    """Observations of which some are missing and become parameters; a density and a bound on top of it as functions."""
    random = random_state()
    y = np.ma.masked_values(np.where(np.arange(n) % 5 == 2, -99.0, random.randn(n)), -99.0)
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 1)
        pm.Normal("y", mu, 1, observed=y)
        pm.DensityDist("own", lambda value: -tt.sqr(value - mu).sum(), observed=random.randn(3))
        pm.Potential("censored", pm.Normal.dist(mu, 1).logcdf(1.5) * 3)
    return model


@zoo
def minibatch(n=200, d=3, batch=20):
    """Linear regression on minibatches."""
    random = random_state()
    x, w = weights(random, n, d)
    y = x @ w + 0.3 * random.randn(n)
    rows, targets = pm.Minibatch(x, batch, random_seed=1), pm.Minibatch(y, batch, random_seed=1)
    with pm.Model() as model:
        w = pm.Normal("w", 0, 5, shape=d)
        sigma = pm.HalfNormal("sigma", 2)
        pm.Normal("y", tt.dot(rows, w), sigma, observed=targets, total_size=n)
    return model


@zoo
def bnn(n=60, d=4, hidden=5, batch=None):
    """Classifier with two hidden layers, on all rows or on minibatches of `batch`."""
    random = random_state()
    x = random.randn(n, d)
    y = (x[:, 0] * x[:, 1] > 0).astype("int64")
    if batch is not None:
        x, y = pm.Minibatch(x, batch, random_seed=1), pm.Minibatch(y, batch, random_seed=1)
    with pm.Model() as model:
        w1 = pm.Normal("w1", 0, 1, shape=(d, hidden))
        w2 = pm.Normal("w2", 0, 1, shape=(hidden, hidden))
        w3 = pm.Normal("w3", 0, 1, shape=hidden)
        h = tt.tanh(tt.dot(tt.tanh(tt.dot(x, w1)), w2))
        pm.Bernoulli("y", tt.nnet.sigmoid(tt.dot(h, w3)), observed=y, total_size=n)
    return model
