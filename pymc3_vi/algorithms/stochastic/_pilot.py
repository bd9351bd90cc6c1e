"""A mean-field fit in a second: where the default rule begins, and in what units it moves."""

import logging

import numpy as np
import theano

from ...approximations import MeanField
from ...approximations.gaussian import GaussianBlocks
from ...diagnostics import PointDensity
from ...errors import VariationalInferenceError
from ...model import batch_data
from ..newton import BatchTarget, NoFiniteStart, WarmStart

__all__ = ["begin_at_pilot", "pilot", "pilot_budget"]

#: Nats up to which it is solved, so that it is the same in all units of the data.
TOLERANCE = 1e-9

logger = logging.getLogger("pymc3_vi")

#: Evaluated by Python: a look at a few thousand draws must not wait for a C compiler.
MODE = theano.Mode("py", "fast_run").excluding("fusion", "inplace")

#: Draws that a pilot beside an encoder may cost where it has more values than so many: it frees the amortised values
#: of all rows, which are not kept, and the whole budget would take longer than the fit.
BESIDE_ENCODER, MANY = 500, 300


def pilot(approx, n):
    """Means and standard deviations of mean field near the start of `approx`, by few fixed draws.

    Parameters
    ----------
    approx : Approximation
    n : int
        Number of steps of the fit, of which the pilot may cost a part.

    Returns
    -------
    dict or None
        Variable name -> (mean, standard deviation), arrays of the variable's shape; None where there is none: for
        data from generators, and where no draw has a finite density.  Amortised variables have values for the rows
        of one minibatch; they are free here, and the minibatch stands for the data.
    """
    point = {}
    for group in approx.groups:
        point.update(group.start_point)
    try:
        q = MeanField(model=approx.model, start=point, random_seed=0)
        density = PointDensity(q, MODE, data=batch_data(approx.view) if approx.has_local else None)
        seed = int(approx.groups[0].seeds.generator("pilot").integers(2**31))
        blocks = GaussianBlocks(q.groups)
        budget = BESIDE_ENCODER if approx.has_local and q.ddim > MANY else pilot_budget(q.ddim, n)
        warm = WarmStart(BatchTarget(density, blocks), seed, budget, jitter=False, tolerance=TOLERANCE)
        warm.run()
    except (VariationalInferenceError, NoFiniteStart, ValueError) as error:  # ValueError: shapes fixed to one batch
        logger.debug("No pilot: %s", error)
        return None
    mean, std = warm.best
    layout = q.view.layout()
    if not (np.isfinite(mean).all() and np.isfinite(std).all() and (std > 0).all()):
        return None
    means, stds = layout.unflatten(mean), layout.unflatten(std)
    return {name: (means[name], stds[name]) for name in means}


def pilot_budget(d, n):
    """Number of evaluated draws that a pilot for `n` steps in `d` dimensions may cost."""
    return max(n, min(2000 + 60 * min(d, 100), 200 * n))


def begin_at_pilot(task, n):
    """Place q and measure the units of the default rule by a pilot, where q is as it was made."""
    approx, rule, units = task.approx, task.default_optimizer, task.objective.op.units
    made = [g for g in approx.groups if g.user_params is None and g.start_point]
    given = [g for g in approx.groups if g not in made and not g.local]
    if len(approx.hist) or given or not made or not task.is_untouched():
        return
    found = pilot(approx, n)
    if found is None:
        return
    stds = []
    for group in made:
        names, shape = [v.name for v in group.group], (group.bdim, -1) if group.batched else (-1,)
        mean, std = (np.concatenate([np.ravel(found[name][k]) for name in names]).reshape(shape) for k in (0, 1))
        group.place(mean, std)
        rule.measure(group.param_units(std))
        stds.append(std.ravel())
    if units is not None:
        rule.measure({units: np.concatenate(stds)})
