import numpy as np
import theano
import theano.tensor as tt

from ..compiler import without_test_values
from ..errors import ParameterValueError
from ..parameters import checked
from ..validation import check_positive_int, require
from ._common import check_params
from ._updates import Updates

__all__ = ["tail_average"]


@checked
@without_test_values
def tail_average(updates, params, start, counter=None):
    r"""Add averages of the iterates from one step on (Polyak-Ruppert averaging of the tail).

    With :math:`\theta_{k+1}` the value after step :math:`k = 0, 1, \dots` and :math:`s` = `start`,

    .. math::

        \bar\theta_{k+1} = \bar\theta_k + \frac{\theta_{k+1} - \bar\theta_k}{\max(k - s, 0) + 1}

    ::

        weight   = 1 / (max(counter - start, 0) + 1)
        average := average + weight * (updates[param] - average)
        counter := counter + 1

    so up to step `start` the average is the iterate itself, and after step ``k >= start`` it is the mean of the
    ``k - start + 1`` values after steps ``start, ..., k``.

    Parameters
    ----------
    updates : dict of shared variable to expression
        Not changed.
    params : list of shared variables
        Keys of `updates`.
    start : int or (shared or symbolic) integer scalar
        Index of the first step that counts.  A shared one can be set while fitting: with the index of the next step
        it drops the past and starts a new average.
    counter : (shared or symbolic) integer scalar, optional
        0-based index of the current step, if somebody else counts.  Default: a shared counter, added to the result.

    Returns
    -------
    Updates
        Copy of `updates` with the averages, which ``.averages`` maps from their parameters.

    References
    ----------
    Polyak, Juditsky (1992). Acceleration of stochastic approximation by averaging. SIAM Journal on Control and
    Optimization 30(4).

    Examples
    --------
    >>> import theano
    >>> from pymc3_vi.updates import sgd
    >>> w = theano.shared(8.0)
    >>> updates = tail_average(sgd(w ** 2, [w], 0.25), [w], start=1)
    >>> step = theano.function([], updates=updates)
    >>> _ = [step() for _ in range(3)]  # 4, 2, 1
    >>> float(updates.averages[w].get_value())
    1.5
    """
    result = Updates(updates)
    params = check_params(params, "tail_average")
    start = _integer(start, "start")
    if counter is None:
        counter = theano.shared(np.int64(0), "average_step")
        result[counter] = counter + 1
    else:
        counter = _integer(counter, "counter")
    weight = 1.0 / tt.cast(tt.maximum(counter - start, 0) + 1, "float64")
    for param in params:
        if param not in updates:
            raise ParameterValueError(
                f"The 'params' parameter of tail_average must hold keys of 'updates'. {param} has none."
            )
        average = theano.shared(
            param.get_value(),
            name=f"{param.name}_average" if param.name else "average",
            broadcastable=param.broadcastable,
        )
        result[average] = average + weight * (result[param] - average)
        result.averages[param] = average
    return result.match_types()


def _integer(value, name):
    if not isinstance(value, theano.graph.basic.Variable):
        return check_positive_int(value, name, "tail_average", minimum=0)
    fits = getattr(value.type, "ndim", None) == 0 and value.dtype.startswith(("int", "uint"))
    require(fits, TypeError, name, "tail_average", "an integer scalar", f"{value} of type {value.type}")
    return value
