"""Which algorithm finds q."""

import copy

from ..errors import ParameterTypeError, ParameterValueError, ParametrizationError
from ..validation import did_you_mean
from ._algorithm import ALGORITHMS, Algorithm
from ._networks import is_large_network, is_network
from .newton import Newton
from .passes import Passes
from .stochastic import StochasticGradients

__all__ = ["choose"]


def choose(task, wanted="auto"):
    """The algorithm of a fit, and why it was taken: with a client that of passes, unless another one is wanted.

    Parameters
    ----------
    task : Task
    wanted : str or Algorithm
        ``'auto'``, a registered name, or an algorithm, which stays as it is: the fit has a copy of its own.

    Returns
    -------
    algorithm : Algorithm
        Not prepared yet.
    reason : str

    Raises
    ------
    ParameterValueError
        For an unknown name, with the close match.
    ParametrizationError
        When `wanted` cannot do the task, with the reason.
    """
    if task.client is not None and wanted == "auto":
        if task.options.get("obj_optimizer") is not None:
            raise ParameterTypeError(
                "fit got a client together with an optimizer, whose steps run here alone: workers read rows in passes. "
                "Leave one of them out."
            )
        wanted = "passes"
    if wanted == "auto":
        return _by_itself(task)
    algorithm = copy.copy(wanted) if isinstance(wanted, Algorithm) else _called(wanted)
    if task.options.get("obj_optimizer") is not None and not algorithm.takes_optimizer:
        raise ParameterTypeError(
            f"fit got algorithm={algorithm.name!r} together with an optimizer. Leave one of them out."
        )
    if task.client is not None and not algorithm.uses_client:
        raise ParameterTypeError(
            f"fit got a client together with algorithm={algorithm.name!r}, which runs here alone: only passes over "
            "rows (algorithm='passes') use workers. Leave one of them out."
        )
    obstacle = algorithm.obstacle(task)
    if obstacle is not None and task.client is not None:
        raise ParametrizationError(
            "The 'client' parameter of fit is for likelihoods that are sums over the rows of a DataLoader or a "
            f"pm.Minibatch, which workers read in passes. This fit cannot be made so: {obstacle}. Leave 'client' out."
        )
    if obstacle is not None:
        raise ParametrizationError(
            f"algorithm={algorithm.name!r} cannot fit this model: {obstacle}. Leave it out, or pass "
            "algorithm='stochastic'."
        )
    return algorithm, "asked for"


def _called(name):
    """Algorithm with a registered name."""
    if name in ALGORITHMS:
        return ALGORITHMS.get(name)()
    known = ["auto", *ALGORITHMS.names()]
    raise ParameterValueError(
        f"The 'algorithm' parameter of fit must be one of {known} or an Algorithm instance. Got {name!r} instead."
        f"{did_you_mean(name.lower(), known)}"
    )


def _by_itself(task):
    """What ``algorithm='auto'`` takes."""
    if task.options.get("obj_optimizer") is not None:
        return StochasticGradients(), "an optimizer was given"
    passes = Passes()
    no_passes = passes.obstacle(task)
    whole_data, view = None, task.approx.view
    if is_large_network(view) if no_passes else is_network(passes.model, view):
        return StochasticGradients(pilot="prior"), "the likelihood is a network, which they train in less time"
    if no_passes is None and (task.approx.view.replaced or not passes.has_few_rows(task)):
        return passes, "the likelihood is a sum over the rows of minibatches"
    if no_passes is None:
        whole_data = passes.model.whole_data()
    newton = Newton(whole_data)
    no_newton = newton.obstacle(task)
    if no_newton is None:
        few = "" if whole_data is None else ", whose minibatches are few enough to be taken together"
        return newton, f"Gaussian groups and a log density that stays the same{few}"
    return StochasticGradients(), f"{no_newton}" + ("" if no_passes in (None, no_newton) else f"; {no_passes}")
