"""Where the factories are listed."""

import functools

import pymc3_vi  # noqa: F401  (before Theano)

import numpy as np
import theano

ZOO = {}

#: Models whose own graph contains a `theano.scan`; one in their batched graph is theirs.
INNER_LOOPS = {"garch"}

#: Between them they have every kind of node of the zoo (88 in log densities and gradients), in half its time.
EVERY_KIND_OF_NODE = [
    "bnn", "binomial", "continuous", "discrete_likelihoods", "garch", "gp_latent", "gp_marginal", "minibatch",
    "missing_values", "multivariate", "normal_mixture", "poisson", "potential", "skew_normal", "softmax_regression",
]  # fmt: skip


def zoo(factory):
    """Decorator: list `factory` under its name, and build its models without a C compiler."""

    @functools.wraps(factory)
    def build(*args, **kwargs):
        with theano.config.change_flags(cxx=""):
            return factory(*args, **kwargs)

    ZOO[factory.__name__] = build
    return build


def random_state(seed=20210304):
    """Generator of the invented data."""
    return np.random.RandomState(seed)


def weights(random, n, d, scale=1.0):
    """Design matrix (n, d) and coefficients (d,)."""
    return scale * random.randn(n, d), random.randn(d)
