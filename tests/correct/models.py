"""Small models whose posterior is known."""

import pymc3_vi

import numpy as np
import pymc3 as pm
import theano
from scipy import special, stats


class Trend:
    """Intercept and slope over years that nobody centred, with known noise: a Gaussian posterior, correlation 0.999."""

    def __init__(self, unit=1.0):
        year = np.arange(1960.0, 2000.0)
        x = np.stack([np.ones(40), year], axis=1)
        y = unit * (5.0 + 0.3 * (year - 1980.0) + np.random.RandomState(1).normal(0, 2.0, 40))
        prior = unit * np.array([3000.0, 5.0])
        with theano.config.change_flags(cxx=""), pm.Model() as self.model:
            intercept = pm.Normal("intercept", 0.0, prior[0])
            slope = pm.Normal("slope", 0.0, prior[1])
            pm.Normal("y", intercept + slope * year, 2.0 * unit, observed=y)
        self.cov = np.linalg.inv(np.diag(prior**-2) + x.T @ x / (2.0 * unit) ** 2)
        self.mean = self.cov @ (x.T @ y) / (2.0 * unit) ** 2
        self.sd = np.sqrt(np.diag(self.cov))
        noise = x @ np.diag(prior**2) @ x.T + (2.0 * unit) ** 2 * np.eye(40)
        self.log_evidence = stats.multivariate_normal(np.zeros(40), noise).logpdf(y)

    def mean_field(self, unit=1.0, seed=1):
        """The optimum of the family: right means, and sds that are 1 / sqrt of the precision's diagonal."""
        approx = pymc3_vi.MeanField(model=self.model, random_seed=seed)
        sd = np.diag(np.linalg.inv(self.cov)) ** -0.5
        for name, value in (("mu", self.mean), ("rho", sd + np.log(-np.expm1(-sd)))):
            approx.shared_params[name].set_value(np.asarray(value, dtype=theano.config.floatX))
        return approx


class PoissonRate:
    """Three counts with a gamma prior of their rate: on the log scale the posterior is a log-gamma, skewed."""

    shape, rate = 1.0 + 3, 1.0 + 3

    def __init__(self):
        with theano.config.change_flags(cxx=""), pm.Model() as self.model:
            rate = pm.Gamma("rate", 1.0, 1.0)
            pm.Poisson("y", rate, observed=np.array([0, 1, 2]))
        self.log_mean = special.digamma(self.shape) - np.log(self.rate)
        self.log_sd = np.sqrt(special.polygamma(1, self.shape))
        self.mean, self.sd = self.shape / self.rate, np.sqrt(self.shape) / self.rate
        # gamma prior (1, 1), Poisson likelihood: a ratio of normalising constants
        self.log_evidence = special.gammaln(self.shape) - self.shape * np.log(self.rate) - np.log(2.0)

    def gaussian(self, family=pymc3_vi.MeanField, shift=1.0, scale=0.5):
        approx = family(model=self.model, random_seed=1)
        sd = scale * self.log_sd
        approx.shared_params["mu"].set_value(np.array([self.log_mean + shift * self.log_sd]))
        approx.shared_params["rho"].set_value(np.array([np.log(np.expm1(sd))]))
        return approx
