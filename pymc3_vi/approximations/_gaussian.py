"""What the Gaussian families share."""

import numpy as np
import theano
import theano.tensor as tt

__all__ = ["LOG_2PI", "softplus_inverse", "standard_normal_logp"]

LOG_2PI = float(np.log(2 * np.pi))


def softplus_inverse(sigma):
    """rho with log(1 + exp(rho)) = sigma, without overflow or cancellation."""
    with np.errstate(over="ignore", under="ignore"):
        return sigma + np.log(-np.expm1(-sigma))


def standard_normal_logp(group, eps):
    """log density of base noise `eps` under the standard normal, summed over one draw."""
    size = tt.cast(group.core_sum(tt.ones_like(eps)), theano.config.floatX) if group.local else group.ndim
    return -0.5 * (group.core_sum(tt.sqr(eps)) + np.asarray(LOG_2PI, dtype=theano.config.floatX) * size)
