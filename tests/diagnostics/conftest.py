"""A conjugate model, so that the posterior and the evidence are known."""

import pymc3_vi

import numpy as np
import pymc3 as pm
import pytest
import theano
from scipy import stats


class Conjugate:
    """y_i ~ N(mu, 1), mu_j ~ N(0, 1) independently for each column j of y (n, d)."""

    def __init__(self, y, batch=None):
        self.y = np.asarray(y)
        n, d = self.y.shape
        self.mean, self.sd = self.y.sum(0) / (n + 1), np.full(d, (n + 1) ** -0.5)
        observed = self.y if batch is None else pm.Minibatch(self.y, batch)
        with theano.config.change_flags(cxx=""), pm.Model() as self.model:
            mu = pm.Normal("mu", 0.0, 1.0, shape=d)
            pm.Normal("y", mu, 1.0, observed=observed, total_size=None if batch is None else n)
        cov = np.eye(n) + 1.0
        self.log_evidence = stats.multivariate_normal(np.zeros(n), cov).logpdf(self.y.T).sum()

    def gaussian(self, shift=0.0, scale=1.0, seed=1):
        """Mean field whose means are off by `shift` posterior sds and whose sds are `scale` times the posterior's."""
        approx = pymc3_vi.MeanField(model=self.model, random_seed=seed)
        mean, sd = self.mean + np.asarray(shift) * self.sd, np.asarray(scale) * self.sd
        for name, value in (("mu", mean), ("rho", np.log(np.expm1(sd)))):
            approx.shared_params[name].set_value(np.asarray(value, dtype=theano.config.floatX))
        return approx

    def elbo(self, shift=0.0, scale=1.0):
        """Closed form for :meth:`gaussian`: log evidence minus KL."""
        shift, scale = np.broadcast_arrays(np.asarray(shift, dtype=float), scale, np.zeros(len(self.mean)))[:2]
        return self.log_evidence - np.sum(0.5 * (scale**2 + shift**2 - 1) - np.log(scale))


@pytest.fixture(scope="session")
def conjugate():
    return Conjugate(np.random.RandomState(1).normal(0.5, 1.0, (10, 3)))
