"""Expected curvature of log p: how it is estimated, and what it is used for."""

import numpy as np
from scipy import linalg

__all__ = ["Curvature", "LARGEST_DENSE_DIMENSION", "LARGEST_FULL_DIMENSION"]

#: Up to this dimension curvature is a matrix, beyond it a diagonal; where q has correlations itself, it goes on longer.
LARGEST_DENSE_DIMENSION, LARGEST_FULL_DIMENSION = 200, 1024

#: Relative size below which a curvature counts as none.
FLOOR = 1e-8
#: Smallest curvature along a direction in which q has unit width.
FLATTEST = 1e-6


class Curvature:
    r"""Symmetric matrix or diagonal A that stands for :math:`-E_q[\nabla^2 \log p]`.

    Parameters
    ----------
    values : ndarray (d,) or (d, d)
    """

    def __init__(self, values):
        self.values = np.ascontiguousarray(values)
        self.is_dense = values.ndim == 2

    @classmethod
    def of_draws(cls, blocks, scale, eps, grad, dense):
        r"""By Stein's identity, :math:`A = -E[\nabla \log p(\mu + S\epsilon)\, \epsilon^\top] S^{-1}`."""
        if not dense:
            sigma = blocks.std(scale)
            moved = blocks.stretch(eps, scale)
            return cls(-np.mean(grad * moved, axis=0) / sigma**2)
        inner = -grad.T.dot(eps) / len(eps)
        if scale.ndim == 1:
            inner = inner / scale
        else:
            inner = linalg.solve_triangular(scale, inner.T, lower=True, trans="T").T
        return cls(0.5 * (inner + inner.T))

    @classmethod
    def of_differences(cls, points, widths, evaluate):
        """By central differences over `widths` along each axis.

        `evaluate(eps)` gives the gradients at ``points + widths * eps``.
        """
        d = len(points)
        eye = np.eye(d)
        grad = evaluate(np.concatenate([eye, -eye]))
        with np.errstate(invalid="ignore"):
            matrix = -(grad[:d] - grad[d:]) / (2 * widths[:, None])
            return cls(0.5 * (matrix + matrix.T))

    def tamed(self, scale):
        r"""|A| with no direction flatter than `FLATTEST` in units of the scale: finite steps where log p is a plane."""
        if not self.is_dense:
            sigma = scale if scale.ndim == 1 else np.sqrt(np.sum(scale**2, axis=1))
            return Curvature(np.maximum(np.abs(self.values), FLATTEST / sigma**2))
        with np.errstate(over="ignore", invalid="ignore"):
            inner = self.values * scale[:, None] * scale if scale.ndim == 1 else scale.T.dot(self.values).dot(scale)
        if not np.isfinite(inner).all():
            inner = np.eye(len(inner))
        values, vectors = np.linalg.eigh(0.5 * (inner + inner.T))
        inner = (vectors * np.maximum(np.abs(values), FLATTEST)).dot(vectors.T)
        if scale.ndim == 1:
            return Curvature(inner / scale[:, None] / scale)
        half = linalg.solve_triangular(scale, inner, lower=True, trans="T")
        values = linalg.solve_triangular(scale, half.T, lower=True, trans="T")
        return Curvature(0.5 * (values + values.T))

    @property
    def finite(self):
        """Whether all entries are."""
        return bool(np.isfinite(self.values).all())

    @property
    def diagonal(self):
        """Diagonal (d,)."""
        return np.diag(self.values) if self.is_dense else self.values

    def times(self, z):
        """A z for every row of `z`."""
        return z.dot(self.values) if self.is_dense else z * self.values

    def column_products(self, scale):
        """A S."""
        if not self.is_dense:
            return self.values * scale if scale.ndim == 1 else self.values[:, None] * scale
        return np.diag(self.values) * scale if scale.ndim == 1 else self.values.dot(scale)

    def _decomposed(self):
        """Widths s, eigenvalues (absolute, floored) and vectors of A in units of s."""
        widths = 1 / np.sqrt(np.maximum(np.abs(self.diagonal), np.finfo(float).tiny ** 0.5))
        if not self.is_dense:
            return widths, None, None
        with np.errstate(over="ignore"):
            scaled = self.values * widths[:, None] * widths
        if not np.isfinite(scaled).all():  # entries beside a diagonal of zeros: not a curvature
            return widths, np.ones(len(widths)), np.eye(len(widths))
        values, vectors = np.linalg.eigh(scaled)
        return widths, np.maximum(np.abs(values), FLOOR), vectors

    def part(self, index):
        """The block of the coordinates `index`."""
        return Curvature(self.values[np.ix_(index, index)] if self.is_dense else self.values[index])

    def is_positive(self):
        """Whether A is positive definite."""
        diagonal = self.diagonal
        if not np.all(diagonal > 0):
            return False
        widths = 1 / np.sqrt(diagonal)
        return not self.is_dense or bool(np.linalg.eigvalsh(self.values * widths[:, None] * widths)[0] > 0)

    def solve(self, grad):
        """Newton direction |A|^{-1} grad, with directions of negative curvature turned round."""
        widths, values, vectors = self._decomposed()
        if values is None:
            return widths**2 * grad
        return widths * vectors.dot(vectors.T.dot(widths * grad) / values)

    def root(self):
        """R with R R^T = |A|^{-1}: a lower triangular matrix, or a vector."""
        widths, values, vectors = self._decomposed()
        if values is None:
            return widths
        # A triangular factor without forming the inverse, which would square its condition.
        triangle = np.linalg.qr((vectors / np.sqrt(values)).T, mode="r").T
        triangle = triangle * np.where(np.diag(triangle) < 0, -1.0, 1.0)
        return widths[:, None] * triangle
