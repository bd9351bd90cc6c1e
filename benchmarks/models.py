"""Models that the benchmarks fit."""
import numpy as np
import pymc3_vi  # noqa: F401  (before PyMC3)
import pymc3 as pm

from examples import radon

__all__ = ["MODELS"]


def normal(n=1000):
    """Mean and standard deviation of `n` observations: two parameters."""
    observed = np.random.RandomState(1).normal(2.0, 1.5, size=n)
    with pm.Model() as model:
        mu = pm.Normal("mu", mu=0, sigma=10)
        sigma = pm.HalfNormal("sigma", sigma=5)
        pm.Normal("y", mu=mu, sigma=sigma, observed=observed)
    return model


def radon_model():
    """The hierarchical model of the demo: 90 parameters, 919 observations."""
    return radon.build_model(radon.load_data())


#: name -> function that builds the model
MODELS = {"normal": normal, "radon": radon_model}
