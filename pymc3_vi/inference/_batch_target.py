"""Fixed-draw ELBOs of many points at once, for warm starts."""

import numpy as np

from ..algorithms.newton import Evaluation

__all__ = ["BatchTarget"]


class BatchTarget:
    """Evaluates the fixed-draw ELBO anywhere, for :class:`WarmStart`."""

    n_mc = 1

    def __init__(self, density, blocks):
        self.density, self.blocks = density, blocks

    @property
    def evaluations(self):
        """Draws evaluated so far."""
        return self.density.evaluations

    def evaluate(self, mu, scale, eps):
        """:class:`Evaluation` of q = N(mu, S S^T) at the noise `eps` (m, d)."""
        logp, grad = self.density.slopes(mu + self.blocks.stretch(eps, scale))
        with np.errstate(invalid="ignore"):
            elbo = float(np.mean(logp)) + self.blocks.log_det(scale) + 0.5 * self.blocks.d * (1 + np.log(2 * np.pi))
        return Evaluation(elbo, grad, -logp)
