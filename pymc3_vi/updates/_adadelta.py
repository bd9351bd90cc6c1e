import theano.tensor as tt

from ._common import get_or_compute_grads, zeros_like_param
from ._hyperparameters import FRACTION, POSITIVE
from ._optimizer import optimizer
from ._updates import Updates

__all__ = ["adadelta"]


@optimizer(learning_rate=POSITIVE, rho=FRACTION, epsilon=POSITIVE)
def adadelta(loss_or_grads, params, learning_rate=1.0, rho=0.95, epsilon=1e-6):
    r"""Adadelta: gradients scaled by the ratio of past steps to past gradients, both as moving root mean squares.

    .. math::

        r_t &= \rho\, r_{t-1} + (1 - \rho)\, g_t^2 \\
        \Delta_t &= \frac{\sqrt{s_{t-1} + \epsilon}}{\sqrt{r_t + \epsilon}}\, g_t \\
        s_t &= \rho\, s_{t-1} + (1 - \rho)\, \Delta_t^2 \\
        \theta_t &= \theta_{t-1} - \eta\, \Delta_t

    ::

        accu       := rho * accu + (1 - rho) * grad ** 2
        delta       = grad * sqrt(delta_accu + epsilon) / sqrt(accu + epsilon)   # the old delta_accu
        delta_accu := rho * delta_accu + (1 - rho) * delta ** 2
        param      := param - learning_rate * delta

    Parameters
    ----------
    loss_or_grads : scalar expression or list of expressions
        Loss to minimise, or its gradients in the order of `params`.
    params : list of shared variables
        Arrays of any shape.
    learning_rate : float, Schedule, shared scalar or symbolic scalar
        :math:`\eta`; the paper has none, that is 1.
    rho : float, Schedule, shared scalar or symbolic scalar
        Decay :math:`\rho` of both moving averages, in [0, 1).
    epsilon : float, shared scalar or symbolic scalar
        :math:`\epsilon > 0`.  It sets the first step, of about :math:`\sqrt{\epsilon / (1 - \rho)}`.

    Returns
    -------
    Updates
        New value of every parameter and its two mean squares.  Without `loss_or_grads` and `params`: the optimizer
        with the given hyperparameters fixed.

    References
    ----------
    Zeiler (2012). ADADELTA: an adaptive learning rate method. arXiv:1212.5701. Algorithm 1.
    """
    updates = Updates()
    for param, grad in zip(params, get_or_compute_grads(loss_or_grads, params)):
        accu = zeros_like_param(param, "accu")
        delta_accu = zeros_like_param(param, "delta_accu")
        accu_new = rho * accu + (1 - rho) * grad**2
        delta = grad * tt.sqrt(delta_accu + epsilon) / tt.sqrt(accu_new + epsilon)
        updates[accu] = accu_new
        updates[delta_accu] = rho * delta_accu + (1 - rho) * delta**2
        updates[param] = param - learning_rate * delta
    return updates
