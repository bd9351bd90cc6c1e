"""What the functions take that make updates; optimizers add their own rows when they are defined."""

from ._common import FLAG, POSITIVE, count
from ._constraints import AnyOf, Anything, DictOf, Function, Interval, Is, ListOf, Optional
from ._graphs import Shared, SymbolicScalar, Tensor

__all__ = ["LOSS_OR_GRADS", "OPTIMIZING", "PARAMS"]

LOSS_OR_GRADS = Anything("a scalar loss, or a list of gradients in the order of `params`")
PARAMS = Anything("a list of shared variables of floats, each once")
_UPDATES = DictOf(Shared(), Tensor(), "a dict of updates", keep=True)
_MOMENTUM = dict(
    updates=_UPDATES,
    params=Optional(PARAMS),
    momentum=Anything("a number of at least 0 and less than 1, a schedule, a shared or symbolic scalar"),
)
_INTEGER = SymbolicScalar(count(0, 10**15))
_POSITIVE_SCALAR, _SMALL = SymbolicScalar(POSITIVE), SymbolicScalar(Interval(float, 0))
_EVERY = count(1, 10**12)

OPTIMIZING = {
    "apply_momentum": _MOMENTUM,
    "apply_nesterov_momentum": _MOMENTUM,
    "norm_constraint": dict(
        tensor=Tensor(),
        max_norm=_POSITIVE_SCALAR,
        norm_axes=Optional(
            AnyOf(Interval(int, -64, 64), ListOf(Anything("an axis")), allowed="an axis or a list of axes")
        ),
        epsilon=_SMALL,
    ),
    "total_norm_constraint": dict(
        tensor_vars=ListOf(Tensor(), "a list of at least one expression"),
        max_norm=_POSITIVE_SCALAR,
        epsilon=_SMALL,
        return_norm=FLAG,
    ),
    "tail_average": dict(updates=_UPDATES, params=PARAMS, start=_INTEGER, counter=Optional(_INTEGER)),
    "preconditioned": dict(
        optimizer=Function("(loss_or_grads, params)"),
        scales=Is(dict, list, tuple, allowed="a dict from parameters to scales or a list of scales"),
    ),
    "get_or_compute_grads": dict(loss_or_grads=LOSS_OR_GRADS, params=PARAMS),
    "constant": dict(lr=POSITIVE),
    "exponential": dict(lr=POSITIVE, decay=Interval(float, 0, 1, low_open=True), every=_EVERY, staircase=FLAG),
    "cosine": dict(lr=POSITIVE, n=_EVERY, final=Interval(float, 0), warmup=count(0, 10**12)),
    "reduce_on_plateau": dict(
        lr=POSITIVE,
        factor=Interval(float, 0, 1, low_open=True, high_open=True),
        patience=_EVERY,
        every=count(2, 10**12),
        tolerance=Interval(float, 0),
        min_lr=Interval(float, 0),
    ),
}
