"""Univariate distributions that no other model has."""

import pymc3_vi  # noqa: F401  (before PyMC3)

import numpy as np
import pymc3 as pm

from ._registry import random_state, zoo


@zoo
def continuous():
    """Continuous distributions that no other model has."""
    grid = np.linspace(-3, 3, 25)
    with pm.Model() as model:
        wald = pm.Wald("wald", 1, 2)
        pm.Kumaraswamy("kumaraswamy", 2, 2)
        pm.VonMises("von_mises", 0, 1)
        pm.Weibull("weibull", 2, 1)
        pm.Gumbel("gumbel", 0, wald)
        pm.Logistic("logistic", 0, wald)
        pm.LogitNormal("logit_normal", 0, wald)
        pm.ExGaussian("ex_gaussian", 0, wald, 1)
        pm.Laplace("laplace", 0, wald)
        pm.AsymmetricLaplace("asymmetric_laplace", 1, 2)
        pm.Triangular("triangular", 0, 1, 0.4)
        pm.Pareto("pareto", 2, 1)
        pm.InverseGamma("inverse_gamma", 2, wald)
        pm.HalfStudentT("half_student", 3, wald)
        pm.Rice("rice", 1, wald)
        pm.Moyal("moyal", 0, wald)
        pm.ChiSquared("chi_squared", 3)
        pm.Cauchy("cauchy", 0, wald)
        pm.TruncatedNormal("truncated", 0, wald, lower=-1, upper=2)
        pm.Interpolated("interpolated", grid, np.exp(-(grid**2)), shape=3)
        pm.Flat("flat")
        pm.Normal("y", 0, 1, observed=np.zeros(3))
    return model


@zoo
def discrete_likelihoods(n=30):
    """Likelihoods of counts."""
    random = random_state()
    counts = random.poisson(2, n)
    trials = random.binomial(9, 0.4, n)
    with pm.Model() as model:
        p = pm.Beta("p", 2, 2)
        rate = pm.Gamma("rate", 2, 1)
        alpha, beta = pm.Gamma("alpha", 2, 1), pm.Gamma("beta", 2, 1)
        pm.Geometric("geometric", p, observed=counts + 1)
        pm.BetaBinomial("beta_binomial", alpha, beta, 9, observed=trials)
        pm.ZeroInflatedPoisson("zip", p, rate, observed=counts)
        pm.ZeroInflatedBinomial("zib", p, 9, beta / (alpha + beta), observed=trials)
        pm.ZeroInflatedNegativeBinomial("zinb", p, rate, alpha, observed=counts)
        # PyMC3's density of larger counts is 0 in floating point at draws that fits take
        pm.DiscreteWeibull("discrete_weibull", p, beta, observed=np.minimum(counts, 2))
        pm.DiscreteUniform("discrete_uniform", 0, 20, observed=counts)
        pm.HyperGeometric("hypergeometric", 30, 12, 9, observed=np.minimum(trials, 9))
        pm.Constant("constant", 1, observed=np.ones(2, dtype="int64"))
    return model
