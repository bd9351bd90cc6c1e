"""Coordinates in which the ELBO of a Gaussian family is nearly a sphere."""

import numpy as np
from scipy import linalg

__all__ = ["Chart"]

ROOT_2 = np.sqrt(2.0)


class Chart:
    r"""Coordinates x around a reference :math:`(\mu_0, S_0)` with expected curvature A.

    .. math::

        \mu = \mu_0 + A^{-1/2} x_\mu, \qquad
        \sigma = \sigma_0 \odot e^{x_\sigma / \sqrt 2} \quad\text{or}\quad
        S = S_0 M(x_S), \; M_{ii} = e^{x_{ii} / \sqrt 2}

    For a Gaussian target with curvature A and its optimal scale as reference, the Hessian of the negative ELBO at
    x = 0 is the identity.

    Parameters
    ----------
    blocks : GaussianBlocks
    mu, scale : ndarray
        The reference.
    curvature : Curvature
        Control variate of :meth:`slope`; a better estimate may take its place later.
    root : ndarray (d,) or lower triangular (d, d)
        :math:`A^{-1/2}`, see :meth:`Curvature.root`.
    """

    def __init__(self, blocks, mu, scale, curvature, root):
        # One memory order, so that what comes from a file gives the same products to the last bit.
        self.blocks, self.mu, self.scale = blocks, np.ascontiguousarray(mu), np.ascontiguousarray(scale)
        self.curvature = curvature
        self.root = np.ascontiguousarray(root) if isinstance(root, np.ndarray) else root
        self.d = blocks.d
        if not blocks.is_diagonal:
            self._on_diagonal = blocks.rows == blocks.columns
        self.size = self.d + (self.d if blocks.is_diagonal else len(blocks.rows))

    def origin(self):
        """Coordinates of the reference."""
        return np.zeros(self.size)

    def place(self, x):
        """(mu, scale) at `x`."""
        step = self.root * x[: self.d] if self.root.ndim == 1 else self.root.dot(x[: self.d])
        with np.errstate(over="ignore", invalid="ignore"):  # whoever tries far points looks at what comes back
            if self.blocks.is_diagonal:
                return self.mu + step, self.scale * np.exp(x[self.d :] / ROOT_2)
            return self.mu + step, self.scale.dot(self._factor(x))

    def _factor(self, x):
        entries = x[self.d :].copy()
        entries[self._on_diagonal] = np.exp(entries[self._on_diagonal] / ROOT_2)
        factor = np.zeros((self.d, self.d))
        factor[self.blocks.rows, self.blocks.columns] = entries
        return factor

    def coordinates(self, mu, scale):
        """x of a place; the inverse of :meth:`place`."""
        away = mu - self.mu
        if self.root.ndim == 1:
            first = away / self.root
        else:
            first = linalg.solve_triangular(self.root, away, lower=True)
        if self.blocks.is_diagonal:
            return np.concatenate([first, ROOT_2 * np.log(scale / self.scale)])
        factor = linalg.solve_triangular(self.scale, scale, lower=True)
        entries = factor[self.blocks.rows, self.blocks.columns]
        entries[self._on_diagonal] = ROOT_2 * np.log(entries[self._on_diagonal])
        return np.concatenate([first, entries])

    def slope(self, x, eps, grad, control=True):
        r"""Gradient of the negative ELBO in `x` from gradients of log p at the draws `eps`.

        With `control` the linear model :math:`-A(z - \mu)` of the gradient is taken out before averaging and its
        exact expectation put back, so that what is left is only the noise of the target's departure from a Gaussian
        (Miller et al., Reducing reparameterization gradient variance, NIPS 2017, section 3).
        """
        mu, scale = self.place(x)
        del mu
        residual = grad
        if control:
            residual = grad + self.curvature.times(self.blocks.stretch(eps, scale))
        first = residual.mean(axis=0)
        first = self.root * first if self.root.ndim == 1 else self.root.T.dot(first)
        if self.blocks.is_diagonal:
            second = (residual * eps).mean(axis=0)
            if control:
                second = second - self.curvature.column_products(scale)
            second = (second * scale + 1) / ROOT_2
        else:
            full = residual.T.dot(eps) / len(eps)
            if control:
                full = full - self.curvature.column_products(scale)
            second = self.scale.T.dot(full)[self.blocks.rows, self.blocks.columns]
            diagonal = np.exp(x[self.d :][self._on_diagonal] / ROOT_2)
            second[self._on_diagonal] = (second[self._on_diagonal] * diagonal + 1) / ROOT_2
        return -np.concatenate([first, second])

    def tangent(self, x, p):
        """Derivatives of mu and of the scale at `x` along `p`."""
        step = self.root * p[: self.d] if self.root.ndim == 1 else self.root.dot(p[: self.d])
        if self.blocks.is_diagonal:
            return step, self.scale * np.exp(x[self.d :] / ROOT_2) * p[self.d :] / ROOT_2
        entries = p[self.d :].copy()
        entries[self._on_diagonal] *= np.exp(x[self.d :][self._on_diagonal] / ROOT_2) / ROOT_2
        factor = np.zeros((self.d, self.d))
        factor[self.blocks.rows, self.blocks.columns] = entries
        return step, self.scale.dot(factor)

    def slope_change(self, x, p, eps, grad, product):
        """Derivative along `p` of :meth:`slope` without control: the Hessian of the negative ELBO times `p`.

        Parameters
        ----------
        x, p : ndarray
        eps, grad : ndarray (s, d)
            Noise, and gradients of log p at the draws.
        product : ndarray (s, d)
            Hessians of log p at the draws, times the derivatives of the draws along `p`.
        """
        first = product.mean(axis=0)
        first = self.root * first if self.root.ndim == 1 else self.root.T.dot(first)
        if self.blocks.is_diagonal:
            sigma = self.scale * np.exp(x[self.d :] / ROOT_2)
            bend = np.mean(grad * eps, axis=0) * p[self.d :] / ROOT_2
            second = sigma * (np.mean(product * eps, axis=0) + bend) / ROOT_2
        else:
            on = self._on_diagonal
            second = self._pull_back(product, eps)
            slope = self._pull_back(grad, eps)[on]
            second[on] = np.exp(x[self.d :][on] / ROOT_2) * (second[on] + slope * p[self.d :][on] / ROOT_2) / ROOT_2
        return -np.concatenate([first, second])

    def _pull_back(self, rows, eps):
        """Free entries of S_0^T E[rows eps^T]."""
        return self.scale.T.dot(rows.T.dot(eps) / len(eps))[self.blocks.rows, self.blocks.columns]
