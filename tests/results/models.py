"""Small models that the tests of results share."""

import numpy as np
import pymc3 as pm
import theano

Y = np.array([1.0, 2.0, 0.5, -1.0, 0.3])


def hierarchy(prior_sd=5.0, y=Y, shape=2):
    """Scalars, a vector and a transformed variable."""
    with theano.config.change_flags(cxx=""), pm.Model() as model:
        s = pm.HalfNormal("s", prior_sd)
        w = pm.Normal("w", 0.0, 1.0, shape=shape)
        pm.Deterministic("total", w.sum() * s)
        pm.Normal("y", w.sum(), s, observed=y)
    return model


def vector():
    """One vector for rowwise and local groups."""
    with theano.config.change_flags(cxx=""), pm.Model() as model:
        z = pm.Normal("z", 0.0, 1.0, shape=(3, 2))
        pm.Normal("y", z, 1.0, observed=np.ones((3, 2)))
    return model
