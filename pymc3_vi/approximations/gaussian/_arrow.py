"""Curvature of hierarchical models: many values that know of each other through a few."""

import numpy as np

from ._curvature import FLATTEST

__all__ = ["ArrowCurvature"]


class ArrowCurvature:
    r"""Diagonal among many values l, dense among few values g, and dense between the two.

    With D the diagonal of the many, P the pull of the few on each of them, and B the curvature of the few where the
    many follow,

    .. math:: A = \begin{pmatrix} D & D P^\top \\ P D & B + P D P^\top \end{pmatrix},
              \qquad z^\top A z = (z_l + P^\top z_g)^\top D (z_l + P^\top z_g) + z_g^\top B z_g,

    which is positive for any positive D and B, so that D alone can be measured anew.

    Parameters
    ----------
    values : ndarray (1 + k, d)
        D and, below it, P; the columns of the few hold nothing and B.  See :meth:`of_rows`.
    few : int array (k,)
    """

    is_dense = False

    def __init__(self, values, few):
        self.values, self.few = np.ascontiguousarray(values), np.asarray(few, dtype="int64")
        self.block = self.values[1:, self.few]
        self.pull = self.values[1:].copy()
        self.pull[:, self.few] = 0.0
        self.many = self.values[0].copy()
        self.many[self.few] = 0.0

    @classmethod
    def of_rows(cls, diagonal, rows, few):
        """From the diagonal (d,) of A and its rows (k, d) of the few."""
        many = np.delete(np.arange(len(diagonal)), few)
        values = np.zeros((1 + len(few), len(diagonal)))
        values[0, many] = diagonal[many]
        reach = np.abs(diagonal[many])
        values[1:, many] = np.where(reach > 0, rows[:, many] / np.where(reach > 0, diagonal[many], 1.0), 0.0)
        block = rows[:, few] - values[1:, many].dot(rows[:, many].T)
        values[1:, few] = 0.5 * (block + block.T)
        return cls(values, few)

    def with_many(self, diagonal):
        """The same with another D, at the places of the many in `diagonal` (d,)."""
        values = self.values.copy()
        values[0] = diagonal
        values[0, self.few] = 0.0
        return ArrowCurvature(values, self.few)

    @property
    def finite(self):
        """Whether all entries are."""
        return bool(np.isfinite(self.values).all())

    @property
    def diagonal(self):
        """Diagonal (d,)."""
        out = self.many.copy()
        out[self.few] = np.diag(self.block) + (self.pull**2).dot(self.many)
        return out

    def times(self, z):
        """A z for every row of `z`."""
        out = (z + z[:, self.few].dot(self.pull)) * self.many
        out[:, self.few] = z[:, self.few].dot(self.block) + out.dot(self.pull.T)
        return out

    def column_products(self, scale):
        """Diagonal of A S, S a vector of standard deviations."""
        return self.diagonal * scale

    def is_positive(self):
        """Whether A is positive definite."""
        many = np.delete(self.values[0], self.few)
        return bool(np.all(many > 0) and np.linalg.eigvalsh(self.block)[0] > 0)

    def tamed(self, scale):
        """|A| with no direction flatter than `FLATTEST` in units of the scale (d,)."""
        values = self.values.copy()
        values[0] = np.maximum(np.abs(self.many), FLATTEST / scale**2)
        widths = scale[self.few]
        roots, vectors = np.linalg.eigh(self.block * widths[:, None] * widths)
        inner = (vectors * np.maximum(np.abs(roots), FLATTEST)).dot(vectors.T)
        values[1:, self.few] = inner / widths[:, None] / widths
        return ArrowCurvature(values, self.few)

    def root(self):
        """R with R R^T = A^{-1} of a positive A."""
        many = np.where(self.many > 0, self.many, 1.0)
        return _Root(1 / np.sqrt(many), self.pull, np.linalg.inv(np.linalg.cholesky(self.block)).T, self.few)


class _Root:
    """R, or its transpose, as what it does to vectors (d,) and columns (d, m)."""

    ndim = 2

    def __init__(self, widths, pull, factor, few, transposed=False):
        self.widths, self.pull, self.factor, self.few, self.transposed = widths, pull, factor, few, transposed

    @property
    def T(self):
        """The transpose."""
        return _Root(self.widths, self.pull, self.factor, self.few, not self.transposed)

    def dot(self, x):
        """R x."""
        out = self.widths * x if x.ndim == 1 else self.widths[:, None] * x
        if self.transposed:
            out[self.few] = self.factor.T.dot(x[self.few] - self.pull.dot(x))
            return out
        moved = self.factor.dot(x[self.few])
        out = out - self.pull.T.dot(moved)
        out[self.few] = moved
        return out
