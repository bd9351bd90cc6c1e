"""Which fits are made in passes."""

from ...approximations.gaussian import LARGEST_FULL_DIMENSION, GaussianBlocks
from ...model import NotASum, row_model
from ..newton import gaussian_obstacle

__all__ = ["row_sum"]


def row_sum(task):
    """The log density of a fit as a sum over rows.

    Parameters
    ----------
    task : Task

    Returns
    -------
    RowModel

    Raises
    ------
    NotASum
        Where the fit cannot be made in passes, with the reason.
    ParametrizationError
        When minibatches do not belong together.
    """
    reason = _obstacle(task)
    if reason is not None:
        raise NotASum(reason)
    model = row_model(task.approx.view)
    if model is None:
        raise NotASum("the model reads no minibatches: its default is already a fit of the whole data")
    return model


def _obstacle(task):
    reason = gaussian_obstacle(task, further=("more_replacements",))
    if reason is not None:
        return reason
    if task.objective.op.beta != 1:
        return f"beta is {task.objective.op.beta:g}, not 1"
    if task.approx.scale_cost_to_minibatch:
        return "scale_cost_to_minibatch asks for losses of a batch"
    blocks = GaussianBlocks(task.approx.groups)
    if not (blocks.is_small or blocks.is_diagonal):
        return f"correlations are found among at most {LARGEST_FULL_DIMENSION:,} values"
    return None
