"""Solves fixed-draw problems of growing size."""

from collections import namedtuple

import numpy as np
import theano
from scipy import optimize

from ...diagnostics import FixedDrawELBO, replicate_errors
from ...errors import HessianError

__all__ = ["Solver", "Solution", "OPTIMIZERS"]

#: scipy's minimisers that can be chosen, with the options that each takes.
OPTIMIZERS = {
    "trust-ncg": ("gtol", "initial_trust_radius", "max_trust_radius", "eta"),
    "trust-krylov": ("gtol", "inexact", "initial_trust_radius", "max_trust_radius"),
    "l-bfgs-b": ("gtol", "maxcor", "maxls"),
}

#: How often a stage is begun again in coordinates of the place it has reached.
ROUNDS = 4
ITERATIONS_PER_ROUND = 30
#: Norm of the gradient, in standard deviations, at which a stage is solved.
GRADIENT_TOLERANCE = 1e-5
#: Up to this number of parameters standard errors are computed with a matrix.
SMALL = 60

#: Where a fit arrived: `draws`, largest standard error of a mean in sds and its coordinate, whether it is solved.
Solution = namedtuple("Solution", "draws, error, worst, solved")


class Solver:
    """Minimises the negative ELBO with fixed draws, and doubles their number until the means are accurate.

    Parameters
    ----------
    density : PointDensity
    blocks : GaussianBlocks
        Their parameters are the start, and hold every accepted iterate.
    draws : FixedDraws
        The first and smallest set.
    limit : int
        Largest number of draws.
    tolerance : float or None
        Largest standard error of a mean, in standard deviations; None keeps the first set.
    optimizer : str
        Key of :data:`OPTIMIZERS`.
    options : dict
        For scipy.
    """

    def __init__(self, density, blocks, draws, limit, tolerance, optimizer, options):
        self.density, self.blocks, self.draws = density, blocks, draws
        self.limit, self.tolerance = limit, tolerance
        self.optimizer, self.options = optimizer, dict(options)
        self.iterations = 0
        #: Last accepted (mu, scale), for whoever interrupts while it is written; None before the first.
        self.place = None
        self.standing = "not begun"
        #: Fixed draws that have no finite log density where the last stage began.
        self.left_out = 0

    def run(self, n, accepted):
        """Do at most `n` iterations; ``accepted(loss)`` is called after each.

        Returns
        -------
        Solution
        """
        while True:
            elbo, x, solved = self._stage(n, accepted)
            if not solved:
                return Solution(self.draws, np.nan, 0, False)
            error, worst = self._error(elbo, x)
            self.standing = f"{self.draws.count:,} draws, standard error {error:.2g} sd"
            if self.tolerance is None or error <= self.tolerance or 2 * self.draws.count > self.limit:
                self._polish(elbo, x)
                return Solution(self.draws, error, worst, True)
            self.draws = self.draws._replace(count=self._next_count(error))

    def _next_count(self, error):
        """A power of two times the present number; more than twice only when it is clear that it takes more."""
        powers = int(np.clip(np.floor(np.log2(error / self.tolerance)), 1, 3))
        while self.draws.count * 2**powers > self.limit:
            powers -= 1
        return self.draws.count * 2**powers

    def _stage(self, n, accepted):
        for _ in range(ROUNDS):
            elbo = FixedDrawELBO(self.density, self.blocks, self.draws, *self.blocks.read())
            self.left_out = elbo.left_out
            x, solved = self._minimise(elbo, min(n - self.iterations, ITERATIONS_PER_ROUND), accepted)
            self._put(elbo, x)
            if solved or self.iterations >= n:
                break
        return elbo, x, solved

    def _minimise(self, elbo, iterations, accepted):
        x = elbo.chart.origin()
        value, slope = elbo(x)
        options = dict(self.options, maxiter=iterations)
        rounding = np.sqrt(32 * float(np.finfo(theano.config.floatX).eps) * max(abs(value), 1.0))
        options["gtol"] = max(options.get("gtol", GRADIENT_TOLERANCE), rounding)

        def arrived(x):
            loss = elbo(x)[0]
            self._put(elbo, x)
            self.iterations += 1
            accepted(loss)

        if np.linalg.norm(slope) < options["gtol"]:
            if self.iterations == 0 and iterations > 0:  # every fit has an iteration, so that it has a loss
                arrived(x)
            return x, True
        if iterations <= 0:
            return x, False

        def capped(x):  # line searches cannot do sums with infinity
            value, slope = elbo(x)
            return (value if np.isfinite(value) else 1e100), slope

        if self.optimizer == "l-bfgs-b":
            options.setdefault("maxcor", 30)
            options["ftol"] = 0.0
            found = optimize.minimize(capped, x, jac=True, method="L-BFGS-B", callback=arrived, options=options)
        else:
            found = optimize.minimize(
                elbo, x, jac=True, hessp=elbo.product, method=self.optimizer, callback=arrived, options=options
            )
        return found.x, bool(np.linalg.norm(elbo(found.x)[1]) < 10 * options["gtol"])

    def _error(self, elbo, x):
        errors = replicate_errors(elbo, x, elbo.size <= SMALL, tolerance=0.05) / elbo.widths
        worst = int(np.argmax(errors))
        return float(errors[worst]), worst

    def _polish(self, elbo, x):
        """Newton steps down to the rounding of gradients, which values are too coarse to judge."""
        size = np.linalg.norm(elbo(x)[1])
        for _ in range(3):
            try:
                step = elbo.solve(x, -elbo(x)[1][None], elbo.size <= SMALL, tolerance=1e-4)[0]
            except HessianError:
                break
            value, slope = elbo(x + step)
            if not (np.isfinite(value) and np.linalg.norm(slope) < 0.5 * size):
                break
            x, size = x + step, np.linalg.norm(slope)
        self._put(elbo, x)

    def _put(self, elbo, x):
        self.place = elbo.chart.place(x)
        self.blocks.write(*self.place)
