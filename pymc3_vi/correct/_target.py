"""log p in the coordinates in which the chains move."""

import numpy as np
from scipy import linalg

__all__ = ["Target"]

#: From this dimension on, scales are vectors: a dense matrix product would cost more than most densities.
LARGEST_DENSE = 1000


class Target:
    r"""log p and its gradient at points x, where z = m + S x is the point on the unconstrained scale.

    Parameters
    ----------
    slopes : callable
        Points z (n, d) -> log p (n,) and gradients (n, d), as :meth:`PointDensity.slopes`.
    location : ndarray (d,)
    scale : ndarray (d,) or (d, d)
        Standard deviations, or a square root S of a covariance (any square matrix).

    Attributes
    ----------
    evaluations : int
        Points evaluated so far.
    """

    def __init__(self, slopes, location, scale):
        self._slopes = slopes
        self.location = np.array(location, dtype="float64")
        self.scale = np.array(scale, dtype="float64")
        self.d = len(self.location)
        if self.scale.ndim == 1 and self.d < LARGEST_DENSE:
            self.scale = np.diag(self.scale)
        elif self.scale.ndim == 2 and self.d >= LARGEST_DENSE:
            self.scale = np.sqrt(np.sum(self.scale**2, axis=1))
        self.evaluations = 0

    @property
    def is_dense(self):
        """Whether the scale is a matrix."""
        return self.scale.ndim == 2

    def __call__(self, x):
        """log p (n,) and its gradient in x (n, d) at the points `x` (n, d); -inf and zeros where it has none."""
        self.evaluations += len(x)
        logp, grad = self._slopes(self.points(x))
        with np.errstate(all="ignore"):  # infinite gradients beyond the edge are set to zero below
            grad = grad @ self.scale if self.is_dense else grad * self.scale
            total = logp.sum() + grad.sum()
        if not np.isfinite(total):
            bad = ~np.isfinite(logp) | ~np.isfinite(grad).all(axis=1)
            logp[bad] = -np.inf
            grad[bad] = 0.0
        return logp, grad

    def points(self, x):
        """Points z (n, d) that belong to `x`."""
        return self.location + (x @ self.scale.T if self.is_dense else x * self.scale)

    def coordinates(self, z):
        """Coordinates x (n, d) of the points `z`."""
        centred = z - self.location
        return linalg.solve(self.scale, centred.T).T if self.is_dense else centred / self.scale

    def stretched(self, location, factor):
        """Target in coordinates y with x = location + factor y; its counters go on from here.

        Parameters
        ----------
        location : ndarray (d,)
            In the present coordinates.
        factor : ndarray (d,) or (d, d)
        """
        new = object.__new__(Target)
        new.__dict__.update(self.__dict__)
        new.location = self.points(location[None])[0]
        new.scale = self.scale @ factor if self.is_dense else self.scale * factor
        return new
