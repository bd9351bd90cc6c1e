"""The ELBO with fixed draws: a deterministic function with gradient and Hessian."""

from collections import namedtuple

import numpy as np
from scipy import linalg

from ..approximations.gaussian import LARGEST_DENSE_DIMENSION, Chart, Curvature, Draws, matched_pairs
from ..errors import HessianError

__all__ = ["FixedDraws", "FixedDrawELBO", "KINDS", "REPLICATES"]

LOG_2PI = float(np.log(2 * np.pi))

#: How draws are made: mirrored pairs of scrambled Sobol points or of pseudo-random ones, or independent ones.
KINDS = ("sobol", "antithetic", "independent")
#: Independent parts that the draws consist of; their spread gives the error of averages over all draws.
REPLICATES = 8
#: Mirrored pairs for each second moment in a regression on them.
PAIRS_PER_MOMENT = 8


class FixedDraws(namedtuple("FixedDraws", "kind, count, seed")):
    """Recipe of base noise that stays the same: its kind, the number of draws, and the seed.

    `count` is a multiple of twice ``REPLICATES``.  More draws of the same kind and seed begin, in each
    replicate, with those of fewer.
    """

    __slots__ = ()

    def rows(self, d):
        """Noise (count, d), replicate after replicate."""
        seeds = np.random.SeedSequence(self.seed).generate_state(REPLICATES)
        each = self.count // REPLICATES
        if self.kind == "independent":
            parts = [np.random.Generator(np.random.SFC64(int(s))).standard_normal((each, d)) for s in seeds]
            return np.concatenate(parts)
        if self.kind == "antithetic":
            halves = [np.random.Generator(np.random.SFC64(int(s))).standard_normal((each // 2, d)) for s in seeds]
        else:
            halves = [Draws(d, int(s)).pairs(each // 2)[0::2] for s in seeds]
        both = matched_pairs(np.concatenate(halves))
        upper, lower = both[: len(both) // 2], both[len(both) // 2 :]
        shape = (REPLICATES, each // 2, d)
        return np.concatenate([upper.reshape(shape), lower.reshape(shape)], axis=1).reshape(-1, d)


class FixedDrawELBO:
    r"""Negative ELBO of Gaussian blocks, in the coordinates of a :class:`Chart`, for fixed noise.

    .. math:: f(x) = -\tfrac1m \sum_{s=1}^m \log p(\mu + S \epsilon_s) - \log |\det S| - \tfrac d2 (1 + \log 2\pi)

    Parameters
    ----------
    density : PointDensity
    blocks : GaussianBlocks
    draws : FixedDraws
    mu, scale : ndarray
        Reference of the chart, where densities are finite.

    Attributes
    ----------
    left_out : int
        Draws without a finite log density or gradient at the reference.

    Raises
    ------
    HessianError
        By the methods that solve, where the Hessian is not positive definite.
    """

    left_out = 0

    def __init__(self, density, blocks, draws, mu, scale):
        self.density, self.blocks = density, blocks
        self.eps, self.matched = draws.rows(blocks.d), draws.kind != "independent"
        self._at = None
        grad = self._finite_slopes(mu, scale)
        curvature = _curvature(blocks, scale, self.eps, grad)
        self.chart = Chart(blocks, mu, scale, curvature, curvature.tamed(scale).root())
        self.size = self.chart.size

    def _finite_slopes(self, mu, scale):
        """Gradients at the reference; draws without a finite density there are left out, others count twice instead."""
        logp, grad = self.density.slopes(mu + self.blocks.stretch(self.eps, scale))
        fine = np.isfinite(logp) & np.isfinite(grad).all(axis=1)
        pairs = fine.reshape(-1, 2).all(axis=1) if self.matched else fine
        if fine.all() or 2 * pairs.sum() < len(pairs):
            return grad
        self.left_out = int(len(fine) - fine.sum())
        chosen = np.arange(len(pairs))
        chosen[~pairs] = np.resize(np.flatnonzero(pairs), int((~pairs).sum()))
        chosen = (2 * chosen[:, None] + [0, 1]).ravel() if self.matched else chosen
        self.eps = self.eps[chosen]
        return grad[chosen]

    # ---------------------------------------------------------------- values and derivatives
    def _evaluate(self, x):
        if self._at is None or not np.array_equal(self._at[0], x):
            mu, scale = self.chart.place(x)
            finite = np.isfinite(mu).all() and np.isfinite(scale).all()
            z = mu + self.blocks.stretch(self.eps, scale) if finite else None
            logp, grad = self.density.slopes(z) if finite else (np.array([-np.inf]), None)
            with np.errstate(invalid="ignore"):
                value = -np.mean(logp) - (self.blocks.log_det(scale) if finite else 0.0)
            value -= 0.5 * self.blocks.d * (1 + LOG_2PI)
            if grad is None or not (np.isfinite(value) and np.isfinite(grad).all()):
                value = np.inf
            self._at = np.array(x), float(value), z, grad
        return self._at

    def __call__(self, x):
        """Value and gradient at `x`; infinity and zeros where densities are not finite."""
        _, value, _, grad = self._evaluate(x)
        if not np.isfinite(value):
            return np.inf, np.zeros(self.size)
        return value, self.chart.slope(x, self.eps, grad, control=False)

    def replicate_slopes(self, x):
        """Gradients from each replicate of the draws, (REPLICATES, size), whose spread is that of their average.

        Second moments of mirrored draws are exact for all draws together but not for each replicate, so what the
        gradient's regression on them explains is taken out, and the spread widened by the degrees of freedom used.
        """
        grad = self._evaluate(x)[3]
        entropy = self.chart.slope(x, self.eps, np.zeros_like(grad), control=False)

        def weighted(weights):
            return self.chart.slope(x, self.eps, grad * weights[:, None], control=False) - entropy

        count = len(self.eps)
        members = np.kron(np.eye(REPLICATES), np.full(count // REPLICATES, float(REPLICATES)))
        average = weighted(np.ones(count))
        spread = np.array([weighted(row) for row in members]) - average
        moments = self._second_moments()
        if moments.shape[1]:
            explained = np.array([weighted(column) for column in moments.T])
            coefficients = np.linalg.lstsq(moments.T.dot(moments) / count, explained, rcond=None)[0]
            spread -= (members / count).dot(moments).dot(coefficients)
            spread *= np.sqrt(count / (count - 2.0 * moments.shape[1]))
        return average + entropy + spread

    def _second_moments(self):
        """Products of the noise's coordinates, less their expectations, as many as the draws can tell apart."""
        count, d = self.eps.shape
        if not self.matched or 2 * PAIRS_PER_MOMENT * d > count:
            return np.empty((count, 0))
        if PAIRS_PER_MOMENT * d * (d + 1) > count:
            return self.eps**2 - 1.0
        rows, columns = np.tril_indices(d)
        return self.eps[:, rows] * self.eps[:, columns] - (rows == columns)

    def product(self, x, p):
        """Hessian at `x` times `p`."""
        _, _, z, grad = self._evaluate(x)
        dmu, dscale = self.chart.tangent(x, p)
        moved = dmu + self.blocks.stretch(self.eps, dscale)
        return self.chart.slope_change(x, p, self.eps, grad, self.density.hessian_products(z, moved))

    def hessian(self, x):
        """Hessian at `x` as a matrix (size, size)."""
        matrix = np.array([self.product(x, p) for p in np.eye(self.size)])
        return 0.5 * (matrix + matrix.T)

    # ---------------------------------------------------------------- solving with the Hessian
    def solve(self, x, right, dense, tolerance=1e-8):
        """Inverse Hessian at `x` times each row of `right` (k, size), by factorization or by conjugate gradients."""
        if not len(right):
            return np.empty((0, self.size))
        if not dense:
            return np.array([self._conjugate_gradients(x, row, tolerance) for row in right])
        matrix = self.hessian(x)
        try:
            factor = linalg.cho_factor(matrix, lower=True)
        except (linalg.LinAlgError, ValueError):
            raise _indefinite() from None
        if np.min(np.diag(factor[0])) < 1e-7 * np.max(np.diag(factor[0])):
            raise _indefinite()
        return linalg.cho_solve(factor, right.T).T

    def _conjugate_gradients(self, x, right, tolerance):
        """Nocedal, Wright: Numerical Optimization, 2006, algorithm 5.2; the chart is the preconditioner."""
        solution, residual = np.zeros_like(right), right.copy()
        direction = residual.copy()
        square = residual.dot(residual)
        enough = tolerance**2 * square
        for _ in range(10 * self.size):
            if square <= enough:
                return solution
            product = self.product(x, direction)
            curvature = direction.dot(product)
            if not curvature > 1e-14 * direction.dot(direction):
                raise _indefinite()
            length = square / curvature
            solution += length * direction
            residual -= length * product
            last, square = square, residual.dot(residual)
            direction = residual + (square / last) * direction
        return solution

    def means(self, steps):
        """Movements of mu (k, d) that belong to the rows of `steps` (k, size) in the chart."""
        root, first = self.chart.root, steps[:, : self.blocks.d]
        return first * root if root.ndim == 1 else first.dot(root.T)

    @property
    def widths(self):
        """Standard deviations (d,) by the curvature that the chart was made with."""
        root = self.chart.root
        return np.abs(root) if root.ndim == 1 else np.sqrt(np.sum(root**2, axis=1))


def _curvature(blocks, scale, eps, grad):
    dense = blocks.d <= LARGEST_DENSE_DIMENSION and len(eps) >= 2 * blocks.d
    found = Curvature.of_draws(blocks, scale, eps, grad, dense)
    if found.finite:
        return found
    return Curvature(1 / blocks.std(scale) ** 2)


def _indefinite():
    return HessianError(
        "The Hessian of the negative ELBO is not positive definite at these parameters: they are no optimum, or the "
        "draws are too few for the family. Fit on to convergence, or with more draws (n_draws), then ask again."
    )
