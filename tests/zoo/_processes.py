"""Processes in time and space."""

import pymc3_vi  # noqa: F401  (before PyMC3)

import numpy as np
import pymc3 as pm

from ._registry import random_state, zoo


@zoo
def gp_marginal(n=20):
    """Gaussian process with its function integrated out."""
    random = random_state()
    x = np.linspace(0, 1, n)[:, None]
    y = np.sin(6 * x[:, 0]) + 0.1 * random.randn(n)
    with pm.Model() as model:
        length = pm.Gamma("length", 2, 4)
        eta = pm.HalfNormal("eta", 2)
        gp = pm.gp.Marginal(cov_func=eta**2 * pm.gp.cov.ExpQuad(1, length))
        gp.marginal_likelihood("y", X=x, y=y, noise=pm.HalfNormal("noise", 1))
    return model


@zoo
def gp_latent(n=20):
    """Gaussian process with its function among the parameters; its linear kernel keeps the matrix well conditioned."""
    random = random_state()
    x = np.linspace(0, 1, n)[:, None]
    y = np.sin(6 * x[:, 0]) + 0.1 * random.randn(n)
    with pm.Model() as model:
        length = pm.Gamma("length", 2, 4)
        eta = pm.HalfNormal("eta", 2)
        kernel = eta**2 * pm.gp.cov.Matern32(1, length) + pm.gp.cov.WhiteNoise(0.1)
        f = pm.gp.Latent(cov_func=kernel).prior("f", X=x)
        pm.Normal("y", f, 0.3, observed=y)
    return model


@zoo
def gp_sparse(n=20):
    """Gaussian processes with inducing points and on a grid."""
    random = random_state()
    x = np.linspace(0, 1, n)[:, None]
    y = np.sin(6 * x[:, 0]) + 0.1 * random.randn(n)
    grid = [np.linspace(0, 1, 3)[:, None], np.linspace(0, 1, 4)[:, None]]
    with pm.Model() as model:
        length = pm.Gamma("length", 2, 4)
        noise = pm.HalfNormal("noise", 1)
        kernel = pm.gp.cov.ExpQuad(1, length)
        gp = pm.gp.MarginalSparse(cov_func=kernel, approx="FITC")
        gp.marginal_likelihood("y", X=x, Xu=x[::4], y=y, noise=noise)
        on_grid = pm.gp.MarginalKron(cov_funcs=[kernel, pm.gp.cov.Matern32(1, 0.3)])
        on_grid.marginal_likelihood("on_grid", Xs=grid, y=random.randn(12), sigma=noise)
    return model


@zoo
def autoregression(n=60):
    """Autoregressive processes, one of them latent."""
    y = np.cumsum(random_state().randn(n)) * 0.1
    with pm.Model() as model:
        k = pm.Uniform("k", -1, 1)
        sigma = pm.HalfNormal("sigma", 1)
        rho = pm.Normal("rho", 0, 0.5, shape=2)
        latent = pm.AR("latent", rho, sigma=1.0, shape=8)
        pm.AR1("first", k=k, tau_e=sigma, observed=y[:8] - latent)
        pm.AR("y", [0.1, k], sigma=sigma, constant=True, observed=y)
    return model


@zoo
def random_walk(n=60):
    """Stochastic volatility of a random walk with Student t noise."""
    y = np.cumsum(random_state().randn(n)) * 0.1
    with pm.Model() as model:
        step = pm.HalfNormal("step", 1)
        x = pm.GaussianRandomWalk("x", sigma=step, shape=n)
        rate = pm.Exponential("rate", 1)
        pm.StudentT("y", 4, x, lam=rate, observed=y)
    return model


@zoo
def multivariate_walk(n=10, d=2):
    """Random walks of vectors, and a stochastic differential equation."""
    random = random_state()
    with pm.Model() as model:
        s = pm.HalfNormal("s", 1)
        cov = s * np.eye(d) + 0.1
        pm.MvGaussianRandomWalk("walk", mu=np.zeros(d), cov=cov, shape=(n, d))
        pm.MvStudentTRandomWalk("heavy", nu=4, mu=np.zeros(d), cov=cov, observed=random.randn(n, d))
        pm.distributions.timeseries.EulerMaruyama("sde", 0.1, lambda x, a: (-a * x, a), (s,), observed=random.randn(n))
    return model


@zoo
def garch(n=20):
    """GARCH(1, 1), which PyMC3 writes as a loop."""
    y = random_state().randn(n)
    with pm.Model() as model:
        a = pm.Uniform("a", 0, 0.5)
        b = pm.Uniform("b", 0, 0.5)
        pm.GARCH11("y", omega=0.2, alpha_1=a, beta_1=b, initial_vol=np.array(1.0), observed=y)
    return model
