"""Parameters of a family as data: name, shape, initial value."""

from collections import OrderedDict, namedtuple

import numpy as np
import theano
import theano.tensor as tt

from ..errors import ParameterTypeError, ParametrizationError
from ..validation import did_you_mean
from ._substitute import floatx

__all__ = ["ParamSpec", "create_param", "create_shared", "check_param_names", "param_shapes", "collect_shared"]


class ParamSpec(namedtuple("ParamSpec", "name, shape, init, constraint")):
    """One parameter of a family or flow.

    Parameters
    ----------
    name : str
    shape : callable
        Maps the dimension d (int) to the parameter's shape (tuple of int).
    init : callable, optional
        ``init(d, rng, **options) -> array``; only needed by those who create parameters.
    constraint : str
        What the values must satisfy, for documentation and error messages.
    """

    __slots__ = ()

    def __new__(cls, name, shape, init=None, constraint="real"):
        return super().__new__(cls, name, shape, init, constraint)


def param_shapes(specs, d):
    """Dict name -> shape for dimension `d`."""
    return OrderedDict((spec.name, tuple(int(n) for n in spec.shape(int(d)))) for spec in specs)


def check_param_names(given, specs, owner):
    """Raise ParametrizationError unless the keys of `given` are exactly the names of `specs`."""
    needed = [spec.name for spec in specs]
    missing = [name for name in needed if name not in given]
    extra = [name for name in given if name not in needed]
    if missing or extra:
        hint = did_you_mean(extra[0], missing) if extra else ""
        raise ParametrizationError(
            f"The 'params' parameter of {owner} must have exactly the keys {sorted(needed)}. "
            f"Got {sorted(map(str, given))} (missing {missing}, superfluous {extra}).{hint}"
        )


def create_param(name, value, shape, owner, leading=()):
    """Symbolic parameter of shape ``leading + shape`` from what a user passed.

    Parameters
    ----------
    value : array, number, shared variable or expression
    shape : tuple of int
        Core shape.
    leading : tuple
        Row axis of batched groups: its length, or -1 when it is only known at run time.

    Raises
    ------
    ParametrizationError
        If `value` cannot be a tensor, or has a known size that does not fit.
    """
    try:
        tensor = tt.as_tensor_variable(value)
    except Exception as error:
        raise ParametrizationError(
            f"The parameter {name!r} of {owner} must be an array, a shared variable or an expression. "
            f"Got {value!r} instead."
        ) from error
    target = tuple(leading) + tuple(shape)
    known = value.get_value(borrow=True) if isinstance(value, theano.compile.SharedVariable) else value
    if not isinstance(known, theano.graph.basic.Variable):
        size, want = np.size(known), int(np.prod([n for n in target if n != -1], dtype=int))
        fits = size == want if -1 not in target else want and size % want == 0
        if not fits:
            raise ParametrizationError(
                f"The parameter {name!r} of {owner} must have shape {target} (or as many elements). "
                f"Got shape {np.shape(known)} instead."
            )
    return tensor.reshape(target, ndim=len(target))


def create_shared(name, value):
    """Shared variable in floatX called `name`."""
    return theano.shared(floatx(value), name)


def collect_shared(params):
    """Shared variables among the values of `params`, in key order; None gives an empty list."""
    if params is None:
        return []
    if not isinstance(params, dict):
        raise ParameterTypeError(
            f"The 'params' parameter of collect_shared must be a dict or None. Got {params!r} instead."
        )
    return [params[k] for k in sorted(params) if isinstance(params[k], theano.compile.SharedVariable)]
