"""Models whose evidence is known, in closed form or by quadrature, and what bridge sampling makes of them.

Every function builds its model inside of a model context and returns the log evidence.
"""

import time
import warnings
from collections import OrderedDict

import pymc3_vi

import numpy as np
import pymc3 as pm
import theano
import theano.tensor as tt
from scipy import special, stats

from benchmarks.hard_models import HARD_MODELS

__all__ = ["KNOWN_EVIDENCE", "FITS", "build", "measure"]

KNOWN_EVIDENCE = OrderedDict()
#: Fits of every model; the seeds of the chains are dealt out to them.
FITS = 5


def _model(function):
    KNOWN_EVIDENCE[function.__name__] = function
    return function


def build(name):
    """Model `name` and its log evidence."""
    with theano.config.change_flags(cxx=""), pm.Model() as model:
        truth = float(KNOWN_EVIDENCE[name]())
    return model, truth


def measure(name, seeds):
    """Rows of seed, error, stated standard error and CPU seconds."""
    model, truth = build(name)
    rows = []
    for fit in range(FITS):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            q = pymc3_vi.fit(model=model, random_seed=fit + 1, progressbar=False)
            for seed in range(1 + fit, seeds + 1, FITS):
                begin = time.process_time()
                report = q.diagnose(draws=100, random_seed=seed, correct="hmc")
                away, error = report.log_evidence - truth, report.log_evidence_error
                rows.append([seed, away, error, bool(report.chains.reliable), time.process_time() - begin])
    return rows


@_model
def conjugate_normal():
    """Mean of 20 observations with known noise."""
    y = np.random.RandomState(1).normal(3.0, 2.0, 20)
    mu = pm.Normal("mu", 0.0, 10.0)
    pm.Normal("y", mu, 2.0, observed=y)
    return stats.multivariate_normal(np.zeros(20), 100.0 + 4.0 * np.eye(20)).logpdf(y)


@_model
def beta_binomial():
    """One success in twenty trials."""
    p = pm.Beta("p", 0.5, 0.5)
    pm.Binomial("y", n=20, p=p, observed=1)
    return np.log(20.0) + special.betaln(1.5, 19.5) - special.betaln(0.5, 0.5)


@_model
def gamma_poisson():
    """Four counts, of which one is 1 and the others 0."""
    y = np.array([0, 1, 0, 0])
    rate = pm.Gamma("rate", 0.5, 0.1)
    pm.Poisson("y", rate, observed=y)
    a, b = 0.5, 0.1
    prior = a * np.log(b) - special.gammaln(a)
    after = special.gammaln(a + y.sum()) - (a + y.sum()) * np.log(b + len(y))
    return prior + after - special.gammaln(y + 1).sum()


@_model
def uncentred_regression():
    """Intercept and slope over calendar years, known noise: correlation 0.999."""
    year = np.arange(1960.0, 2000.0)
    x = np.stack([np.ones(40), year], axis=1)
    y = 5.0 + 0.3 * (year - 1980.0) + np.random.RandomState(1).normal(0, 2.0, 40)
    prior = np.array([3000.0, 5.0])
    coefs = pm.Normal("coefs", 0.0, prior, shape=2)
    pm.Normal("y", tt.dot(x, coefs), 2.0, observed=y)
    return stats.multivariate_normal(np.zeros(40), x @ np.diag(prior**2) @ x.T + 4.0 * np.eye(40)).logpdf(y)


@_model
def inverse_gamma_regression():
    """Four coefficients and the variance of the noise, normal-inverse-gamma: y is a multivariate t."""
    random = np.random.RandomState(2)
    x = np.concatenate([np.ones((30, 1)), random.normal(size=(30, 3))], axis=1)
    y = x @ np.array([1.0, 2.0, 0.0, -1.0]) + random.normal(0, 1.5, 30)
    a, b = 2.0, 3.0
    variance = pm.InverseGamma("variance", a, b)
    coefs = pm.Normal("coefs", 0.0, 3.0 * tt.sqrt(variance), shape=4)
    pm.Normal("y", tt.dot(x, coefs), tt.sqrt(variance), observed=y)
    shape = (b / a) * (np.eye(30) + 9.0 * x @ x.T)
    n, df = 30, 2 * a
    distance = y @ np.linalg.solve(shape, y)
    constant = special.gammaln((df + n) / 2) - special.gammaln(df / 2) - 0.5 * n * np.log(df * np.pi)
    return constant - 0.5 * np.linalg.slogdet(shape)[1] - 0.5 * (df + n) * np.log1p(distance / df)


@_model
def dirichlet_multinomial():
    """Shares of five categories from twelve draws, two of the categories unseen."""
    counts, prior = np.array([6, 0, 3, 3, 0]), np.full(5, 0.8)
    shares = pm.Dirichlet("shares", prior)
    pm.Multinomial("y", n=12, p=shares, observed=counts)
    orders = special.gammaln(13) - special.gammaln(counts + 1).sum()
    after = special.gammaln(prior + counts).sum() - special.gammaln(prior.sum() + 12)
    return orders + after - special.gammaln(prior).sum() + special.gammaln(prior.sum())


@_model
def random_effects():
    """Twenty groups around a common mean, variances known: 21 values."""
    random = np.random.RandomState(3)
    group = np.repeat(np.arange(20), 3)
    y = 1.0 + random.normal(0, 0.7, 20)[group] + random.normal(0, 1.0, 60)
    mean = pm.Normal("mean", 0.0, 5.0)
    effect = pm.Normal("effect", mean, 0.7, shape=20)
    pm.Normal("y", effect[group], 1.0, observed=y)
    same = (group[:, None] == group).astype(float)
    return stats.multivariate_normal(np.zeros(60), 25.0 + 0.49 * same + np.eye(60)).logpdf(y)


@_model
def two_modes():
    """Two normals ten sds apart in each coordinate, weights 0.3 and 0.7, without the factor 1 / 2 pi."""
    HARD_MODELS["two_modes"]()
    return np.log(2 * np.pi)


@_model
def near_modes():
    """The same three sds apart, weights 0.4 and 0.6."""
    HARD_MODELS["near_modes"]()
    return np.log(2 * np.pi)


@_model
def label_switching():
    """Two normals in a symmetric mixture of twelve data, by quadrature over both means."""
    HARD_MODELS["label_switching"]()
    y = np.array(pm.Model.get_context()["y"].tag.test_value)
    grid = np.linspace(-25, 25, 2501)
    prior = stats.norm(0.0, 5.0).logpdf(grid)
    logp = prior[:, None] + prior
    for value in y:
        single = stats.norm(grid, 1.0).logpdf(value)
        logp = logp + np.logaddexp(single[:, None], single) + np.log(0.5)
    return special.logsumexp(logp) + 2 * np.log(grid[1] - grid[0])
