"""Draws with the covariance of a mean field's linear response, in place of the one that mean field has."""

import numpy as np
from scipy import linalg

from ..approximations.gaussian import GaussianBlocks, response_covariances, response_noise
from ..diagnostics import changed_data, point_density, row_density
from ..model import is_streamed

__all__ = ["has_response", "response_draws"]

#: Most values of a model: it takes 16 to 32 gradients for each, of which the table must not wait.
LARGEST = 200
#: Standard deviations by which means may be away from the optimum.
DRIFT = 0.2


def has_response(approx):
    """Whether the linear response of an approximation is looked at without being asked for."""
    if not all(GaussianBlocks.fits(group) for group in approx.groups):
        return False
    blocks = GaussianBlocks(approx.groups)
    known = not changed_data(approx) and not is_streamed(approx.view) and row_density(approx) is None
    return known and blocks.is_diagonal and blocks.d <= LARGEST


def response_draws(approx, draws, generator):
    """Base noise, an array (draws, ddim) a group, whose points have that covariance; None where there is none.

    There is none where q is not at its optimum, or the response is no covariance.
    """
    blocks = GaussianBlocks(approx.groups)
    mu, scale = blocks.read()
    eps = response_noise(blocks.d, int(generator.integers(2**31)))
    grad = point_density(approx).slopes(mu + scale * eps)[1]
    cov = response_covariances(grad[None], scale[None], eps)[0]
    if not np.isfinite(cov).all():
        return None
    away = np.abs(cov @ grad.mean(axis=0)) / np.sqrt(np.diag(cov))
    if away.max() > DRIFT:
        return None
    root = linalg.cholesky(cov, lower=True) / scale[:, None]
    noise = generator.standard_normal((draws, blocks.d)) @ root.T
    return [noise[:, part] for part in blocks.slices]
