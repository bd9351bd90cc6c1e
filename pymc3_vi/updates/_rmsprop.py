import theano.tensor as tt

from ._common import get_or_compute_grads, zeros_like_param
from ._hyperparameters import FRACTION, NON_NEGATIVE, POSITIVE
from ._optimizer import optimizer
from ._updates import Updates

__all__ = ["rmsprop"]


@optimizer(learning_rate=POSITIVE, rho=FRACTION, epsilon=NON_NEGATIVE)
def rmsprop(loss_or_grads, params, learning_rate=0.001, rho=0.9, epsilon=1e-6):
    r"""RMSProp: each coordinate's gradient is divided by a moving root mean square of its past.

    .. math::

        r_t = \rho\, r_{t-1} + (1 - \rho)\, g_t^2, \qquad
        \theta_t = \theta_{t-1} - \frac{\eta\, g_t}{\sqrt{r_t + \epsilon}}

    ::

        accu  := rho * accu + (1 - rho) * grad ** 2
        param := param - learning_rate * grad / sqrt(accu + epsilon)

    Parameters
    ----------
    loss_or_grads : scalar expression or list of expressions
        Loss to minimise, or its gradients in the order of `params`.
    params : list of shared variables
        Arrays of any shape.
    learning_rate : float, Schedule, shared scalar or symbolic scalar
        :math:`\eta`.  (PyMC3's default is 1.0, with which the first step is 3.2 in every coordinate.)
    rho : float, Schedule, shared scalar or symbolic scalar
        Decay :math:`\rho` of the moving average, in [0, 1).
    epsilon : float, shared scalar or symbolic scalar
        :math:`\epsilon \ge 0`.

    Returns
    -------
    Updates
        New value of every parameter and its mean square.  Without `loss_or_grads` and `params`: the optimizer with
        the given hyperparameters fixed.

    References
    ----------
    Tieleman, Hinton (2012). Neural networks for machine learning, lecture 6.5: rmsprop. Coursera.
    """
    updates = Updates()
    for param, grad in zip(params, get_or_compute_grads(loss_or_grads, params)):
        accu = zeros_like_param(param, "accu")
        accu_new = rho * accu + (1 - rho) * grad**2
        updates[accu] = accu_new
        updates[param] = param - learning_rate * grad / tt.sqrt(accu_new + epsilon)
    return updates
