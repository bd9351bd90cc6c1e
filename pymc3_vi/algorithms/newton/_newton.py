"""Newton's method for the ELBO of a Gaussian family with fixed draws."""

from collections import namedtuple

import numpy as np
from scipy import linalg

from ...approximations.gaussian import Curvature
from ._line_search import backtrack

__all__ = ["Place", "variational_newton"]

#: A mean and scale with their :class:`Evaluation` at fixed draws, and the predicted gain of another Newton step.
Place = namedtuple("Place", "mu, scale, evaluation, decrement")

#: Relative accuracy of an ELBO.
ROUNDING = 1e-9
#: A curvature in units of the present scale is taken to lie in this range: scales grow at most threefold a step.
SMALLEST, LARGEST = 0.1, 1e6


def variational_newton(target, mu, scale, eps, tolerance, iterations, limit=np.inf, keep=None):
    r"""Maximise the fixed-draw ELBO by steps towards :math:`S S^\top = E_q[-\nabla^2 \log p]^{-1}`.

    The gradients at the draws give the expected curvature by Stein's identity at no further cost.  The mean takes
    the Newton step, the scale moves along the geodesic towards the inverse curvature; both are shortened together
    until the ELBO rises enough.  Non-finite points are never accepted.

    Parameters
    ----------
    target : DrawTarget
    mu, scale : ndarray
        Where the ELBO is finite.
    eps : ndarray (m, d)
        Fixed noise with mean zero; at least d mirrored pairs.
    tolerance : float
        Stop when a step promises less, in nats.
    iterations : int
    limit : float
        Number of evaluated draws (those before this call included) after which no step is begun.
    keep : callable, optional
        Called with every accepted :class:`Place`.

    Returns
    -------
    Place

    References
    ----------
    Khan, Rue: The Bayesian learning rule, JMLR 24(281), 2023, section 4.2 (the variational Newton step).
    """
    place = Place(mu, scale, target.evaluate(mu, scale, eps), np.inf)
    for _ in range(iterations):
        step = _Step(target, place, eps)
        place = place._replace(decrement=step.decrement)
        if step.decrement < tolerance or target.evaluations > limit:
            break
        found = backtrack(step.value_at, place.evaluation.elbo, step.decrement, rounding=ROUNDING)
        if found is None:
            break
        place = found[1]
        if keep is not None:
            keep(place)
    return place


class _Step:
    """Direction of one iteration and what it promises."""

    def __init__(self, target, place, eps):
        self.target, self.place, self.eps = target, place, eps
        self.blocks = blocks = target.blocks
        grad, scale = place.evaluation.grad, place.scale
        mean_grad = grad.mean(axis=0)
        self.move = Curvature.of_draws(blocks, scale, eps, grad, dense=True).tamed(scale).solve(mean_grad)
        pulled = blocks.pull_back(grad, scale)
        inner = -pulled.T.dot(eps) / len(eps)
        inner = 0.5 * (inner + inner.T)
        if blocks.is_diagonal:
            self.values, self.vectors = np.diag(inner), None
        else:
            self.values, self.vectors = np.linalg.eigh(np.where(blocks.same_block(), inner, 0.0))
        self.values = np.clip(self.values, SMALLEST, LARGEST)
        self.decrement = float(mean_grad.dot(self.move) + 0.25 * np.sum(np.log(self.values) ** 2))

    def value_at(self, length):
        """ELBO and :class:`Place` after a part `length` of the step; -inf and None where a draw has no density."""
        mu, scale = self.at(length)
        if not (np.isfinite(mu).all() and np.isfinite(scale).all()):
            return -np.inf, None
        evaluation = self.target.evaluate(mu, scale, self.eps)
        return evaluation.elbo if evaluation.finite else -np.inf, Place(mu, scale, evaluation, self.decrement)

    def at(self, length):
        """(mu, scale) after a part `length` of the step."""
        mu = self.place.mu + length * self.move
        growth = self.values ** (-0.5 * length)
        if self.vectors is None:
            return mu, self.place.scale * growth
        root = self.place.scale.dot((self.vectors * growth).dot(self.vectors.T))
        # A triangular factor of root root^T, without forming the product, which would square its condition.
        triangle = linalg.qr(np.where(self.blocks.same_block(), root, 0.0).T, mode="r")[0].T
        triangle = triangle * np.where(np.diag(triangle) < 0, -1.0, 1.0)
        return mu, np.where(self.blocks.same_block(), triangle, 0.0)
