"""The Stein variational gradient."""

import numpy as np
import theano.tensor as tt

from .graph import Memoised, floatx, node_property
from .parameters import checked
from .test_functions import as_kernel

__all__ = ["Stein"]


class Stein(Memoised):
    r"""Direction in which particles move to reduce the KL divergence fastest, within the kernel's unit ball.

    .. math:: \phi(x_i) = \frac1n \sum_j \left[ \frac{k(x_j, x_i) \nabla_{x_j} \log p(x_j)}{T}
              + \nabla_{x_j} k(x_j, x_i) \right]

    Parameters
    ----------
    approx : Approximation
        Where the draws (or particles) come from.
    kernel : str or callable
        Kernel name, or ``kernel(X) -> (K, dK)`` for X of shape (n, d): K (n, n) and
        ``dK[i] = sum_j grad_{x_j} k(x_j, x_i)`` (n, d).
    use_histogram : bool
        Use the particles of an empirical approximation instead of random draws.
    temperature : float
        T above; larger spreads the particles more.
    terms : Terms, optional
        Evaluated log densities; by default those on the approximation's placeholders.

    Notes
    -----
    Draws whose score is not finite attract no others: they are left out of the sum over j, as long as there are finite
    ones.

    References
    ----------
    Liu, Wang: Stein Variational Gradient Descent, NIPS 2016, eq. 8.
    """

    @checked
    def __init__(self, approx=None, kernel="rbf", use_histogram=True, temperature=1, terms=None):
        self.approx = approx
        self.temperature = temperature
        self.use_histogram = use_histogram
        self._kernel_function = as_kernel(kernel)
        self._given_terms = terms
        #: Vector (d,) by which the kernel divides draws; the direction is then the gradient in their own units.
        self.units = None

    @node_property
    def terms(self):
        """Log densities at the draws."""
        if self._given_terms is not None:
            return self._given_terms
        if self.use_histogram:
            return self.approx.particle_terms()
        return self.approx.placeholder_terms

    @node_property
    def input_joint_matrix(self):
        """Draws of all groups side by side, (n, d)."""
        parts = [z.flatten(2) if z.ndim > 2 else z for z in self.terms.z]
        return parts[0] if len(parts) == 1 else tt.concatenate(parts, axis=-1)

    @property
    def approx_symbolic_matrices(self):
        """Draws, one entry per group."""
        return self.terms.z

    @node_property
    def logp_norm(self):
        """log p of every draw, divided by the minibatch normalizing constant, (n,)."""
        logp = self.terms.sized_varlogp + self.terms.sized_datalogp
        constant = self.terms.normalizing_constant
        return logp if constant is None else logp / constant

    @node_property
    def dlogp(self):
        """Gradient of log p at every draw, (n, d)."""
        grads = tt.grad(tt.sum(self.logp_norm), self.terms.z, disconnected_inputs="ignore")
        grads = [g.flatten(2) if g.ndim > 2 else g for g in grads]
        return grads[0] if len(grads) == 1 else tt.concatenate(grads, axis=-1)

    @node_property
    def _is_finite(self):
        """Whether the score of a draw is finite, (n, 1); a finite sum has finite summands."""
        sums = tt.sum(self.dlogp, axis=1, keepdims=True)
        return tt.lt(tt.abs_(sums), np.inf)

    @node_property
    def left_out(self):
        """Number of draws whose score is not finite."""
        return self.dlogp.shape[0] - tt.sum(self._is_finite)

    @node_property
    def scores(self):
        """Gradients of log p as the sum over draws uses them, (n, d): zero where they are not finite."""
        used = tt.or_(self._is_finite, tt.eq(tt.sum(self._is_finite), 0))
        return tt.switch(used, self.dlogp, tt.zeros_like(self.dlogp))

    @node_property
    def _kernel(self):
        return self._kernel_function(self.input_joint_matrix)

    Kxy = property(lambda self: self._kernel[0], doc="Kernel matrix (n, n).")
    dxkxy = property(lambda self: self._kernel[1], doc="Summed kernel gradients (n, d).")

    @node_property
    def density_part_grad(self):
        """Attraction to high density, (n, d)."""
        return tt.dot(self.Kxy, self.scores)

    @node_property
    def repulsive_part_grad(self):
        """Repulsion between draws, (n, d)."""
        constant = self.terms.normalizing_constant
        return self.dxkxy if constant is None else self.dxkxy / constant

    @node_property
    def grad(self):
        """The direction phi, (n, d)."""
        constant = self.terms.normalizing_constant
        scores = self.scores if constant is None else self.scores * constant
        if self.temperature != 1:
            scores = scores / floatx(self.temperature)
        X = self.input_joint_matrix
        if self.units is None:
            phi = self._kernel_function.direction(X, scores)
        else:
            phi = self._kernel_function.direction(X / self.units, scores * self.units) / self.units
        return (phi if constant is None else phi / constant) / floatx(X.shape[0])

    @checked
    def updates(self, obj, **kwargs):
        """Updates of one step of the objective function `obj`; keywords as in ``ObjectiveFunction.updates``."""
        return obj.updates(**kwargs)
