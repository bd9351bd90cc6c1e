import theano.tensor as tt

from ._common import get_or_compute_grads, step_counter, zeros_like_param
from ._hyperparameters import FRACTION, NON_NEGATIVE, POSITIVE
from ._optimizer import optimizer
from ._updates import Updates

__all__ = ["adamax"]


@optimizer(learning_rate=POSITIVE, beta1=FRACTION, beta2=FRACTION, epsilon=NON_NEGATIVE)
def adamax(loss_or_grads, params, learning_rate=0.002, beta1=0.9, beta2=0.999, epsilon=1e-8):
    r"""Adamax: Adam with a decaying maximum of the gradient's size in place of the root mean square.

    .. math::

        m_t &= \beta_1 m_{t-1} + (1 - \beta_1)\, g_t \\
        u_t &= \max(\beta_2 u_{t-1}, |g_t|) \\
        \theta_t &= \theta_{t-1} - \frac{\eta}{1 - \beta_1^t}\, \frac{m_t}{u_t + \epsilon}

    ::

        t     := t + 1
        m     := beta1 * m + (1 - beta1) * grad
        u     := max(beta2 * u, abs(grad))
        param := param - learning_rate / (1 - beta1 ** t) * m / (u + epsilon)

    Parameters
    ----------
    loss_or_grads : scalar expression or list of expressions
        Loss to minimise, or its gradients in the order of `params`.
    params : list of shared variables
        Arrays of any shape.
    learning_rate : float, Schedule, shared scalar or symbolic scalar
        :math:`\eta`, the largest length of a step in every coordinate.
    beta1, beta2 : float, Schedule, shared scalar or symbolic scalar
        Decay :math:`\beta_1, \beta_2` in [0, 1) of the mean and the maximum.
    epsilon : float, shared scalar or symbolic scalar
        :math:`\epsilon \ge 0`, which the paper does not have.

    Returns
    -------
    Updates
        New value of every parameter, its mean and maximum, and the number of steps.  Without `loss_or_grads` and
        `params`: the optimizer with the given hyperparameters fixed.

    References
    ----------
    Kingma, Ba (2015). Adam: a method for stochastic optimization. ICLR. arXiv:1412.6980. Algorithm 2.
    """
    grads = get_or_compute_grads(loss_or_grads, params)
    updates = Updates()
    t_prev = step_counter("adamax_t")
    t = t_prev + 1
    step_size = learning_rate / (1 - beta1**t)
    for param, grad in zip(params, grads):
        mean = zeros_like_param(param, "mean")
        largest = zeros_like_param(param, "largest")
        mean_new = beta1 * mean + (1 - beta1) * grad
        largest_new = tt.maximum(beta2 * largest, abs(grad))
        updates[mean] = mean_new
        updates[largest] = largest_new
        updates[param] = param - step_size * mean_new / (largest_new + epsilon)
    updates[t_prev] = t
    return updates
