"""From the start point to the neighbourhood of the optimum, by fixed draws."""

import logging
from collections import namedtuple
from contextlib import contextmanager

import numpy as np
import theano

from ...approximations.gaussian import (
    LARGEST_DENSE_DIMENSION,
    Chart,
    Curvature,
    Draws,
    GaussianBlocks,
    matched_pairs,
)
from ._lbfgs import minimise
from ._newton import variational_newton
from ._saddle import STEP, is_saddle

__all__ = ["WarmStart", "Arrival", "NoFiniteStart", "settling_draws"]

logger = logging.getLogger("pymc3_vi")

#: Where a warm start ended: `chart`, coordinates `x`, `inverse` Hessian there, fixed-draw `elbo`, `decrement` (nats).
Arrival = namedtuple("Arrival", "chart, x, inverse, elbo, decrement")

#: Gain (nats) of another iteration below which travelling ends, and settling.
FIRST_TOLERANCE, FINAL_TOLERANCE = 0.05, 1e-4
NEWTON_ITERATIONS = 60
POLISH_ROUNDS, POLISH_ITERATIONS = 20, 40
#: A first iterate keeps this fraction of the width that the curvature at the start point suggests.
TIMID = 0.3
EXTRA_STARTS, EXTRA_START_DIMENSION = 3, 50
#: ELBO (nats) by which another start must win.
MARGIN = 0.5
#: How often a scale shrinks, and by how much, until densities are finite.
SHRINK, TRIALS = 0.3, 60
#: Most numbers in the noise of an average.
LARGEST_NOISE = 2**22


class NoFiniteStart(Exception):
    """No scale, however small, gives finite densities around the start point.

    Attributes
    ----------
    row : int
        The first row of the noise, as loaded, whose loss is not finite.
    loss : float
    """

    def __init__(self, losses):
        super().__init__("no finite log density around the start point")
        bad = np.flatnonzero(~np.isfinite(losses))
        self.row = int(bad[0]) if len(bad) else 0
        self.loss = float(losses[self.row])


def settling_draws(target, seed, most=np.inf):
    """Mirrored Sobol pairs, a power of two, with exact second moments: Gaussian targets have no error at all."""
    d = target.blocks.d
    wanted = max(64, 2 * d) if target.blocks.is_small else np.clip(LARGEST_NOISE // (2 * d), 4, 64)
    wanted = min(wanted, most)
    count = _whole_rows(target, 2 ** int(np.ceil(np.log2(wanted))))
    return matched_pairs(Draws(d, seed).pairs(count)[0::2])


@contextmanager
def _mean_field(target):
    """The groups of `target` are all taken for mean field meanwhile."""
    blocks = target.blocks
    target.blocks = GaussianBlocks(blocks.groups, independent=True)
    try:
        yield
    finally:
        target.blocks = blocks


def _whole_rows(target, pairs):
    """Number of pairs, at least `pairs`, that fill rows of several draws."""
    return -(-pairs // target.n_mc) * target.n_mc


class WarmStart:
    r"""Finds the optimum of a Gaussian family up to the error of some hundred fixed draws.

    1. The curvature at the start point, by differences of gradients, gives first scales.
    2. :func:`variational_newton` on few draws travels; from jittered starts too, where that is cheap, and the best
       ELBO goes on.
    3. L-BFGS on more draws, in the coordinates of a :class:`Chart`, settles; it leaves the curvature for control
       variates and an inverse Hessian that preconditions what follows.

    Where curvature between all values costs too much (:attr:`GaussianBlocks.is_small`), only step 3 is made, with
    diagonal curvature.  Correlated families of many dimensions begin at the optimum of mean field found so.

    Parameters
    ----------
    target : DrawTarget
        With ``blocks``, ``n_mc``, ``evaluations`` and ``evaluate(mu, scale, eps)``.
    seed : int
    budget : int
        Number of evaluated draws after which no further Newton step is begun, unless the optimum is still far.
    jitter : bool
        Whether other starts may be tried.
    tolerance : float
        Gain (nats) of another iteration below which settling ends.
    reach : int, optional
        Number of evaluated draws after which no further iteration is begun in any case; default: `budget`.
    """

    def __init__(self, target, seed, budget, jitter=True, reach=None, tolerance=FINAL_TOLERANCE):
        self.target, self.blocks = target, target.blocks
        self.jitter, self.tolerance = jitter, tolerance
        self.limit = target.evaluations + budget
        self.last = target.evaluations + (budget if reach is None else max(budget, reach))
        self.random = np.random.Generator(np.random.SFC64(seed))
        self.seed = int(seed)
        self.dense = self.blocks.is_small
        #: Best (mu, scale) so far, for whoever interrupts.
        self.best = self.blocks.read()

    def _keep(self, place):
        self.best = place.mu, place.scale

    # ---------------------------------------------------------------- the stages
    def run(self):
        """Returns :class:`Arrival`."""
        if self.dense and self.blocks.d > LARGEST_DENSE_DIMENSION:
            return self._from_mean_field()
        start = self._off_saddle(*self.best), self.best[1]
        eps = self._few_draws()
        mu, scale = self._first_scale(*start, eps)
        self.best = mu, scale
        if self.dense:
            mu, scale = self._travel(mu, scale, start, eps)
        return self._settle(mu, scale)

    def _from_mean_field(self):
        with _mean_field(self.target):
            first = WarmStart(self.target, self.seed, self.limit - self.target.evaluations)
            try:
                first.run()
            finally:
                mu, scale = self.best = first.best[0], np.diag(first.best[1])
        return self._settle(*self._travel(mu, scale, None, self._few_draws()))

    def _off_saddle(self, mu, scale):
        """`mu`, or a place beside it where it is a saddle: draws are mirrored, and none would ever leave it.

        What this costs is not counted, and takes no random numbers of the rest.
        """
        begin, state = self.target.evaluations, self.random.bit_generator.state
        still = self.target.evaluate(mu, scale, np.zeros((1, self.blocks.d))).grad[0] == 0
        if still.any():
            curvature = self._curvature_at(mu)
            widths = None if curvature is None else self._of_curvature(curvature)
            if widths is not None and is_saddle(self._slopes_around(mu, STEP * widths), widths, still, self.seed):
                logger.info("The start is a saddle of the log density: the fit begins beside it.")
                noise = np.random.Generator(np.random.SFC64(self.seed)).standard_normal(self.blocks.d)
                mu = mu + still * widths * noise
            self.random.bit_generator.state = state
        spent = self.target.evaluations - begin
        self.limit, self.last = self.limit + spent, self.last + spent
        return mu

    def _slopes_around(self, mu, widths):
        scale = self.blocks.spread(widths)
        return lambda eps: self.target.evaluate(mu, scale, eps).grad

    def _first_scale(self, mu, scale, eps):
        """A scale at `mu` that fits the curvature there and has finite densities at its draws."""
        scale = self.blocks.spread(self._widths(mu, self.blocks.std(scale)))
        return mu, self._finite_scale(mu, scale, eps)[0]

    def _finite_scale(self, mu, scale, eps):
        """`scale`, or as small a part of it as gives finite densities at all draws, and the evaluation there."""
        for _ in range(TRIALS):
            found = self.target.evaluate(mu, scale, eps)
            if found.finite:
                return scale, found
            scale = SHRINK * scale
        raise NoFiniteStart(found.losses)

    def _widths(self, mu, largest):
        curvature = self._curvature_at(mu)
        if curvature is None:
            return TIMID * largest
        widths = self._of_curvature(curvature)
        if curvature.is_dense:
            root = curvature.root()
            widths = 1 / np.sqrt(np.maximum(np.sum(np.linalg.inv(root) ** 2, axis=0), 1e-12))
        return TIMID * np.minimum(widths, largest)

    def _curvature_at(self, mu):
        """By differences of gradients, or None where these are not finite."""
        curvature = None
        # The first differences tell the widths, those over a part of the widths are accurate.
        steps = np.maximum(1.0, np.abs(mu)) * np.finfo(theano.config.floatX).eps ** (1 / 3)
        for _ in range(2):
            found = self._differences(mu, steps)
            if not found.finite:
                break
            curvature = found
            steps = np.clip(STEP * self._of_curvature(curvature), 1e-12, 1.0)
        return curvature

    @staticmethod
    def _of_curvature(curvature):
        """Widths of single values."""
        return 1 / np.sqrt(np.maximum(np.abs(curvature.diagonal), 1e-12))

    def _differences(self, mu, steps):
        gradients = self._slopes_around(mu, steps)
        if self.dense:
            return Curvature.of_differences(mu, steps, gradients)
        signs = self.random.integers(0, 2, (8, self.blocks.d)) * 2.0 - 1.0
        eps = np.concatenate([signs, -signs])
        with np.errstate(invalid="ignore"):
            return Curvature.of_draws(self.blocks, self.blocks.spread(steps), eps, gradients(eps), dense=False)

    def _few_draws(self):
        """Mirrored pairs whose second moments are exact: enough for a Newton step where curvature is dense."""
        count = _whole_rows(self.target, max(8, self.blocks.d) if self.dense else 4)
        return matched_pairs(self.random.standard_normal((count, self.blocks.d)))

    def _travel(self, mu, scale, start, eps):
        others = EXTRA_STARTS if self.jitter and self.blocks.d <= EXTRA_START_DIMENSION else 0
        place = self._newton(mu, scale, eps, self._share(2 if others else 1))
        for _ in range(others):
            if self.target.evaluations + 10 * len(eps) > self.limit:
                break
            place = self._better(place, start[0] + self.random.uniform(-1, 1, self.blocks.d), start[1], eps)
        if place.decrement > FIRST_TOLERANCE and self.last > self.limit:
            place = self._newton(place.mu, place.scale, eps, self.last)
        self._keep(place)
        return place.mu, place.scale

    def _share(self, parts):
        """Number of evaluated draws at which one of `parts` of what is left of the budget is spent."""
        return self.target.evaluations + (self.limit - self.target.evaluations) // parts

    def _better(self, place, mu, scale, eps):
        """`place`, or the one reached from another start if it is clearly better."""
        try:
            other = self._newton(*self._first_scale(mu, scale, eps), eps, self._share(3))
        except NoFiniteStart:
            return place
        gain = other.evaluation.elbo - place.evaluation.elbo
        if gain > MARGIN:
            logger.debug("A jittered start is better by %.3g nats.", gain)
            return other
        return place

    def _newton(self, mu, scale, eps, limit):
        return variational_newton(self.target, mu, scale, eps, FIRST_TOLERANCE, NEWTON_ITERATIONS, limit, self._keep)

    def _settle(self, mu, scale):
        eps = settling_draws(self.target, self.seed)
        for _ in range(POLISH_ROUNDS):
            scale, found = self._finite_scale(mu, scale, eps)
            curvature = self._curvature(scale, eps, found)
            chart = Chart(self.blocks, mu, scale, curvature, curvature.tamed(scale).root())
            x, value, decrement, inverse = minimise(
                self._objective(chart, eps),
                chart.origin(),
                self.tolerance,
                POLISH_ITERATIONS,
                rounding=32 * float(np.finfo(theano.config.floatX).eps),
                enough=self._spent,
            )
            mu, scale = self.best = chart.place(x)
            if decrement < self.tolerance or self._spent():
                break
        found = self.target.evaluate(mu, scale, eps)
        chart.curvature = self._curvature(scale, eps, found)
        return Arrival(chart, x, inverse, -value, decrement)

    def _spent(self):
        return self.target.evaluations > self.last

    def _curvature(self, scale, eps, found):
        return Curvature.of_draws(self.blocks, scale, eps, found.grad, self.dense)

    def _objective(self, chart, eps):
        def function(x):
            mu, scale = chart.place(x)
            if not (np.isfinite(mu).all() and np.isfinite(scale).all()):
                return np.inf, x
            found = self.target.evaluate(mu, scale, eps)
            if not found.finite:
                return np.inf, x
            return -found.elbo, chart.slope(x, eps, found.grad, control=False)

        return function
