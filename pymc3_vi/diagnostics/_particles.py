"""Checks of particles, which have no log q: their Stein discrepancy and their spread."""

from collections import namedtuple

import numpy as np
import theano.tensor as tt

from ..compiler import compile_function, without_test_values
from ..model import full_data
from ._data import check_data

__all__ = ["ParticleCheck", "check_particles", "particle_scores", "stein_discrepancy", "variance_ratios", "offsets"]


class ParticleCheck(namedtuple("ParticleCheck", "n, d, ksd, ksd_ratio, variance_ratios, offsets")):
    """What ``check_particles`` finds.

    Attributes
    ----------
    n, d : int
        Number of particles and of dimensions.
    ksd : float
        Kernelised Stein discrepancy of the particles, 0 for a perfect representation.
    ksd_ratio : float
        Its square relative to what n independent draws from the posterior have on average (1).
    variance_ratios : ndarray (d,)
        Marginal variances of the particles relative to the posterior's.
    offsets : ndarray (d,)
        Distance of the particles' mean from the posterior's, in posterior standard deviations.
    """

    __slots__ = ()


def check_particles(approx):
    """:class:`ParticleCheck` of an approximation that consists of particles."""
    check_data(approx)
    z, scores = particle_scores(approx)
    ksd, ratio = stein_discrepancy(z, scores)
    return ParticleCheck(len(z), z.shape[1], ksd, ratio, variance_ratios(z, scores), offsets(z, scores))


@without_test_values
def particle_scores(approx):
    """Particles and gradients of log p at them, both (n, d) in float64; minibatches are replaced by the whole data."""
    terms = approx.particle_terms(full_data(approx.view))
    logp = tt.sum(terms.sized_varlogp + terms.sized_datalogp)
    grads = tt.grad(logp, list(terms.z), disconnected_inputs="ignore")
    nodes = list(terms.z) + list(grads)
    values = [np.asarray(v, dtype="float64") for v in compile_function([], nodes, name="particle_scores")()]
    half = len(values) // 2
    return np.concatenate(values[:half], axis=1), np.concatenate(values[half:], axis=1)


def variance_ratios(z, scores):
    r"""Marginal variances of particles relative to those of the distribution with gradients `scores`.

    .. math:: r_i = -\frac1n \sum_j (z_{ji} - \bar z_i) \, \partial_i \log p(z_j)

    By Stein's identity its expectation under p is 1; for a Gaussian p and particles whose covariance is c times that
    of p, it is c.  No draws from p are needed.

    Parameters
    ----------
    z, scores : ndarray (n, d)
    """
    return -np.mean((z - z.mean(0)) * scores, axis=0)


def offsets(z, scores):
    r"""Distance of the particles' mean from that of p, in standard deviations of p.

    .. math:: |\bar s_i| \sqrt{\operatorname{var}(z_i) / r_i}

    exact for a Gaussian p with independent coordinates; r are the :func:`variance_ratios`.
    """
    ratios = np.maximum(variance_ratios(z, scores), np.finfo("float64").tiny)
    return np.abs(scores.mean(0)) * np.sqrt(z.var(0) / ratios)


def stein_discrepancy(z, scores, block=512):
    r"""Kernelised Stein discrepancy with the inverse multiquadric kernel :math:`(1 + |x - y|^2 / d)^{-1/2}`.

    .. math:: \mathrm{KSD}^2 = \frac1{n^2} \sum_{ij} \left[ s_i \cdot s_j k + s_i \cdot \nabla_y k
              + s_j \cdot \nabla_x k + \nabla_x \cdot \nabla_y k \right](z_i, z_j)

    Coordinates are divided by the particles' standard deviations first, so that the answer does not depend on units.

    Parameters
    ----------
    z, scores : ndarray (n, d)
    block : int
        Rows of the kernel matrix at a time.

    Returns
    -------
    ksd : float
    ratio : float
        KSD^2 over its expectation for n independent draws from p, which is the mean of the diagonal over n.

    References
    ----------
    Gorham, Mackey: Measuring Sample Quality with Kernels, ICML 2017, section 3.  Liu, Lee, Jordan: A Kernelized Stein
    Discrepancy for Goodness-of-fit Tests, ICML 2016, eq. 8.
    """
    n, d = z.shape
    scale = z.std(0)
    scale = np.where(scale > 0, scale, 1.0)
    x, s = z / scale, scores * scale
    norms, across = np.sum(x**2, axis=1), np.sum(s * x, axis=1)
    total = 0.0
    for begin in range(0, n, block):
        rows = slice(begin, begin + block)
        squared = np.maximum(norms[rows, None] + norms - 2 * x[rows] @ x.T, 0.0)
        base = 1.0 + squared / d
        # k = base^(-1/2); its gradient with respect to the first point is -base^(-3/2) (x - y) / d
        slope = base**-1.5 / d
        # (s_i - s_j) . (x_i - x_j)
        drift = across[rows, None] + across - s[rows] @ x.T - x[rows] @ s.T
        trace = slope * (d - 3 * squared / (d * base))
        total += np.sum((s[rows] @ s.T) * base**-0.5 + slope * drift + trace)
    squared_ksd = max(total, 0.0) / n**2
    diagonal = np.mean(np.sum(s**2, axis=1)) + 1.0  # k = 1, slope * d = 1, no drift
    return float(np.sqrt(squared_ksd)), float(squared_ksd * n / diagonal)
