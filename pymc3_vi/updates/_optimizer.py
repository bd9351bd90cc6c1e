"""The decorator that makes an optimizer of an update rule, and the registry of optimizers."""

import functools
import inspect

from ..compiler import without_test_values
from ..errors import ParameterTypeError, ParameterValueError
from ..parameters import LOSS_OR_GRADS, PARAMETERS, PARAMS
from ..registry import Registry
from ..validation import reject_unknown_keywords
from ._common import check_params
from ._hyperparameters import graph_value
from ._updates import Updates

__all__ = ["OPTIMIZERS", "PartialOptimizer", "optimizer"]

OPTIMIZERS = Registry("optimizer")


class PartialOptimizer(functools.partial):
    """Optimizer with some hyperparameters fixed: ``(loss_or_grads, params, **overrides) -> Updates``.

    Called with keywords only it gives another one, with these in addition.  It can be pickled.
    """

    def __repr__(self):
        settings = ", ".join(f"{name}={value!r}" for name, value in self.keywords.items())
        return f"{self.func.__name__}({settings})"


def optimizer(**constraints):
    """Decorator: make an optimizer of an update rule.

    The rule is a function ``(loss_or_grads, params, <hyperparameters>) -> OrderedDict`` that only writes down its
    formulas.  The optimizer made of it

    * takes every hyperparameter as number, schedule, shared or symbolic scalar, and checks it;
    * gives a ``PartialOptimizer`` when called with hyperparameters only;
    * hands the rule a shared scalar as its learning rate, so that the rate can be set in a compiled step;
    * casts each new value to dtype and broadcast pattern of its variable, so that a float32 parameter stays one;
    * returns :class:`Updates`.

    Parameters
    ----------
    **constraints
        Constraint of each hyperparameter of the rule: ``POSITIVE``, ``NON_NEGATIVE``, ``FRACTION``, ``COUNT``.

    Examples
    --------
    >>> from pymc3_vi.updates import POSITIVE, get_or_compute_grads, optimizer
    >>> @optimizer(learning_rate=POSITIVE)
    ... def sign_descent(loss_or_grads, params, learning_rate=0.01):
    ...     grads = get_or_compute_grads(loss_or_grads, params)
    ...     return {p: p - learning_rate * g / abs(g) for p, g in zip(params, grads)}
    >>> sign_descent(learning_rate=0.1)
    sign_descent(learning_rate=0.1)
    """

    def decorate(rule):
        parameters = list(inspect.signature(rule).parameters.values())[2:]
        names = [parameter.name for parameter in parameters]
        defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
        if set(names) != set(constraints):
            raise ParameterTypeError(
                f"optimizer() needs one constraint for each of {names}. Got {sorted(constraints)}."
            )

        PARAMETERS[rule.__name__] = {"loss_or_grads": LOSS_OR_GRADS, "params": PARAMS, **constraints}

        @functools.wraps(rule)
        def wrapper(loss_or_grads=None, params=None, *args, **keywords):
            given = _join(rule.__name__, names, args, keywords)
            for name, value in given.items():
                constraints[name].check(value, name, rule.__name__)
            if loss_or_grads is None and params is None:
                return PartialOptimizer(wrapper, **given)
            if loss_or_grads is None or params is None:
                absent = "loss_or_grads" if loss_or_grads is None else "params"
                raise ParameterValueError(
                    f"{rule.__name__} needs both 'loss_or_grads' and 'params', or neither for partial application. "
                    f"{absent!r} is missing."
                )
            missing = [name for name in names if name not in given and name not in defaults]
            if missing:
                raise ParameterTypeError(
                    f"{rule.__name__} has no default for {missing[0]!r}. Give one, e.g. "
                    f"{rule.__name__}({missing[0]}=0.001)."
                )
            return _build(rule, loss_or_grads, params, {**defaults, **given}, constraints)

        return wrapper

    return decorate


def _join(caller, names, args, keywords):
    """One dict, in the order of `names`, of hyperparameters given by position and by keyword."""
    if len(args) > len(names):
        raise ParameterTypeError(
            f"{caller} takes at most {len(names) + 2} arguments: loss_or_grads, params, {', '.join(names)}. "
            f"Got {len(args) + 2}."
        )
    reject_unknown_keywords(keywords, names, caller)
    given = dict(zip(names, args))
    for name in keywords:
        if name in given:
            raise ParameterTypeError(f"{caller} got {name!r} twice, by position and by keyword.")
    given.update(keywords)
    return {name: given[name] for name in names if name in given}


@without_test_values
def _build(rule, loss_or_grads, params, given, constraints):
    """Run `rule` on hyperparameters as they stand in the graph, and complete what it returns."""
    params = check_params(params, rule.__name__)
    moving = Updates()
    hyperparameters = {
        name: graph_value(value, name, constraints[name], moving, always_shared=name == "learning_rate")
        for name, value in given.items()
    }
    updates = Updates(rule(loss_or_grads, params, **hyperparameters))
    updates.params = params
    updates.update(moving)
    updates.hyperparameters.update(moving.hyperparameters)
    updates.schedules.extend(moving.schedules)
    return updates.match_types()
