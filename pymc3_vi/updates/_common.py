"""What every update rule starts from: checked parameters, their gradients, state of the right type."""

from collections import OrderedDict

import numpy as np
import theano
import theano.tensor as tt

from ..errors import ParameterTypeError, ParameterValueError
from ..parameters import checked
from ..validation import shown
from ._updates import Updates

__all__ = ["check_params", "check_updates", "get_or_compute_grads", "step_counter", "zeros_like_param"]


def check_params(params, caller="get_or_compute_grads"):
    """`params` as a list of distinct floating point shared variables.

    Raises
    ------
    TypeError
        If `params` is no sequence, or one of them does not hold floats.
    ValueError
        If one of them is not shared, or stands there twice.
    """
    if isinstance(params, (theano.graph.basic.Variable, str)) or not hasattr(params, "__iter__"):
        raise ParameterTypeError(
            f"The 'params' parameter of {caller} must be a list of shared variables. Got {params!r} instead; "
            "put a single variable into a list."
        )
    params = list(params)
    for index, param in enumerate(params):
        if not isinstance(param, theano.compile.SharedVariable):
            raise ParameterValueError(
                f"The 'params' parameter of {caller} must hold shared variables only, because only they can be "
                f"updated. Got {param!r} at position {index}; pass the shared variables that it is computed from."
            )
        if not str(getattr(param, "dtype", "")).startswith("float"):
            raise ParameterTypeError(
                f"The 'params' parameter of {caller} must hold floating point variables. Got {param} of type "
                f"{param.type} at position {index}."
            )
    if len(set(params)) != len(params):
        twice = next(p for index, p in enumerate(params) if p in params[:index])
        raise ParameterValueError(
            f"The 'params' parameter of {caller} must hold every variable once. Got {twice} twice."
        )
    return params


@checked
def get_or_compute_grads(loss_or_grads, params):
    """Gradients with respect to `params`, computed from a loss or taken as given.

    Parameters
    ----------
    loss_or_grads : scalar expression or list of expressions
        A loss, or one gradient for each parameter, of the parameter's number of dimensions.
    params : list of shared variables

    Returns
    -------
    list of expressions
        In the order of `params`.

    Raises
    ------
    ValueError
        If there are more or fewer gradients than parameters, a gradient does not fit its parameter, or a parameter
        is not shared.
    TypeError
        If the loss is not a scalar, or something is no expression.
    """
    params = check_params(params)
    if isinstance(loss_or_grads, (list, tuple)):
        return _check_grads(loss_or_grads, params)
    loss = _as_expression(loss_or_grads, "a scalar loss or a list of gradients")
    if loss.ndim != 0:
        raise ParameterTypeError(
            "The 'loss_or_grads' parameter must be a scalar loss or a list of gradients. "
            f"Got an expression with {loss.ndim} dimensions, {loss}; reduce it with .sum() or .mean()."
        )
    try:
        return tt.grad(loss, params)
    except theano.gradient.DisconnectedInputError:
        reached = set(theano.graph.basic.ancestors([loss]))
        missing = [param for param in params if param not in reached] or params
        raise ParameterValueError(
            f"The 'loss_or_grads' parameter must depend on all parameters. Got {loss}, which does not on {missing[0]}."
        ) from None


def _check_grads(grads, params):
    if len(grads) != len(params):
        raise ParameterValueError(
            f"The 'loss_or_grads' parameter must hold one gradient for each parameter. "
            f"Got {len(grads)} gradients for {len(params)} parameters."
        )
    checked = []
    for grad, param in zip(grads, params):
        grad = _as_expression(grad, f"gradients; the one of {param} must be an expression")
        if grad.ndim != param.ndim:
            raise ParameterValueError(
                f"In the 'loss_or_grads' parameter the gradient of {param} must have its {param.ndim} dimensions. "
                f"Got {grad} with {grad.ndim}."
            )
        checked.append(grad)
    return checked


def _as_expression(value, allowed):
    try:
        return tt.as_tensor_variable(value)
    except Exception as error:  # Theano raises several kinds, none of which says what was expected
        raise ParameterTypeError(f"The 'loss_or_grads' parameter must be {allowed}. Got {value!r} instead.") from error


def check_updates(updates, params, optimizer, parameter):
    """What an optimizer of the user's returned, as an ordered dict.

    Parameters
    ----------
    updates : object
    params : list of shared variables
        At least one of them must be updated.
    optimizer : callable
    parameter : str
        Parameter of ``fit`` that it was passed as.

    Raises
    ------
    ParameterTypeError, ParameterValueError
        If it is no dict of updates, or updates nothing that is to be optimized.
    """
    if isinstance(updates, Updates):
        return updates
    problem, where = None, " instead"
    if isinstance(updates, (list, tuple)) and all(isinstance(pair, tuple) and len(pair) == 2 for pair in updates):
        updates = OrderedDict(updates)
    if not hasattr(updates, "items"):
        problem = f"returned {shown(updates)}"
    for variable, value in () if problem else updates.items():
        if not isinstance(variable, theano.compile.SharedVariable):
            problem = f"has the key {shown(variable)}"
            break
        try:
            ndim = tt.as_tensor_variable(value).ndim
        except Exception:  # Theano raises several kinds, none of which says what was expected
            problem = f"gives {shown(value)} to {variable}"
            break
        if ndim != variable.ndim:
            problem, where = f"gives a value of {ndim} dimensions to {variable}", f", which has {variable.ndim}"
            break
    if problem is not None:
        raise ParameterTypeError(
            f"The {parameter!r} parameter of fit must return a dict from shared variables to their new values. "
            f"Here {shown(optimizer)} {problem}{where}."
        )
    if params and not any(param in updates for param in params):
        raise ParameterValueError(
            f"The {parameter!r} parameter of fit must update the parameters that it gets. {shown(optimizer)} updates "
            "none of them."
        )
    return updates


def zeros_like_param(param, suffix, leading=()):
    """Shared zeros of the dtype, shape and broadcast pattern of `param`, with `leading` axes in front."""
    value = param.get_value(borrow=True)
    return theano.shared(
        np.zeros(tuple(leading) + value.shape, dtype=value.dtype),
        name=f"{param.name}_{suffix}" if param.name else suffix,
        broadcastable=(False,) * len(leading) + tuple(param.broadcastable),
    )


def step_counter(name):
    """Shared zero in floatX that counts the steps done; in floatX it enters formulas without a cast."""
    return theano.shared(np.dtype(theano.config.floatX).type(0), name)
