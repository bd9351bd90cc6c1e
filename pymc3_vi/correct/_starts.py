"""Where the chains begin: draws from q, picked by tempered importance weights where q has a density."""

import numpy as np
from scipy import special

from ..approximations.gaussian import GaussianBlocks
from ..compiler import compile_function, without_test_values
from ..graph import made_once

__all__ = ["Start", "start_from"]

#: Draws from q for each place where chains begin.
PROPOSALS = 32
#: Least share of the proposals that tempered weights may be worth.
LEAST_WORTH = 0.25
#: Points from which location and scale are estimated where q is no Gaussian.
CLOUD = 1000


class Start:
    """Places to begin at, and what q tells about the scale.

    Attributes
    ----------
    z : ndarray (k, d)
    location : ndarray (d,)
    scale : ndarray (d,) or (d, d)
    """

    def __init__(self, z, location, scale):
        self.z, self.location, self.scale = z, location, scale


def start_from(approx, slopes, count, generator):
    r"""`count` draws from q where log p is finite.

    Of many draws those are picked that p thinks likely: with probabilities :math:`(p / q)^\alpha`, the power being the
    largest of at most 1 at which the weights are still worth a quarter of the draws.  Where q has no density in closed
    form, draws are taken as they are.
    """
    proposals = PROPOSALS * count
    if all(GaussianBlocks.fits(group) for group in approx.groups):
        blocks = GaussianBlocks(approx.groups)
        location, scale = blocks.read()
        eps = generator.standard_normal((proposals, blocks.d))
        z = location + blocks.stretch(eps, scale)
        log_weights = slopes(z)[0] + 0.5 * np.einsum("sd,sd->s", eps, eps)
    else:
        z = _draws(approx, max(proposals, CLOUD), generator)
        location, scale = z.mean(axis=0), z.std(axis=0)
        scale = np.where(scale > 0, scale, 1.0)
        z = z[:proposals]
        log_weights = np.where(np.isfinite(slopes(z)[0]), 0.0, -np.inf)
    log_weights = np.where(np.isfinite(log_weights), log_weights, -np.inf)
    if not np.isfinite(log_weights).any():
        return Start(z[:0], location, scale)
    probabilities = _tempered(log_weights)
    points = (np.arange(count) + generator.random()) / count
    index = np.minimum(np.searchsorted(np.cumsum(probabilities), points), len(z) - 1)
    return Start(z[generator.permutation(index)], location, scale)


def _tempered(log_weights):
    """Probabilities proportional to a power of the weights."""
    least = LEAST_WORTH * np.isfinite(log_weights).sum()
    low, high = 0.0, 1.0
    power = high
    for _ in range(30):
        if 1.0 / np.sum(_probabilities(log_weights, power) ** 2) >= least:
            low = power
        else:
            high = power
        if low == high:
            break
        power = 0.5 * (low + high)
    return _probabilities(log_weights, low)


def _probabilities(log_weights, power):
    finite = np.isfinite(log_weights)
    scaled = np.where(finite, power * np.where(finite, log_weights, 0.0), -np.inf)
    return np.exp(scaled - special.logsumexp(scaled))


@without_test_values
def _compile_draws(approx):
    eps = [group.symbolic_initial.type("eps") for group in approx.groups]
    return compile_function(eps, [g.transform(e) for g, e in zip(approx.groups, eps)], name="flat draws")


def _draws(approx, count, generator):
    """Draws (count, d) from a family that is no Gaussian."""
    function = made_once(approx, "flat_draws", lambda: _compile_draws(approx))
    parts = function(*[group.noise_array(count, generator) for group in approx.groups])
    return np.concatenate([np.asarray(p, dtype="float64") for p in parts], axis=1)
