"""Update rules: gradients to the new values of shared variables."""

from ._adadelta import adadelta
from ._adagrad import adagrad
from ._adagrad_window import adagrad_window
from ._adam import adam
from ._adamax import adamax
from ._averaging import tail_average
from ._common import check_updates, get_or_compute_grads, zeros_like_param
from ._constraints import norm_constraint, total_norm_constraint
from ._hyperparameters import COUNT, FRACTION, NON_NEGATIVE, POSITIVE
from ._momentum import apply_momentum, apply_nesterov_momentum, momentum, nesterov_momentum
from ._optimizer import OPTIMIZERS, PartialOptimizer, optimizer
from ._preconditioned import PreconditionedOptimizer, preconditioned
from ._rmsprop import rmsprop
from ._schedules import Schedule, constant, cosine, exponential, reduce_on_plateau
from ._sgd import sgd
from ._updates import Updates

__all__ = [
    "OPTIMIZERS",
    "sgd",
    "momentum",
    "nesterov_momentum",
    "adagrad",
    "adagrad_window",
    "rmsprop",
    "adadelta",
    "adam",
    "adamax",
    "apply_momentum",
    "apply_nesterov_momentum",
    "norm_constraint",
    "total_norm_constraint",
    "check_updates",
    "get_or_compute_grads",
    "constant",
    "exponential",
    "cosine",
    "reduce_on_plateau",
    "Schedule",
    "tail_average",
    "preconditioned",
    "PreconditionedOptimizer",
    "PartialOptimizer",
    "Updates",
    "optimizer",
    "zeros_like_param",
    "POSITIVE",
    "NON_NEGATIVE",
    "FRACTION",
    "COUNT",
]

for _rule in (sgd, momentum, nesterov_momentum, adagrad, adagrad_window, rmsprop, adadelta, adam, adamax):
    OPTIMIZERS.register(_rule.__name__, _rule)
