"""Multivariate distributions and covariances."""

import pymc3_vi  # noqa: F401  (before PyMC3)

import numpy as np
import pymc3 as pm
import theano.tensor as tt

from ._registry import random_state, zoo


@zoo
def lkj(n=40, d=3):
    """Covariance with an LKJ prior, given to the likelihood by its Cholesky factor."""
    random = random_state()
    y = random.randn(n, d) @ random.randn(d, d)
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 2, shape=d)
        packed = pm.LKJCholeskyCov("packed", n=d, eta=2, sd_dist=pm.HalfNormal.dist(2.0), compute_corr=False)
        pm.MvNormal("y", mu, chol=pm.expand_packed_triangular(d, packed), observed=y)
    return model


@zoo
def lkj_correlation(n=40, d=3):
    """As `lkj`, with the correlations and deviations computed, and varying effects drawn from the covariance."""
    random = random_state()
    group, x = random.randint(0, 5, n), random.randn(n, d)
    y = random.randn(n)
    with pm.Model() as model:
        chol, corr, stds = pm.LKJCholeskyCov("chol", n=d, eta=2, sd_dist=pm.Exponential.dist(1.0), compute_corr=True)
        offset = pm.Normal("offset", 0, 1, shape=(5, d))
        effects = pm.Deterministic("effects", tt.dot(chol, offset.T).T)
        pm.Normal("y", (effects[group] * x).sum(axis=1), 1, observed=y)
        pm.Potential("moderate", -tt.sum(stds**2) - corr[0, 1] ** 2)
    return model


@zoo
def mvnormal_cov(n=30, d=3):
    """Covariance written out, with a multivariate normal that is latent and one that is observed."""
    y = random_state().randn(n, d)
    with pm.Model() as model:
        s = pm.HalfNormal("s", 1.0, shape=d)
        rho = pm.Uniform("rho", -0.3, 0.3)
        cov = tt.diag(s**2) + rho * tt.outer(s, s) * (1 - tt.eye(d))
        mu = pm.MvNormal("mu", np.zeros(d), cov=cov + tt.eye(d), shape=d)
        pm.MvNormal("y", mu, cov=cov, observed=y)
    return model


@zoo
def multivariate(n=12, d=3):
    """The rarer multivariate distributions."""
    random = random_state()
    weights = np.diag(np.ones(4), 1) + np.diag(np.ones(4), -1)
    with pm.Model() as model:
        s = pm.HalfNormal("s", 1.0)
        # no eigenvalue comes twice: the gradient of eigenvectors, which KroneckerNormal takes, divides by differences
        tau = s * np.diag(1 + 0.5 * np.arange(d)) + 0.1
        pm.MvNormal("by_precision", np.zeros(d), tau=tau, observed=random.randn(n, d))
        pm.MvStudentT("student", 4, mu=np.zeros(d), cov=tau, observed=random.randn(n, d))
        pm.MatrixNormal("matrix", rowcov=tau, colchol=np.eye(2) * s, shape=(d, 2), observed=random.randn(d, 2))
        pm.KroneckerNormal(
            "kronecker", mu=np.zeros(6), covs=[tau, np.eye(2)], sigma=s, shape=6, observed=random.randn(6)
        )
        pm.LKJCorr("correlation", eta=2, n=3)
        pm.Wishart("wishart", nu=5, V=tau, observed=np.eye(d) + 0.2)
        pm.MvNormal("latent", np.zeros(5), tau=s * (np.diag(weights.sum(1)) + np.eye(5) - 0.5 * weights), shape=5)
    return model
