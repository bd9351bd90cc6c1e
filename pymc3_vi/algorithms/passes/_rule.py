"""Which fits are made in passes."""

import logging

import numpy as np

from ...approximations.gaussian import LARGEST_FULL_DIMENSION, GaussianBlocks
from ...errors import ParametrizationError
from ...model import NotASum, row_model
from ...operators import KL
from ._passes import Passes
from ._subsets import pilot_rows

__all__ = ["passes_for"]

logger = logging.getLogger("pymc3_vi")

#: Options of a step that belong to stochastic gradients.
_GRADIENTS_ONLY = (
    "test_optimizer", "more_obj_params", "more_tf_params", "more_updates", "more_replacements",
    "total_grad_norm_constraint",
)  # fmt: skip


def passes_for(objective, options, demanded=False):
    """How a model of minibatches is fitted without stochastic gradients.

    Parameters
    ----------
    objective : ObjectiveFunction
    options : dict
        Options of the step, by name.
    demanded : bool
        Whether the user asked for it.

    Returns
    -------
    Passes, dict or None
        A dict of minibatch variables and their whole data, where those are so few that they are fitted as such; None
        where gradients remain.

    Raises
    ------
    ParametrizationError
        When it was asked for and cannot be, with the reason; when minibatches do not belong together.
    """
    approx = objective.approx
    try:
        reason = _obstacle(objective, options)
        if reason is not None:
            raise NotASum(reason)
        model = row_model(approx.view)
        if model is None:
            raise NotASum("the model reads no minibatches: its default is already a fit of the whole data")
    except NotASum as why:
        if demanded:
            raise ParametrizationError(
                f"algorithm='passes' cannot fit this model: {why}. Leave it out, or pass algorithm='stochastic'."
            ) from None
        logger.debug("Stochastic gradients are used: %s", why)
        return None
    blocks = GaussianBlocks(approx.groups)
    if model.rows <= pilot_rows(blocks.d) and not demanded:
        return model.whole_data()
    objective.check_start()
    seed = int(approx.groups[0].seeds.generator("passes").integers(2**31))
    point = approx.view.start()
    parts = [np.ravel(approx.view.layout(g.group).flatten(point)) for g in approx.groups]
    jitter = bool(np.allclose(np.concatenate(parts), blocks.read()[0]))
    return Passes(objective, blocks, model, seed, jitter)


def _obstacle(objective, options):
    """Why a fit is none for passes; None if it is one."""
    approx, op = objective.approx, objective.op
    if type(op) is not KL or op.beta != 1:
        return f"the operator is {op}, not the ELBO"
    used = [name for name in _GRADIENTS_ONLY if options.get(name)]
    if used or objective.test_params:
        return f"{' and '.join(used) or 'a test function'} needs stochastic gradients"
    unfit = [group for group in approx.groups if not GaussianBlocks.fits(group)]
    if unfit:
        return f"{unfit[0]} is no Gaussian group with parameters of its own"
    if approx.scale_cost_to_minibatch:
        return "scale_cost_to_minibatch asks for losses of a batch"
    blocks = GaussianBlocks(approx.groups)
    if not (blocks.is_small or blocks.is_diagonal):
        return f"correlations are found among at most {LARGEST_FULL_DIMENSION:,} values"
    return None
