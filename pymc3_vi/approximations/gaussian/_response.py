"""Linear response of mean fields from gradients alone."""

import numpy as np

from ._draws import Draws, matched_pairs

__all__ = ["fixed_noise", "response_covariances", "response_noise"]

#: Pairs of draws that derivatives are averaged over, at least and for each value.
PAIRS, PAIRS_PER_VALUE = 512, 8


def fixed_noise(d, pairs, seed):
    """Mirrored Sobol pairs (2 pairs, d) with exact second moments."""
    return matched_pairs(Draws(d, seed).pairs(pairs)[0::2])


def response_noise(d, seed):
    """Noise (s, d) for :func:`response_covariances`."""
    return fixed_noise(d, max(PAIRS, 2 ** int(np.ceil(np.log2(PAIRS_PER_VALUE * d)))), seed)


def response_covariances(grad, scale, eps):
    r"""Covariances (B, d, d) that the means answer with, of mean fields at their optimum; NaN where there is none.

    The Hessian of the negative ELBO in means and log scales, in units of the scale, consists of expected derivatives
    of log p up to the third order with powers of the noise.  Stein's identity gives them from gradients alone:

    .. math::

        N_{\mu_i \mu_j} = A_{ij}, \quad
        N_{\mu_i \sigma_j} = -E[r_i (\epsilon_j^2 - 1)], \quad
        N_{\sigma_i \sigma_j} = 2 \delta_{ij} A_{ii} - E[r_i \epsilon_i (\epsilon_j^2 - 1)]

    with :math:`A = -E[g \epsilon^\top]` and :math:`r = g + A \epsilon`, which is zero where the target is Gaussian.
    The block of the means of :math:`N^{-1}` is the covariance.

    Parameters
    ----------
    grad : ndarray (B, s, d)
        Gradients of log p at the draws mean + scale * eps of every mean field.
    scale : ndarray (B, d)
    eps : ndarray (s, d)
        Of :func:`response_noise`.

    References
    ----------
    Giordano, Broderick, Jordan: Covariances, robustness, and variational Bayes, JMLR 19(51), 2018, section 3.
    """
    d = scale.shape[1]
    with np.errstate(all="ignore"):
        grad = grad * scale[:, None]
        curvature = -np.matmul(grad.transpose(0, 2, 1), eps) / len(eps)
        curvature = 0.5 * (curvature + curvature.transpose(0, 2, 1))
        rest = grad + np.matmul(eps, curvature)
        squares = (eps**2 - 1.0) / len(eps)
        mixed = -np.matmul(rest.transpose(0, 2, 1), squares)
        own = 2 * curvature * np.eye(d) - np.matmul((rest * eps).transpose(0, 2, 1), squares)
        # The means' block of the inverse, by the Schur complement.
        own = 0.5 * (own + own.transpose(0, 2, 1))
        found = np.full_like(curvature, np.nan)
        for b in range(len(scale)):
            try:
                np.linalg.cholesky(own[b])
                reduced = curvature[b] - mixed[b].dot(np.linalg.solve(own[b], mixed[b].T))
                np.linalg.cholesky(reduced)
            except np.linalg.LinAlgError:
                continue
            found[b] = np.linalg.inv(reduced) * scale[b][:, None] * scale[b]
    return found
