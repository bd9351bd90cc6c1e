"""Curvature that some of the rows tell, for any number of rows."""

import numpy as np

from ...approximations.gaussian import ArrowCurvature, Curvature

__all__ = ["MeasuredCurvature", "ends_of_few", "restored_curvature", "rows_of_few"]

#: Differences of gradients are taken over this many sds of q.
STEP = 0.5


def ends_of_few(blocks, mu, scale):
    """Points (1 + k, d) whose gradients give :func:`rows_of_few`; none without few values."""
    few = blocks.few
    ends = np.repeat(mu[None], 1 + len(few) if len(few) else 0, axis=0)
    ends[np.arange(1, len(ends)), few] += STEP * blocks.std(scale)[few]
    return ends


def rows_of_few(blocks, scale, grad):
    """Rows (k, d) of the curvature for the few values, from gradients at :func:`ends_of_few`."""
    return (grad[0] - grad[1:]) / (STEP * blocks.std(scale)[blocks.few])[:, None]


class MeasuredCurvature:
    """Curvature of log p where q is, apart for the rows and for what reads none.

    Among few values, and where q has correlations, it is dense; else the diagonal and the rows of the few values that
    may be global to the others (:attr:`GaussianBlocks.few`), from differences of gradients.

    Parameters
    ----------
    density : RowDensity
        Of all rows.
    part : object
        Of some rows, with ``slopes(z)``.
    blocks : GaussianBlocks
    mu, scale : ndarray
    eps : ndarray (m, d)
        Mirrored pairs.
    grad : ndarray (m, d), optional
        Gradients at their draws, where the part has told them.
    """

    def __init__(self, density, part, blocks, mu, scale, eps, grad=None):
        self.few = blocks.few
        ends = ends_of_few(blocks, mu, scale)
        points = np.concatenate([mu + blocks.stretch(eps, scale), ends])
        rest = density.rest(points)[1]
        if grad is None:
            both = part.slopes(points)[1]
        else:
            both = np.concatenate([grad, part.slopes(ends)[1]]) if len(ends) else grad
        self.parts = [self._of(blocks, scale, eps, grad) for grad in (both - rest, rest)]

    def _of(self, blocks, scale, eps, grad):
        grad, ends = np.split(grad, [len(eps)])
        values = Curvature.of_draws(blocks, scale, eps, grad, blocks.is_small).values
        if len(self.few):
            rows = rows_of_few(blocks, scale, ends)
            values = np.concatenate([values[None], rows])
            values[0, self.few] = rows[np.arange(len(rows)), self.few]
        return np.where(np.isfinite(values), values, 0.0)

    def scaled(self, ratio):
        """Curvature when there are `ratio` times the rows."""
        values = ratio * self.parts[0] + self.parts[1]
        if not len(self.few):
            return Curvature(values)
        return ArrowCurvature.of_rows(values[0], values[1:], self.few)


def restored_curvature(blocks, values):
    """Curvature from its `values`."""
    values, few = np.asarray(values), blocks.few
    return ArrowCurvature(values, few) if len(few) else Curvature(values)
