from ._common import get_or_compute_grads
from ._hyperparameters import POSITIVE
from ._optimizer import optimizer
from ._updates import Updates

__all__ = ["sgd"]


@optimizer(learning_rate=POSITIVE)
def sgd(loss_or_grads, params, learning_rate=0.001):
    r"""Stochastic gradient descent: a step of `learning_rate` times the gradient.

    .. math:: \theta_t = \theta_{t-1} - \eta\, g_t

    ::

        param := param - learning_rate * grad

    Parameters
    ----------
    loss_or_grads : scalar expression or list of expressions
        Loss to minimise, or its gradients in the order of `params`.
    params : list of shared variables
        Arrays of any shape.
    learning_rate : float, Schedule, shared scalar or symbolic scalar
        Step size :math:`\eta`.

    Returns
    -------
    Updates
        New value of every parameter.  Without `loss_or_grads` and `params`: the optimizer with the given
        hyperparameters fixed.

    References
    ----------
    Robbins, Monro (1951). A stochastic approximation method. Annals of Mathematical Statistics 22(3).

    Examples
    --------
    >>> import theano
    >>> w = theano.shared(1.0)
    >>> step = theano.function([], updates=sgd(w ** 2, [w], learning_rate=0.25))
    >>> _ = step()
    >>> float(w.get_value())
    0.5
    """
    grads = get_or_compute_grads(loss_or_grads, params)
    return Updates((param, param - learning_rate * grad) for param, grad in zip(params, grads))
