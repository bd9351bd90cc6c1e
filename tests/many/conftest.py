"""Models and data sets that the tests of many fits share."""

import pymc3_vi

import numpy as np
import pymc3 as pm


def normal_model():
    """Mean of normal data with sd 2, prior N(1, 3): the posterior is normal and known, see `normal_posterior`."""
    with pymc3_vi.fast_build(), pm.Model() as model:
        y = pm.Data("y", np.zeros(3))
        mu = pm.Normal("mu", 1.0, 3.0)
        pm.Normal("obs", mu, 2.0, observed=y)
    return model


def normal_posterior(y):
    """Mean and sd of `mu`."""
    precision = 1 / 3.0**2 + len(y) / 2.0**2
    return (1.0 / 3.0**2 + np.sum(y) / 2.0**2) / precision, precision**-0.5


def regression_model():
    """Two correlated coefficients with known noise."""
    with pymc3_vi.fast_build(), pm.Model() as model:
        x, y = pm.Data("x", np.zeros((4, 2))), pm.Data("y", np.zeros(4))
        w = pm.Normal("w", 0.0, 2.0, shape=2)
        pm.Normal("obs", pm.math.dot(x, w), 0.7, observed=y)
    return model


def regression_posterior(x, y):
    """Mean and covariance of `w`."""
    cov = np.linalg.inv(np.eye(2) / 2.0**2 + x.T.dot(x) / 0.7**2)
    return cov.dot(x.T.dot(y)) / 0.7**2, cov


def regression_data(rng, count, rows=12):
    """Correlated predictors and responses."""
    x = rng.standard_normal((count, rows, 2))
    x[:, :, 1] += x[:, :, 0]
    return {"x": x, "y": rng.standard_normal((count, rows))}
