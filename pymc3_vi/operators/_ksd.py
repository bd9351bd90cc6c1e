"""Kernelised Stein discrepancy operator."""

import numpy as np
import theano
import theano.tensor as tt

from ..compiler import without_test_values
from ..core import ObjectiveFunction, Operator
from ..errors import ParametrizationError
from ..graph import substitute
from ..parameters import checked
from ..stein import Stein

__all__ = ["KSD", "KSDObjective"]


class KSDObjective(ObjectiveFunction):
    """Objective of :class:`KSD`: has no loss; its gradients move the draws along the Stein direction."""

    def __init__(self, op, tf):
        if not isinstance(op, KSD):
            raise ParametrizationError(
                f"The 'op' parameter of KSDObjective must be a KSD operator. Got {op!r} instead."
            )
        super().__init__(op, tf)
        self._last = None, None

    def draw_terms(self, noise, n_mc, schedules, more_replacements=None):
        """All particles at once for an empirical approximation, else `n_mc` random draws."""
        if self.approx.all_histograms:
            terms = self.approx.particle_terms()
        else:
            terms = self.approx.draw_terms(noise, n_mc, force_batch=True, more_replacements=more_replacements)[0]
        return terms, terms

    def loss_and_gradients(self, terms, gradient_terms, params, more_replacements, sign=1):
        """No loss, and the direction carried back from the draws to `params`."""
        return None, substitute(self._carry_back(self.op.with_terms(terms), params, sign), more_replacements)

    def draws_left_out(self, terms):
        """Number of draws whose score is not finite."""
        return self._stein(self.op.with_terms(terms)).left_out

    def _stein(self, op):
        """The Stein gradient of the operator's terms, the last one again for the same terms."""
        if self._last[0] is not op.terms:
            self._last = op.terms, op.stein(self.tf)
        return self._last[1]

    def _carry_back(self, op, params, sign):
        stein = self._stein(op)
        direction = -stein.grad if sign > 0 else stein.grad
        return tt.grad(None, params, known_grads={stein.input_joint_matrix: direction}, disconnected_inputs="ignore")

    @without_test_values
    def __call__(self, nmc, **kwargs):
        """Gradients of the parameters for `nmc` draws, with symbolic noise."""
        test_side = "more_tf_params" in kwargs
        params = (
            self.test_params + kwargs["more_tf_params"]
            if test_side
            else (self.obj_params + list(kwargs.get("more_obj_params") or []))
        )
        grads = self._carry_back(self.op, list(dict.fromkeys(params)), -1 if test_side else 1)
        return self.approx.set_size_and_deterministic(grads, nmc, 0, kwargs.get("more_replacements"))


class KSD(Operator):
    r"""Kernelised Stein discrepancy: moves draws by Stein variational gradient descent.

    Parameters
    ----------
    approx : Approximation
        Needs no log q.
    temperature : float
        Divides the attraction to high density; above 1 the draws spread more.

    References
    ----------
    Liu, Wang: Stein Variational Gradient Descent, NIPS 2016, algorithm 1.
    """

    objective_class = KSDObjective
    require_logq = returns_loss = False
    has_test_function = True

    @checked
    def __init__(self, approx, temperature=1):
        super().__init__(approx)
        self.temperature = temperature
        #: Units (d,) in which kernels compare draws: 1, unless a default rule has measured them; None for rows.
        self.units = None
        if not approx.has_batched:
            self.units = theano.shared(np.ones(approx.ddim, dtype=theano.config.floatX), "kernel_units")

    @checked
    def stein(self, f):
        """The :class:`Stein` gradient with kernel `f`."""
        histogram = self.approx.all_histograms
        stein = Stein(self.approx, f, use_histogram=histogram, temperature=self.temperature, terms=self._terms)
        stein.units = self.units
        return stein

    def apply(self, f):
        """Direction of steepest descent, (n, d): minus the Stein gradient."""
        return -self.stein(f).grad
