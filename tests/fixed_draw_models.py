"""Posteriors of known shape for the tests of fixed-draw fits."""

import pymc3_vi  # noqa: F401  (before PyMC3)

import numpy as np
import pymc3 as pm
import theano
import theano.tensor as tt


def python_functions():
    """Context in which Theano functions are made without a compiler: the mathematics is the same."""
    return theano.config.change_flags(cxx="", linker="py", optimizer="fast_compile")


class GaussianTarget:
    """Correlated Gaussian over a scalar `a` and a vector `b` of three, with widths from 1e-2 to 1e2."""

    def __init__(self):
        random = np.random.RandomState(5)
        widths = np.array([1e-2, 1.0, 3.0, 1e2])
        factor = random.normal(0, 1, (4, 4))
        correlation = factor.dot(factor.T) + np.eye(4)
        scale = widths / np.sqrt(np.diag(correlation))
        self.cov = correlation * np.outer(scale, scale)
        self.sd = widths
        self.mean = np.array([0.5, -2.0, 30.0, 400.0])
        self.precision = np.linalg.inv(self.cov)
        with theano.config.change_flags(cxx="", compute_test_value="off"), pm.Model() as self.model:
            a, b = pm.Flat("a"), pm.Flat("b", shape=3)
            away = tt.concatenate([tt.stack([a]), b]) - self.mean
            pm.Potential("density", -0.5 * tt.dot(away, tt.dot(self.precision, away)))

    @property
    def mean_field_sd(self):
        """Standard deviations of the best mean field."""
        return 1 / np.sqrt(np.diag(self.precision))


def gamma_regression():
    """Three coefficients and a shape on 12 positive observations: smooth, skewed, correlated."""
    random = np.random.RandomState(6)
    x = np.stack([np.ones(12), random.normal(1.0, 1.0, 12)], axis=1)
    y = random.gamma(4.0, np.exp(x.dot([0.4, 0.5])) / 4.0)
    with theano.config.change_flags(cxx=""), pm.Model() as model:
        coefs = pm.Normal("coefs", 0.0, 2.0, shape=2)
        shape = pm.HalfNormal("shape", 5.0)
        pm.Gamma("y", alpha=shape, beta=shape / tt.exp(tt.dot(x, coefs)), observed=y)
    return model
