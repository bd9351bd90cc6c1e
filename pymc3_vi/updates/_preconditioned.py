from collections import OrderedDict

import numpy as np
import theano
import theano.tensor as tt

from ..compiler import without_test_values
from ..errors import ParameterTypeError, ParameterValueError
from ..parameters import checked
from ..validation import check_callable, require
from ._common import check_params, get_or_compute_grads, zeros_like_param
from ._updates import Updates

__all__ = ["PreconditionedOptimizer", "preconditioned"]


@checked
def preconditioned(optimizer, scales):
    r"""Run an optimizer in rescaled coordinates.

    With :math:`\theta = \theta_0 + P\phi` a loss of :math:`\theta` has the gradient :math:`P^\top g` in
    :math:`\phi`.  The optimizer sees that gradient, and the step that it makes is mapped back:

    .. math:: \theta_t = \theta_{t-1} + P\, \mathrm{step}(P^\top g_t)

    If :math:`P P^\top` is the inverse of the loss's Hessian, the optimizer works on a sphere.

    Parameters
    ----------
    optimizer : callable
        ``(loss_or_grads, params) -> updates``.  Its steps may depend on gradients and its own state, not on where
        the parameters are (none of the registered ones depends on that).
    scales : dict of shared variable to scale, or list of scales in the order of the parameters
        A scale is an array or a shared variable: positive numbers of the parameter's shape (or one number) for a
        diagonal :math:`P`, or for a vector of length d a lower triangular matrix of shape (d, d) with a positive
        diagonal.  In a dict, parameters that are not keys stay as they are; in a list, None does the same.

    Returns
    -------
    PreconditionedOptimizer
        ``(loss_or_grads, params, **hyperparameters) -> Updates``, whose ``.scales`` maps parameters to shared
        scales.  They can be set at any time: the origin :math:`\theta_0` moves along with the iterate, so a new
        scale changes the next step and not the place.

    Examples
    --------
    >>> import numpy as np, theano
    >>> from pymc3_vi.updates import sgd
    >>> w = theano.shared(np.array([1.0, 1.0]))
    >>> loss = (w ** 2 * np.array([1.0, 1e6])).sum() / 2
    >>> optimizer = preconditioned(sgd(learning_rate=1.0), {w: np.array([1.0, 1e-3])})
    >>> step = theano.function([], updates=optimizer(loss, [w]))
    >>> _ = step()
    >>> bool(abs(w.get_value()).max() < 1e-12)
    True
    """
    return PreconditionedOptimizer(optimizer, scales)


class PreconditionedOptimizer:
    """What :func:`preconditioned` returns; like any optimizer it takes hyperparameters beforehand too."""

    def __init__(self, optimizer, scales):
        signature = "(loss_or_grads, params) -> updates"
        self.optimizer = check_callable(optimizer, "optimizer", "preconditioned", signature)
        require(
            isinstance(scales, (dict, list, tuple)),
            TypeError,
            "scales",
            "preconditioned",
            "a dict from parameters to scales or a list of scales",
            scales,
        )
        self.scales = scales

    def __repr__(self):
        return f"preconditioned({getattr(self.optimizer, '__name__', self.optimizer)}, {self.scales!r})"

    @without_test_values
    def __call__(self, loss_or_grads=None, params=None, **hyperparameters):
        if loss_or_grads is None and params is None:
            return PreconditionedOptimizer(self.optimizer(**hyperparameters), self.scales)
        params = check_params(params, "preconditioned")
        scales = self._shared_scales(params)
        grads = get_or_compute_grads(loss_or_grads, params)
        # phi stays 0, the origin of coordinates that move along: only the step away from it counts.
        coordinates = OrderedDict((param, zeros_like_param(param, "phi")) for param in params)
        moved = self.optimizer(
            [_pull_back(scales.get(param), grad) for param, grad in zip(params, grads)],
            list(coordinates.values()),
            **hyperparameters,
        )
        return self._map_back(Updates(moved), coordinates, scales)

    def _shared_scales(self, params):
        given = self.scales
        if not isinstance(given, dict):
            require(
                len(given) == len(params),
                ValueError,
                "scales",
                "preconditioned",
                f"one scale for each of the {len(params)} parameters",
                given,
            )
            given = dict(zip(params, given))
        for param in given:
            require(
                param in params,
                ValueError,
                "scales",
                "preconditioned",
                f"a dict whose keys are among the parameters {params}",
                param,
            )
        return OrderedDict((p, _shared_scale(given[p], p)) for p in params if given.get(p) is not None)

    @staticmethod
    def _map_back(moved, coordinates, scales):
        """`moved` with the new values of the coordinates replaced by those of the parameters."""
        if moved.averages:
            raise ParameterValueError(
                "The 'optimizer' parameter of preconditioned must not average: its coordinates move along with the "
                "iterate. Apply tail_average to the preconditioned updates instead."
            )
        params = {phi: param for param, phi in coordinates.items()}
        updates = Updates(moved)
        updates.clear()
        for variable, value in moved.items():
            if variable in params:
                param = params[variable]
                updates[param] = param + _push_forward(scales.get(param), value - variable)
            else:
                updates[variable] = value
        updates.params = list(coordinates)
        updates.scales.update(scales)
        return updates.match_types()


def _pull_back(scale, grad):
    if scale is None:
        return grad
    return tt.dot(grad, scale) if scale.ndim > grad.ndim else scale * grad


def _push_forward(scale, step):
    if scale is None:
        return step
    return tt.dot(scale, step) if scale.ndim > step.ndim else scale * step


def _shared_scale(scale, param):
    """`scale` of `param` as a checked shared variable; a shared one is itself."""
    shape = param.get_value(borrow=True).shape
    shared = scale if isinstance(scale, theano.compile.SharedVariable) else None
    try:
        value = np.asarray(scale if shared is None else scale.get_value(borrow=True), dtype=param.dtype)
    except (TypeError, ValueError) as error:
        raise ParameterTypeError(
            f"The scale of {param} must be an array or a shared variable. Got {scale!r}."
        ) from error
    if value.ndim == 0 and shared is None:
        value = np.full(shape, value)
    allowed = f"of shape {shape}" + (f" or {shape * 2}" if len(shape) == 1 else "")
    triangular = len(shape) == 1 and value.shape == shape * 2
    if value.shape != shape and not triangular:
        raise ParameterValueError(f"The scale of {param} must be {allowed}. Got shape {value.shape}.")
    positive = np.diag(value) if triangular else value
    if not (np.isfinite(value).all() and (positive > 0).all()):
        what = "with a positive diagonal" if triangular else "and positive"
        raise ParameterValueError(f"The scale of {param} must be finite {what}. Got {value!r}.")
    if triangular and np.triu(value, 1).any():
        raise ParameterValueError(
            f"The scale of {param} must be lower triangular, such as a Cholesky factor. Got {value!r}."
        )
    if shared is not None:
        return shared
    pattern = (False, False) if triangular else param.broadcastable
    return theano.shared(value, f"{param.name}_scale" if param.name else "scale", broadcastable=pattern)
