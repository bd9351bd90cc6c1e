"""What every update rule starts from: checked parameters, their gradients, state of the right type."""

import numpy as np
import theano
import theano.tensor as tt

__all__ = ["check_params", "get_or_compute_grads", "step_counter", "zeros_like_param"]


def check_params(params, caller="get_or_compute_grads"):
    """`params` as a list of distinct floating point shared variables.

    Raises
    ------
    TypeError
        If `params` is no sequence, or one of them does not hold floats.
    ValueError
        If one of them is not shared, or stands there twice.
    """
    if isinstance(params, theano.graph.basic.Variable) or not hasattr(params, "__iter__"):
        raise TypeError(
            f"The 'params' parameter of {caller} must be a list of shared variables. Got {params!r} instead; "
            "put a single variable into a list."
        )
    params = list(params)
    for index, param in enumerate(params):
        if not isinstance(param, theano.compile.SharedVariable):
            raise ValueError(
                f"The 'params' parameter of {caller} must hold shared variables only, because only they can be "
                f"updated. Got {param!r} at position {index}; pass the shared variables that it is computed from."
            )
        if not str(getattr(param, "dtype", "")).startswith("float"):
            raise TypeError(
                f"The 'params' parameter of {caller} must hold floating point variables. Got {param} of type "
                f"{param.type} at position {index}."
            )
    if len(set(params)) != len(params):
        twice = next(p for index, p in enumerate(params) if p in params[:index])
        raise ValueError(f"The 'params' parameter of {caller} must hold every variable once. Got {twice} twice.")
    return params


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
        raise TypeError(
            "The 'loss_or_grads' parameter must be a scalar loss or a list of gradients. "
            f"Got an expression with {loss.ndim} dimensions, {loss}; reduce it with .sum() or .mean()."
        )
    return tt.grad(loss, params)


def _check_grads(grads, params):
    if len(grads) != len(params):
        raise ValueError(
            f"The 'loss_or_grads' parameter must hold one gradient for each parameter. "
            f"Got {len(grads)} gradients for {len(params)} parameters."
        )
    checked = []
    for grad, param in zip(grads, params):
        grad = _as_expression(grad, f"gradients; the one of {param} must be an expression")
        if grad.ndim != param.ndim:
            raise ValueError(
                f"The gradient of {param} must have its {param.ndim} dimensions. Got {grad} with {grad.ndim}."
            )
        checked.append(grad)
    return checked


def _as_expression(value, allowed):
    try:
        return tt.as_tensor_variable(value)
    except Exception as error:  # Theano raises several kinds, none of which says what was expected
        raise TypeError(f"The 'loss_or_grads' parameter must be {allowed}. Got {value!r} instead.") from error


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
