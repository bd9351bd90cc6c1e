"""A mean-field fit in a second: where the default rule begins, and in what units it moves."""

import logging
from collections import namedtuple

import numpy as np

from ...approximations import MeanField
from ...approximations.gaussian import GaussianBlocks
from ...compiler import compile_function
from ...diagnostics import IN_PYTHON, PointDensity
from ...errors import ScalingWarning, VariationalInferenceError
from ...graph import substitute
from ...model import batch_data
from ...validation import warn_user
from ..newton import DrawTarget, NoFiniteStart, WarmStart

__all__ = ["begin_at_pilot", "pilot", "pilot_budget"]

#: Nats up to which it is solved, so that it is the same in all units of the data.
TOLERANCE = 1e-9

#: Nats below which a pilot is near its optimum.
NEAR = 1.0

_Pilot = namedtuple("_Pilot", "moments, arrived")

logger = logging.getLogger("pymc3_vi")

#: Factor between scales from which on they are in different units.
ANOTHER_UNIT = 1e3

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
    _Pilot or None
        `moments`, variable name -> (mean, standard deviation), arrays of the variable's shape, and `arrived`, whether
        that is near the optimum; None where there is none: for data from generators, and where no draw has a finite
        density.  Amortised variables have values for the rows of one minibatch; they are free here, and the minibatch
        stands for the data.
    """
    point = {}
    for group in approx.groups:
        point.update(group.start_point)
    try:
        q = MeanField(model=approx.model, start=point, random_seed=0)
        density = PointDensity(q, IN_PYTHON, data=batch_data(approx.view) if approx.has_local else None)
        seed = int(approx.groups[0].seeds.generator("pilot").integers(2**31))
        blocks = GaussianBlocks(q.groups)
        budget = BESIDE_ENCODER if approx.has_local and q.ddim > MANY else pilot_budget(q.ddim, n)
        warm = WarmStart(DrawTarget(density, blocks), seed, budget, jitter=False, tolerance=TOLERANCE)
        arrival = warm.run()
    except (VariationalInferenceError, NoFiniteStart, ValueError) as error:  # ValueError: shapes fixed to one batch
        logger.debug("No pilot: %s", error)
        return None
    mean, std = warm.best
    layout = q.view.layout()
    if not (np.isfinite(mean).all() and np.isfinite(std).all() and (std > 0).all()):
        return None
    means, stds = layout.unflatten(mean), layout.unflatten(std)
    return _Pilot({name: (means[name], stds[name]) for name in means}, arrival.decrement < NEAR)


def pilot_budget(d, n):
    """Number of evaluated draws that a pilot for `n` steps in `d` dimensions may cost."""
    return max(n, min(2000 + 60 * min(d, 100), 200 * n))


def begin_at_pilot(task, n):
    """Place q and measure the units of the default rule by a pilot, where q is as it was made."""
    approx, rule, units = task.approx, task.default_optimizer, task.objective.op.units
    made = [g for g in approx.groups if g.user_params is None and g.start_point]
    given = [g for g in approx.groups if g not in made and not g.local]
    if len(approx.hist) or given or not task.is_untouched():
        return
    found = pilot(approx, n if made else min(n, 10))
    if found is None:
        return
    if found.arrived:
        check_encoders(approx, found.moments)
    stds = []
    for group in made:
        names, shape = [v.name for v in group.group], (group.bdim, -1) if group.batched else (-1,)
        mean, std = (
            np.concatenate([np.ravel(found.moments[name][k]) for name in names]).reshape(shape) for k in (0, 1)
        )
        group.place(mean, std)
        rule.measure(group.param_units(std))
        stds.append(std.ravel())
    if units is not None and stds:
        rule.measure({units: np.concatenate(stds)})


def check_encoders(approx, moments):
    """Warn of encoders that answer in another unit than that of their variables.

    Warns
    -----
    ScalingWarning
        Where the typical standard deviation is `ANOTHER_UNIT` times that of the pilot, or as small a part of it.
    """
    for group in approx.groups:
        if not group.local or group.short_name != "mean_field":
            continue
        std = substitute([group.std], batch_data(approx.view))
        answer = float(np.median(compile_function([], std, mode=IN_PYTHON, no_default_updates=True)()[0]))
        names = [v.name for v in group.group]
        wanted = float(np.median(np.concatenate([np.ravel(moments[name][1]) for name in names])))
        if not 1 / ANOTHER_UNIT < answer / wanted < ANOTHER_UNIT:
            warn_user(
                f"The encoder of {', '.join(names)} begins with standard deviations of {answer:.2g}, where the "
                f"posterior has about {wanted:.2g}: weights move by steps of their own size, and do not get there. "
                "Give the encoder standardised rows and multiply what it returns by the unit of the variable.",
                ScalingWarning,
            )
