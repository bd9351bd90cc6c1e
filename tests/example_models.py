"""Models of the documented usage examples on invented data: the tests and `scripts/make_references.py` share them."""

import pymc3_vi  # noqa: F401  (before PyMC3)

import numpy as np
import pymc3 as pm

from examples import radon


def beta_binomial_data():
    """Successes out of 20 in each of 30 trials with probability 0.35."""
    return np.random.RandomState(20210301).binomial(20, 0.35, size=30)


def beta_binomial():
    """The callback example; its posterior is Beta(2 + sum(y), 3 + sum(20 - y))."""
    successes = beta_binomial_data()
    with pm.Model() as model:
        theta = pm.Beta("theta", alpha=2, beta=3)
        pm.Binomial("y_obs", n=20, p=theta, observed=successes)
    return model


def hierarchical_data(n_groups=10, n_per_group=20):
    """Group index and observations of groups with means from N(1, 2) and unit noise."""
    random = np.random.RandomState(20210302)
    group_idx = np.repeat(np.arange(n_groups), n_per_group)
    group_mu = random.normal(1.0, 2.0, size=n_groups)
    return group_idx, random.normal(group_mu[group_idx], 1.0)


def hierarchical():
    """The hierarchical example."""
    group_idx, observed = hierarchical_data()
    with pm.Model() as model:
        mu_mu = pm.Normal("mu_mu", mu=0, sigma=10)
        sigma_mu = pm.HalfNormal("sigma_mu", sigma=5)
        group_mu = pm.Normal("group_mu", mu=mu_mu, sigma=sigma_mu, shape=10)
        pm.Normal("y_obs", mu=group_mu[group_idx], sigma=1, observed=observed)
    return model


def radon_model():
    """The model of the demo."""
    return radon.build_model(radon.load_data())


#: name of the reference file -> function that builds the model
EXAMPLES = {"beta_binomial": beta_binomial, "hierarchical": hierarchical, "radon": radon_model}
