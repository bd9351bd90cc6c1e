"""A mean field in a second, of posterior or prior: where the default rule begins, and in what units it moves."""

import logging
from collections import namedtuple

import numpy as np

from ...approximations import MeanField
from ...approximations.gaussian import GaussianBlocks
from ...compiler import compile_function
from ...diagnostics import IN_PYTHON, PointDensity, RowDensity, look_mode
from ...errors import ScalingWarning, VariationalInferenceError
from ...graph import substitute
from ...model import NotASum, batch_data, row_model
from ...validation import warn_user
from ..newton import DrawTarget, NoFiniteStart, WarmStart, settling_draws
from ..passes import climb, part_of, part_rows, pilot_rows

__all__ = ["begin_at_pilot", "pilot", "pilot_budget"]

#: Nats up to which it is solved, so that it is the same in all units of the data.
TOLERANCE = 1e-9

#: Nats below which a pilot is near its optimum.
NEAR = 1.0

#: Part of the prior's standard deviations with which a fit begins that has its units from there.
TIMID = 0.3

_Pilot = namedtuple("_Pilot", "moments, arrived")

logger = logging.getLogger("pymc3_vi")

#: Factor between scales from which on they are in different units.
ANOTHER_UNIT = 1e3

#: Draws that a pilot beside an encoder may cost where it has more values than so many: it frees the amortised values
#: of all rows, which are not kept, and the whole budget would take longer than the fit.
BESIDE_ENCODER, MANY = 500, 300

#: Draws at which the density must be finite, mostly, where parts of the rows have led.
LOOKS = 20

#: Passes over all rows that growing parts of them may cost; they take a fraction of one.
PASSES = 8


class _PriorDensity(PointDensity):
    """The prior alone, which reads no data."""

    def _terms(self):
        return super()._terms()[:1]


def pilot(approx, n, of_prior=False):
    """Means and standard deviations of mean field near the start of `approx`, by few fixed draws.

    Parameters
    ----------
    approx : Approximation
    n : int
        Number of steps of the fit, of which the pilot may cost a part.
    of_prior : bool
        Whether the prior is fitted, instead of the posterior.

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
        seed = int(approx.groups[0].seeds.generator("pilot").integers(2**31))
        blocks = GaussianBlocks(q.groups)
        budget = BESIDE_ENCODER if approx.has_local and q.ddim > MANY else pilot_budget(q.ddim, n)
        rows = None if of_prior or approx.has_local else _many_rows(q)
        ascent = None if rows is None else _of_parts(RowDensity(q, rows), blocks, seed, budget)
        if ascent is not None:
            mean, std, arrived = ascent.mu, ascent.scale, ascent.settled
        else:
            target = DrawTarget(_density(approx, q, of_prior, budget), blocks)
            warm = WarmStart(target, seed, budget, jitter=False, tolerance=TOLERANCE)
            arrived = warm.run().decrement < NEAR
            mean, std = warm.best
            if of_prior:
                arrived = arrived and _is_held(target, mean, std, settling_draws(target, seed))
    except (VariationalInferenceError, NoFiniteStart, ValueError) as error:  # ValueError: shapes fixed to one batch
        logger.debug("No pilot: %s", error)
        return None
    layout = q.view.layout()
    if not (np.isfinite(mean).all() and np.isfinite(std).all() and (std > 0).all()):
        return None
    means, stds = layout.unflatten(mean), layout.unflatten(std)
    return _Pilot({name: (means[name], stds[name]) for name in means}, arrived)


def _many_rows(q):
    """The log density as a sum over rows where it is one, and more of them than a pilot takes, else None."""
    try:
        model = row_model(q.view)
    except NotASum:
        return None
    return model if model is not None and model.rows > pilot_rows(q.ddim) else None


def _of_parts(density, blocks, seed, budget):
    """Where growing parts of the rows lead; None where all rows, as far as they are affordable, forbid that.

    Bounds that depend on the most extreme row are those of a part only by chance.
    """
    budgets, keep = (PASSES * density.model.rows, (budget, budget)), lambda *place: None
    try:
        ascent = climb(density, blocks, seed, *budgets, jitter=False, keep=keep, largest=1.0)
    except NoFiniteStart:
        return None
    eps = np.random.Generator(np.random.SFC64(seed)).standard_normal((LOOKS, blocks.d))
    part = part_of(density, part_rows(density.model, blocks), seed)
    logp = part.slopes(ascent.mu + blocks.stretch(eps, ascent.scale))[0]
    return ascent if np.mean(np.isfinite(logp)) > 0.5 else None


def _density(approx, q, of_prior, budget):
    """log p of the values of `q`."""
    if of_prior:
        return _PriorDensity(q, IN_PYTHON)
    if approx.has_local:
        return PointDensity(q, IN_PYTHON, data=batch_data(approx.view))
    return PointDensity(q, look_mode(q.view, budget))


def _is_held(target, mean, std, eps):
    r"""Whether slopes hold every value as at an optimum: :math:`\mathrm E[-\sigma \epsilon \partial \log p] = 1`.

    They do not where the density is flat, as improper priors are: any place is as good as the next there.
    """
    slopes = target.evaluate(mean, std, eps).grad
    return bool(np.all(np.abs(1 + std * np.mean(eps * slopes, axis=0)) < 0.5))


def pilot_budget(d, n):
    """Number of evaluated draws that a pilot for `n` steps in `d` dimensions may cost."""
    return max(n, min(2000 + 60 * min(d, 100), 200 * n))


def begin_at_pilot(task, n, of_prior=False):
    """Place q and measure the units of the default rule by a pilot, where q is as it was made.

    By that of the prior q gets narrow and its means stay; an improper prior has none, and the posterior's is taken.
    """
    approx, rule, units = task.approx, task.default_optimizer, task.objective.op.units
    made = [g for g in approx.groups if g.user_params is None and g.start_point]
    given = [g for g in approx.groups if g not in made and not g.local]
    if len(approx.hist) or given or not task.is_untouched():
        return
    found = pilot(approx, n, of_prior=True) if of_prior and made else None
    of_prior = found is not None and found.arrived
    if not of_prior:
        found = pilot(approx, n if made else min(n, 10))
    if found is None:
        return
    if found.arrived and not of_prior:
        check_encoders(approx, found.moments)
    stds = []
    for group in made:
        names, shape = [v.name for v in group.group], (group.bdim, -1) if group.batched else (-1,)
        mean, std = (
            np.concatenate([np.ravel(found.moments[name][k]) for name in names]).reshape(shape) for k in (0, 1)
        )
        if of_prior:
            start = np.concatenate([np.ravel(group.start_point[name]) for name in names]).reshape(shape)
            group.place(start, TIMID * std)
        else:
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
