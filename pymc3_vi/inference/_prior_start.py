"""``start='prior'``: whether the draw leads where other starts lead."""

from collections import namedtuple

import numpy as np

from ..algorithms import pilot_budget
from ..algorithms.newton import DrawTarget, NoFiniteStart, WarmStart
from ..approximations import MeanField
from ..approximations.gaussian import GaussianBlocks
from ..core import named_start
from ..diagnostics import PointDensity
from ..errors import ConvergenceWarning
from ..model import data_size, prior_points
from ..validation import warn_user

__all__ = ["better_than_prior"]

#: Further draws from the prior to compare with.
OTHER_DRAWS = 2
#: Nats by which another start must lead to a larger ELBO.
MARGIN = 1.0
#: Values that a pilot may read, in all of its draws: seconds.
AFFORDABLE = 3 * 10**8

#: Where a pilot began and ended (flat vectors), and the ELBO (nats) of mean field there.
_Pilot = namedtuple("_Pilot", "where, elbo, mean")


def better_than_prior(view, seeds, n):
    """Another start where it leads to a better optimum than the draw from the prior that ``start='prior'`` gives.

    From the draw, two more and the model's own start, mean field is fitted by few fixed draws.

    Parameters
    ----------
    view : ModelView
    seeds : SeedStream
        That of the fit.
    n : int
        Number of steps of the fit.

    Returns
    -------
    dict or None
        Means of the best fit, name -> array on the unconstrained scale; None where the draw is as good, or where
        looking would take long.

    Warns
    -----
    ConvergenceWarning
        With both ELBOs, where another start is better.
    """
    layout, generator = view.layout(), seeds.generator("other starts")
    draw = named_start("prior", view, seeds).point
    limit = pilot_budget(layout.size, n)
    if not n or (data_size(view) + layout.size) * limit > AFFORDABLE:
        return None
    points = [("the draw", draw), ("the model's own start", view.start())]
    drawn = prior_points(view, OTHER_DRAWS, generator.integers(2**31))
    points += [("another draw from the prior", point) for point in drawn]
    pilots = _pilots(view, [(where, layout.flatten(point)) for where, point in points], generator, limit)
    own, best = pilots[0], max(pilots, key=lambda pilot: pilot.elbo)
    if not best.elbo > own.elbo + MARGIN:
        return None
    warn_user(
        f"The draw from the prior that start='prior' gives leads to an ELBO of {own.elbo:,.6g} nats, {best.where} to "
        f"{best.elbo:,.6g} (mean field by few draws): the fit begins where the latter led. fit(starts=...) compares "
        "more, start={'name': value} begins at a place of your choice.",
        ConvergenceWarning,
    )
    return layout.unflatten(best.mean)


def _pilots(view, points, generator, limit):
    q = MeanField(model=view.model, random_seed=0)
    blocks = GaussianBlocks(q.groups)
    target, seed = DrawTarget(PointDensity(q), blocks), int(generator.integers(2**31))
    _, scale = blocks.read()
    found = []
    for where, point in points:
        blocks.write(np.asarray(point, dtype="float64"), scale)
        warm = WarmStart(target, seed, limit, jitter=False)
        try:
            elbo = float(warm.run().elbo)
        except NoFiniteStart:
            elbo = -np.inf
        found.append(_Pilot(where, elbo if np.isfinite(elbo) else -np.inf, warm.best[0]))
    return found
