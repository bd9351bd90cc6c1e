"""Which fits the Newton rule can run."""

import numpy as np
import theano

from ...approximations.gaussian import LARGEST_FULL_DIMENSION, GaussianBlocks
from ...errors import ConvergenceWarning
from ...graph import substitute
from ...operators import KL
from ...validation import warn_user
from ._step import NewtonStep
from ._target import DrawTarget, changes_between_calls

__all__ = ["newton_step"]


_UNUSED = ("test_optimizer", "more_obj_params", "more_tf_params", "more_updates", "total_grad_norm_constraint")


def newton_step(objective, options, score=True, fn_kwargs=None, whole_data=None):
    """:class:`NewtonStep` for a fit, or None when the rule does not cover it.

    Covered are Gaussian groups of their own parameters under the operator KL, on data that stay the same from one
    evaluation to the next.

    Parameters
    ----------
    objective : ObjectiveFunction
    options : dict
        Options of the step, by name.
    score : bool
    fn_kwargs : dict, optional
    whole_data : dict, optional
        Minibatch variables and all their rows, which stand in for them.
    """
    if not _covers(objective, options, whole_data):
        return None
    approx = objective.approx
    objective.check_start()
    blocks = _affordable_blocks(approx)
    if blocks is None:
        return None
    target = DrawTarget(
        objective, blocks, options.get("obj_n_mc") or 1, options.get("more_replacements"), fn_kwargs, whole_data
    )
    seed = int(approx.groups[0].seeds.generator("draws of the default rule").integers(2**31))
    return NewtonStep(target, seed, score, jitter=_starts_at_test_point(approx, blocks))


def _covers(objective, options, whole_data):
    approx, op = objective.approx, objective.op
    if type(op) is not KL or op.beta <= 0 or objective.test_params:
        return False
    if any(options.get(name) for name in _UNUSED):
        return False
    if not all(GaussianBlocks.fits(group) for group in approx.groups):
        return False
    if approx.scale_cost_to_minibatch and approx.view.is_scaled():
        return False
    replaced = (options.get("more_replacements") or {}).values()
    nodes = [term.node for term in approx.view.logp_terms()]
    nodes += [value for value in replaced if isinstance(value, theano.graph.basic.Variable)]
    return not changes_between_calls(substitute(nodes, whole_data))


def _affordable_blocks(approx):
    """Blocks in which curvature can be had; None where they leave out correlations that Adam can find, or has found."""
    blocks = GaussianBlocks(approx.groups)
    if blocks.is_small or blocks.is_diagonal:
        return blocks
    independent = GaussianBlocks(approx.groups, independent=True)
    if blocks.widest <= LARGEST_FULL_DIMENSION or independent.leaves_out_correlations():
        return None
    # Fewer draws than dimensions would leave directions in which the scale grows without end.
    warn_user(
        f"{approx.title} has {blocks.d:,} values, and the default rule fits correlations among at most "
        f"{LARGEST_FULL_DIMENSION:,}: the result is the optimum of mean field. Give the variables whose correlations "
        "matter a full-rank group of their own and the rest a mean-field group (see Group), or pass obj_optimizer= to "
        "go on from here by stochastic gradients.",
        ConvergenceWarning,
    )
    return independent


def _starts_at_test_point(approx, blocks):
    """Whether nobody chose the start, so that others may be tried."""
    point = approx.view.start()
    parts = [np.ravel(approx.view.layout(g.group).flatten(point)) for g in approx.groups]
    return bool(np.allclose(np.concatenate(parts), blocks.read()[0]))
