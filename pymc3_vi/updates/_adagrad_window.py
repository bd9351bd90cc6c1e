import numpy as np
import theano
import theano.tensor as tt

from ._common import get_or_compute_grads, zeros_like_param
from ._hyperparameters import COUNT, NON_NEGATIVE, POSITIVE
from ._optimizer import optimizer
from ._updates import Updates

__all__ = ["adagrad_window"]


@optimizer(learning_rate=POSITIVE, epsilon=NON_NEGATIVE, n_win=COUNT)
def adagrad_window(loss_or_grads, params, learning_rate=0.001, epsilon=0.1, n_win=10):
    r"""Adagrad over a window of the last `n_win` steps: PyMC3's default for variational fits.

    .. math::

        \theta_t = \theta_{t-1} -
            \frac{\eta\, g_t}{\sqrt{\sum_{k = \max(1,\, t - w + 1)}^{t} g_k^2 + \epsilon}}

    ::

        window[i] := grad ** 2
        i         := (i + 1) % n_win
        param     := param - learning_rate * grad / sqrt(sum(window) + epsilon)

    Parameters
    ----------
    loss_or_grads : scalar expression or list of expressions
        Loss to minimise, or its gradients in the order of `params`.
    params : list of shared variables
        Arrays of any shape.
    learning_rate : float, Schedule, shared scalar or symbolic scalar
        :math:`\eta`.
    epsilon : float, shared scalar or symbolic scalar
        :math:`\epsilon \ge 0`.
    n_win : int
        Length :math:`w` of the window, which holds the current gradient too.

    Returns
    -------
    Updates
        New value of every parameter, its window of shape ``(n_win,) + param.shape``, and the position in the
        windows.  Without `loss_or_grads` and `params`: the optimizer with the given hyperparameters fixed.

    Notes
    -----
    A step is never longer than `learning_rate`, and under a steady gradient it is ``learning_rate / sqrt(n_win)``,
    so with the defaults 10000 steps cannot carry a parameter further than about 3.2.

    The divisor holds the current gradient, so large gradients count for less than small ones.  Where the noise of
    the gradient is skewed, as that of a scale parameter under one draw per step is, the fit comes to rest where the
    *shrunken* gradient is zero on average, away from the optimum.

    References
    ----------
    Duchi, Hazan, Singer (2011). Adaptive subgradient methods for online learning and stochastic optimization.
    JMLR 12 (the rule without a window).
    """
    updates = Updates()
    position = theano.shared(np.int64(0), "window_position")
    for param, grad in zip(params, get_or_compute_grads(loss_or_grads, params)):
        # Steps along the first axis: the row that is written is contiguous.
        window = zeros_like_param(param, "window", leading=(n_win,))
        window_new = tt.set_subtensor(window[position], tt.cast(grad, param.dtype) ** 2)
        updates[window] = window_new
        updates[param] = param - learning_rate * grad / tt.sqrt(window_new.sum(axis=0) + epsilon)
    updates[position] = (position + 1) % n_win
    return updates
