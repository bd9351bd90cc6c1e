from ..compiler import without_test_values
from ..errors import ParameterTypeError, ParameterValueError
from ..parameters import checked
from ._common import check_params, zeros_like_param
from ._hyperparameters import FRACTION, POSITIVE, graph_value
from ._optimizer import optimizer
from ._sgd import sgd
from ._updates import Updates

__all__ = ["apply_momentum", "apply_nesterov_momentum", "momentum", "nesterov_momentum"]


@checked
def apply_momentum(updates, params=None, momentum=0.9):
    r"""Add momentum to updates of any kind.

    With :math:`s_t` the step that `updates` would make,

    .. math:: v_t = \mu v_{t-1} + s_t, \qquad \theta_t = \theta_{t-1} + v_t

    ::

        velocity := momentum * velocity + (updates[param] - param)
        param    := param + velocity

    Parameters
    ----------
    updates : dict of shared variable to expression
        Not changed.
    params : iterable of shared variables, optional
        Whose steps get momentum.  Default: for what an optimizer returned, the parameters that it optimizes (its
        moments and counters are left alone); for another dict, all its keys.
    momentum : float, Schedule, shared scalar or symbolic scalar
        :math:`\mu` in [0, 1).  A steady step grows by the factor :math:`1 / (1 - \mu)`, which a learning rate
        multiplied by :math:`1 - \mu` makes good.

    Returns
    -------
    Updates
        Copy of `updates` with the new steps and the velocities.

    References
    ----------
    Polyak (1964). Some methods of speeding up the convergence of iteration methods. USSR Computational Mathematics
    and Mathematical Physics 4(5). Eq. 9.
    """
    return _add_velocity(updates, params, momentum, "apply_momentum", _heavy_ball)


@checked
def apply_nesterov_momentum(updates, params=None, momentum=0.9):
    r"""Add Nesterov momentum to updates of any kind.

    With :math:`s_t` the step that `updates` would make,

    .. math:: v_t = \mu v_{t-1} + s_t, \qquad \theta_t = \theta_{t-1} + \mu v_t + s_t

    ::

        step     = updates[param] - param
        velocity := momentum * velocity + step
        param    := param + momentum * velocity + step

    Parameters
    ----------
    updates : dict of shared variable to expression
        Not changed.
    params : iterable of shared variables, optional
        Whose steps get momentum, as for :func:`apply_momentum`.
    momentum : float, Schedule, shared scalar or symbolic scalar
        :math:`\mu` in [0, 1).

    Returns
    -------
    Updates
        Copy of `updates` with the new steps and the velocities.

    Notes
    -----
    Nesterov's method takes its gradient at the point to which the velocity leads.  Here the shared variables hold
    that look-ahead point itself, so the gradient at their current values is the right one (Bengio et al., eq. 7).

    References
    ----------
    Nesterov (1983). A method of solving a convex programming problem with convergence rate O(1/k^2). Soviet
    Mathematics Doklady 27.

    Bengio, Boulanger-Lewandowski, Pascanu (2013). Advances in optimizing recurrent networks. ICASSP.
    """
    return _add_velocity(updates, params, momentum, "apply_nesterov_momentum", _look_ahead)


def _heavy_ball(param, new, velocity, mu):
    moved = mu * velocity + new
    return moved - param, moved


def _look_ahead(param, new, velocity, mu):
    velocity = mu * velocity + new - param
    return velocity, mu * velocity + new


@without_test_values
def _add_velocity(updates, params, momentum, caller, rule):
    """Copy of `updates` after ``rule(param, new, velocity, mu) -> (new velocity, new value)`` for all `params`."""
    if not isinstance(updates, dict):
        raise ParameterTypeError(
            f"The 'updates' parameter of {caller} must be a dict of updates. Got {updates!r} instead."
        )
    FRACTION.check(momentum, "momentum", caller)
    result = Updates(updates)
    params = check_params(result.params if params is None else params, caller)
    mu = graph_value(momentum, "momentum", FRACTION, result)
    for param in params:
        if param not in updates:
            raise ParameterValueError(
                f"The 'params' parameter of {caller} must hold keys of 'updates'. {param} has no update."
            )
        velocity = zeros_like_param(param, "velocity")
        result[velocity], result[param] = rule(param, result[param], velocity, mu)
    return result.match_types()


@optimizer(learning_rate=POSITIVE, momentum=FRACTION)
def momentum(loss_or_grads, params, learning_rate=0.001, momentum=0.9):
    r"""Gradient descent with momentum (heavy ball).

    .. math:: v_t = \mu v_{t-1} - \eta\, g_t, \qquad \theta_t = \theta_{t-1} + v_t

    ::

        velocity := momentum * velocity - learning_rate * grad
        param    := param + velocity

    Parameters
    ----------
    loss_or_grads : scalar expression or list of expressions
        Loss to minimise, or its gradients in the order of `params`.
    params : list of shared variables
        Arrays of any shape.
    learning_rate : float, Schedule, shared scalar or symbolic scalar
        Step size :math:`\eta`.
    momentum : float, Schedule, shared scalar or symbolic scalar
        :math:`\mu` in [0, 1).

    Returns
    -------
    Updates
        New value of every parameter and its velocity.  Without `loss_or_grads` and `params`: the optimizer with the
        given hyperparameters fixed.

    See Also
    --------
    apply_momentum : adds momentum to another optimizer.

    References
    ----------
    Polyak (1964). Some methods of speeding up the convergence of iteration methods. USSR Computational Mathematics
    and Mathematical Physics 4(5). Eq. 9.
    """
    return apply_momentum(sgd(loss_or_grads, params, learning_rate), params, momentum)


@optimizer(learning_rate=POSITIVE, momentum=FRACTION)
def nesterov_momentum(loss_or_grads, params, learning_rate=0.001, momentum=0.9):
    r"""Gradient descent with Nesterov momentum.

    .. math:: v_t = \mu v_{t-1} - \eta\, g_t, \qquad \theta_t = \theta_{t-1} + \mu v_t - \eta\, g_t

    ::

        velocity := momentum * velocity - learning_rate * grad
        param    := param + momentum * velocity - learning_rate * grad

    Parameters
    ----------
    loss_or_grads : scalar expression or list of expressions
        Loss to minimise, or its gradients in the order of `params`.
    params : list of shared variables
        Arrays of any shape.
    learning_rate : float, Schedule, shared scalar or symbolic scalar
        Step size :math:`\eta`.
    momentum : float, Schedule, shared scalar or symbolic scalar
        :math:`\mu` in [0, 1).

    Returns
    -------
    Updates
        New value of every parameter and its velocity.  Without `loss_or_grads` and `params`: the optimizer with the
        given hyperparameters fixed.

    See Also
    --------
    apply_nesterov_momentum : adds Nesterov momentum to another optimizer, and says where the gradient is taken.

    References
    ----------
    Bengio, Boulanger-Lewandowski, Pascanu (2013). Advances in optimizing recurrent networks. ICASSP. Eq. 7.
    """
    return apply_nesterov_momentum(sgd(loss_or_grads, params, learning_rate), params, momentum)
