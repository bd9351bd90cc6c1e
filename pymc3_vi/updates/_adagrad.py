import theano.tensor as tt

from ._common import get_or_compute_grads, zeros_like_param
from ._hyperparameters import NON_NEGATIVE, POSITIVE
from ._optimizer import optimizer
from ._updates import Updates

__all__ = ["adagrad"]


@optimizer(learning_rate=POSITIVE, epsilon=NON_NEGATIVE)
def adagrad(loss_or_grads, params, learning_rate=1.0, epsilon=1e-6):
    r"""Adagrad: each coordinate's gradient is divided by the root of the sum of all its squares so far.

    .. math::

        G_t = G_{t-1} + g_t^2, \qquad
        \theta_t = \theta_{t-1} - \frac{\eta\, g_t}{\sqrt{G_t + \epsilon}}

    ::

        accu  := accu + grad ** 2
        param := param - learning_rate * grad / sqrt(accu + epsilon)

    Parameters
    ----------
    loss_or_grads : scalar expression or list of expressions
        Loss to minimise, or its gradients in the order of `params`.
    params : list of shared variables
        Arrays of any shape.
    learning_rate : float, Schedule, shared scalar or symbolic scalar
        Size :math:`\eta` of the first step; steps then shrink like :math:`t^{-1/2}` under steady gradients.
    epsilon : float, shared scalar or symbolic scalar
        :math:`\epsilon \ge 0`, which keeps the division finite.

    Returns
    -------
    Updates
        New value of every parameter and its sum of squares.  Without `loss_or_grads` and `params`: the optimizer
        with the given hyperparameters fixed.

    References
    ----------
    Duchi, Hazan, Singer (2011). Adaptive subgradient methods for online learning and stochastic optimization.
    JMLR 12. Figure 1 (diagonal version; the paper adds its constant outside the root).
    """
    updates = Updates()
    for param, grad in zip(params, get_or_compute_grads(loss_or_grads, params)):
        accu = zeros_like_param(param, "accu")
        accu_new = accu + grad**2
        updates[accu] = accu_new
        updates[param] = param - learning_rate * grad / tt.sqrt(accu_new + epsilon)
    return updates
