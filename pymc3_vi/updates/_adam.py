import theano.tensor as tt

from ._common import get_or_compute_grads, step_counter, zeros_like_param
from ._hyperparameters import FRACTION, NON_NEGATIVE, POSITIVE
from ._optimizer import optimizer
from ._updates import Updates

__all__ = ["adam"]


@optimizer(learning_rate=POSITIVE, beta1=FRACTION, beta2=FRACTION, epsilon=NON_NEGATIVE)
def adam(loss_or_grads, params, learning_rate=0.001, beta1=0.9, beta2=0.999, epsilon=1e-8):
    r"""Adam: moving mean of the gradient over moving root mean square of the gradient, corrected for their start.

    .. math::

        a_t &= \eta\, \frac{\sqrt{1 - \beta_2^t}}{1 - \beta_1^t} \\
        m_t &= \beta_1 m_{t-1} + (1 - \beta_1)\, g_t \\
        v_t &= \beta_2 v_{t-1} + (1 - \beta_2)\, g_t^2 \\
        \theta_t &= \theta_{t-1} - \frac{a_t\, m_t}{\sqrt{v_t} + \epsilon}

    ::

        t     := t + 1
        a      = learning_rate * sqrt(1 - beta2 ** t) / (1 - beta1 ** t)
        m     := beta1 * m + (1 - beta1) * grad
        v     := beta2 * v + (1 - beta2) * grad ** 2
        param := param - a * m / (sqrt(v) + epsilon)

    Parameters
    ----------
    loss_or_grads : scalar expression or list of expressions
        Loss to minimise, or its gradients in the order of `params`.
    params : list of shared variables
        Arrays of any shape.
    learning_rate : float, Schedule, shared scalar or symbolic scalar
        :math:`\eta`, about the length of a step in every coordinate.
    beta1, beta2 : float, Schedule, shared scalar or symbolic scalar
        Decay :math:`\beta_1, \beta_2` in [0, 1) of the mean and the mean square.
    epsilon : float, shared scalar or symbolic scalar
        :math:`\epsilon \ge 0`.  It stands beside the root of the *uncorrected* mean square (:math:`\hat\epsilon` of
        the paper's section 2).

    Returns
    -------
    Updates
        New value of every parameter, its two moments, and the number of steps.  Without `loss_or_grads` and
        `params`: the optimizer with the given hyperparameters fixed.

    References
    ----------
    Kingma, Ba (2015). Adam: a method for stochastic optimization. ICLR. arXiv:1412.6980. Algorithm 1, in the order
    of computation that its section 2 recommends.
    """
    grads = get_or_compute_grads(loss_or_grads, params)
    updates = Updates()
    t_prev = step_counter("adam_t")
    t = t_prev + 1
    step_size = learning_rate * tt.sqrt(1 - beta2**t) / (1 - beta1**t)
    for param, grad in zip(params, grads):
        mean = zeros_like_param(param, "mean")
        square = zeros_like_param(param, "square")
        mean_new = beta1 * mean + (1 - beta1) * grad
        square_new = beta2 * square + (1 - beta2) * grad**2
        updates[mean] = mean_new
        updates[square] = square_new
        updates[param] = param - step_size * mean_new / (tt.sqrt(square_new) + epsilon)
    updates[t_prev] = t
    return updates
