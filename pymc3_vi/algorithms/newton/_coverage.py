"""Which fits Newton steps can run, and with which curvature."""

import numpy as np
import theano

from ...approximations.gaussian import LARGEST_FULL_DIMENSION, GaussianBlocks
from ...errors import ConvergenceWarning
from ...graph import substitute
from ...operators import KL
from ...validation import warn_user
from ._target import changes_between_calls

__all__ = ["affordable_blocks", "gaussian_obstacle", "obstacle", "starts_at_test_point"]

#: Options of a step that belong to stochastic gradients.
_GRADIENTS_ONLY = (
    "obj_optimizer", "test_optimizer", "more_obj_params", "more_tf_params", "more_updates",
    "total_grad_norm_constraint",
)  # fmt: skip


def gaussian_obstacle(task, further=()):
    """Why a fit is none of Gaussian groups of their own parameters under the operator KL; None if it is one.

    Parameters
    ----------
    task : Task
    further : tuple of str
        Options of the step that are not allowed either.
    """
    approx, op, objective = task.approx, task.objective.op, task.objective
    if type(op) is not KL or op.beta <= 0:
        return f"the operator is {op}, not the ELBO"
    used = [name for name in _GRADIENTS_ONLY + tuple(further) if task.options.get(name)]
    if used or objective.test_params:
        return f"{' and '.join(used) or 'a test function'} needs stochastic gradients"
    unfit = [group for group in approx.groups if not GaussianBlocks.fits(group)]
    return f"{unfit[0]} is no Gaussian group with parameters of its own" if unfit else None


def obstacle(task, whole_data):
    """Why Newton steps cannot run a fit; None if they can: data must stay the same from one evaluation to the next."""
    approx = task.approx
    reason = gaussian_obstacle(task)
    if reason is not None:
        return reason
    if approx.scale_cost_to_minibatch and approx.view.is_scaled():
        return "scale_cost_to_minibatch asks for losses of a batch"
    replaced = (task.options.get("more_replacements") or {}).values()
    nodes = [term.node for term in approx.view.logp_terms()]
    nodes += [value for value in replaced if isinstance(value, theano.graph.basic.Variable)]
    changing = changes_between_calls(substitute(nodes, whole_data))
    if changing:
        return f"{changing[0]} changes from one evaluation to the next"
    if not _has_curvature(approx):
        return f"correlations among more than {LARGEST_FULL_DIMENSION:,} values are found by gradients"
    return None


def _has_curvature(approx):
    """Whether curvature can be had; not where that leaves out correlations that Adam can find, or has found."""
    blocks = GaussianBlocks(approx.groups)
    if blocks.is_small or blocks.is_diagonal:
        return True
    independent = GaussianBlocks(approx.groups, independent=True)
    return blocks.widest > LARGEST_FULL_DIMENSION and not independent.leaves_out_correlations()


def affordable_blocks(approx):
    """Blocks in which curvature can be had; a warning where they leave out correlations.

    Fewer draws than dimensions would leave directions in which the scale grows without end.
    """
    blocks = GaussianBlocks(approx.groups)
    if blocks.is_small or blocks.is_diagonal:
        return blocks
    warn_user(
        f"{approx.title} has {blocks.d:,} values, and the default rule fits correlations among at most "
        f"{LARGEST_FULL_DIMENSION:,}: the result is the optimum of mean field. Give the variables whose correlations "
        "matter a full-rank group of their own and the rest a mean-field group (see Group), or pass obj_optimizer= to "
        "go on from here by stochastic gradients.",
        ConvergenceWarning,
    )
    return GaussianBlocks(approx.groups, independent=True)


def starts_at_test_point(approx, blocks):
    """Whether nobody chose the start, so that others may be tried."""
    point = approx.view.start()
    parts = [np.ravel(approx.view.layout(g.group).flatten(point)) for g in approx.groups]
    return bool(np.allclose(np.concatenate(parts), blocks.read()[0]))
