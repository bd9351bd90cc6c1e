"""The best of several starts, by where mean field ends from each."""

import hashlib
import threading
from collections import namedtuple
from typing import Any, List

import numpy as np

from ..algorithms import pilot_budget
from ..algorithms.newton import DrawTarget, NoFiniteStart, WarmStart
from ..approximations.gaussian import GaussianBlocks
from ..core import named_start
from ..errors import ConvergenceWarning, StartError
from ..graph import SeedStream
from ..model import ModelView, data_size, prior_points
from ..validation import warn_user
from ..workers import Crew, Gone, portable, unpacked
from ._start import density_of

__all__ = ["TriedStart", "better_than_prior", "try_starts"]

#: Steps of a fit whose pilots have the budget of those here, and further draws from the prior that one is compared to.
STEPS, OTHER_DRAWS = 2000, 2
#: Nats by which another start must lead to a larger ELBO.
MARGIN = 1.0
#: Values that a pilot may read, in all of its draws: seconds.
AFFORDABLE = 3 * 10**8


class TriedStart(namedtuple("TriedStart", "origin, elbo, point")):
    """One of several starts.

    Attributes
    ----------
    origin : str
        'start', 'prior' or 'jitter'.
    elbo : float
        ELBO (nats) of the mean field that few fixed draws led to from there.
    point : dict
        Its means, name -> array on the unconstrained scale.
    """

    __slots__ = ()


class _Pilots:
    """Mean field of a model by few fixed draws, from any start.

    Parameters
    ----------
    view : ModelView
    """

    def __init__(self, view):
        density = density_of(view)
        self.blocks = GaussianBlocks(density.approx.groups)
        self.target = DrawTarget(density, self.blocks)
        self._scale = self.blocks.read()[1]

    def from_point(self, z, seed, limit):
        """ELBO and means (d,) that `limit` draws lead to from `z` (d,)."""
        self.blocks.write(np.asarray(z, dtype="float64"), self._scale)
        warm = WarmStart(self.target, seed, limit, jitter=False)
        try:
            elbo = float(warm.run().elbo)
        except NoFiniteStart:
            elbo = -np.inf
        return elbo if np.isfinite(elbo) else -np.inf, warm.best[0]


#: Of this process: _Pilots by digest of their model and thread.
_known = {}


def climb(key, model, *start):
    """:meth:`_Pilots.from_point` in a worker, which compiles when it sees a model for the first time."""
    own = key, threading.get_ident()
    if own not in _known:
        _known[own] = _Pilots(ModelView(unpacked(model)))
    return _known[own].from_point(*start)


def _from_points(view, points, seed, limit, client=None):
    """ELBO and means of every point, by the workers of a client if there is one."""
    pilots = _Pilots(view)
    found: List[Any] = [Gone("no client")] * len(points)
    if client is not None and len(points) > 1:
        crew, model = Crew(client), portable(view.model, "The model")
        key = hashlib.sha256(model).hexdigest()
        futures = [crew.future(climb, key, model, z, seed, limit) for z in points]
        found = [crew.outcome(future) for future in futures]
    return [pilots.from_point(z, seed, limit) if isinstance(f, Gone) else f for f, z in zip(found, points)]


def try_starts(view, count, random_seed, start=None, client=None):
    """Fit mean field from several start points and compare the ELBOs.

    The first one is the start as given, the others are drawn from the prior, or around the first where the prior
    cannot be drawn from.  With a `client` its workers climb.

    Returns
    -------
    list of TriedStart
        Best first, without those around which no draw has a finite log density.
    """
    view.check_continuous()
    layout, random = view.layout(), SeedStream(random_seed).generator("starts")
    first = layout.flatten(view.start(start)).astype("float64")
    origins, points = ["start"], [first]
    try:
        drawn = [layout.flatten(p) for p in prior_points(view, count - 1, random.integers(2**31))]
        origins += ["prior"] * len(drawn)
    except StartError:
        drawn = [first + random.uniform(-1, 1, len(first)) for _ in range(count - 1)]
        origins += ["jitter"] * len(drawn)
    affordable = AFFORDABLE // (data_size(view) + layout.size)
    limit = min(pilot_budget(layout.size, STEPS), affordable)
    found = _from_points(view, points + drawn, int(random.integers(2**31)), limit, client)
    tried = [TriedStart(o, elbo, layout.unflatten(z)) for o, (elbo, z) in zip(origins, found) if elbo > -np.inf]
    if not tried:
        view.check_start(start)  # names the term
    return sorted(tried, key=lambda t: -t.elbo)


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
    where = ["the draw", "the model's own start"] + ["another draw from the prior"] * OTHER_DRAWS
    points = [draw, view.start(), *prior_points(view, OTHER_DRAWS, generator.integers(2**31))]
    found = _from_points(view, [layout.flatten(p) for p in points], int(generator.integers(2**31)), limit)
    elbos = [elbo for elbo, _ in found]
    best = int(np.argmax(elbos))
    if not elbos[best] > elbos[0] + MARGIN:
        return None
    warn_user(
        f"The draw from the prior that start='prior' gives leads to an ELBO of {elbos[0]:,.6g} nats, {where[best]} to "
        f"{elbos[best]:,.6g} (mean field by few draws): the fit begins where the latter led. fit(starts=...) compares "
        "more, start={'name': value} begins at a place of your choice.",
        ConvergenceWarning,
    )
    return layout.unflatten(found[best][1])
