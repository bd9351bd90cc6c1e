"""Solves fixed-draw problems of growing size, one iteration at a time."""

from collections import namedtuple

import numpy as np
import theano

from ...diagnostics import FixedDrawELBO, replicate_errors
from ...errors import HessianError
from ._minimisers import minimiser

__all__ = ["Solver", "Solution"]

#: How often a stage is begun again in coordinates of the place it has reached.
ROUNDS = 4
ITERATIONS_PER_ROUND = 30
#: Norm of the gradient, in standard deviations, at which a stage is solved.
GRADIENT_TOLERANCE = 1e-5
#: Up to this number of parameters standard errors are computed with a matrix.
SMALL = 60

#: Where a run arrived: `draws`, largest standard error of a mean in sds and its coordinate, whether it is solved.
Solution = namedtuple("Solution", "draws, error, worst, solved")


class Solver:
    """Minimises the negative ELBO with fixed draws, and doubles their number until the means are accurate.

    Stages differ in the number of draws.  A stage has rounds, each with a chart around the place that the one before
    has reached; a round has iterations.

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
        Key of ``OPTIMIZERS``.
    options : dict
        For scipy.

    Attributes
    ----------
    iterations : int
    place : tuple or None
        Last accepted (mu, scale).
    loss : float
        At the last iterate.
    left_out : int
        Fixed draws that have no finite log density where the last round began.
    solution : Solution or None
        None while there is something left to do.
    """

    def __init__(self, density, blocks, draws, limit, tolerance, optimizer, options):
        self.density, self.blocks, self.draws = density, blocks, draws
        self.limit, self.tolerance = limit, tolerance
        self.optimizer, self.options = optimizer, dict(options)
        self.iterations = self.left_out = 0
        self.place, self.loss, self.standing, self.solution = None, np.nan, "not begun", None
        # The round: its function, the place that that was made at, where it stands, whether its last iteration is made.
        self.elbo = self._reference = self._minimiser = self.x = None
        self.rounds = self.made = 0
        self.ended = False

    # ---------------------------------------------------------------- iterations
    def iterate(self):
        """Make one iteration; returns whether there was one to make."""
        while self.solution is None:
            if self.ended:
                self._close()
            elif self.elbo is None and self._open():
                if self.iterations:
                    self._solved()
                    continue
                self._accept(self.x)  # every fit has an iteration, so that it has a loss
                self.ended = True
                return True
            else:
                x, made, ended = self._minimiser.iterate(self.elbo, self.x)
                self.made += made
                self.ended = ended or not made or self.made == ITERATIONS_PER_ROUND
                if made:
                    self._accept(x)
                    return True
                self.x = x
        return False

    def finish(self):
        """No more iterations: decide whether the problem is solved."""
        if self.solution is None and self.elbo is not None:
            self._put(self.x)
            self._settle(self._is_flat(10))
        while self.solution is None:
            self._settle(self._open())

    def _settle(self, solved):
        if solved:
            self._solved()
        else:
            self.solution = Solution(self.draws, np.nan, 0, False)

    def _open(self):
        """Begin a round here; returns whether nothing is left to do in it."""
        self._begin_round(self.blocks.read())
        self.rounds += 1
        return self._is_flat(1)

    def _begin_round(self, reference):
        self._reference = tuple(np.array(part) for part in reference)
        self.elbo = FixedDrawELBO(self.density, self.blocks, self.draws, *self._reference)
        self.left_out = self.elbo.left_out
        self.x, self.made, self.ended = self.elbo.chart.origin(), 0, False
        value = self.elbo(self.x)[0]
        rounding = np.sqrt(32 * float(np.finfo(theano.config.floatX).eps) * max(abs(value), 1.0))
        self._gtol = max(self.options.get("gtol", GRADIENT_TOLERANCE), rounding)
        self._minimiser = minimiser(self.optimizer, dict(self.options, gtol=self._gtol))

    def _is_flat(self, times):
        return bool(np.linalg.norm(self.elbo(self.x)[1]) < times * self._gtol)

    def _accept(self, x):
        loss = self.elbo(x)[0]
        self._put(x)
        # By one call: Ctrl-C may come between any two bytecodes.
        vars(self).update(x=x, loss=loss, iterations=self.iterations + 1)

    def _close(self):
        """The end of a round: the stage is solved, or goes on in a new chart, or gives up."""
        self._put(self.x)
        if self._is_flat(10) or self.rounds == ROUNDS:
            self._settle(self._is_flat(10))
        else:
            self.elbo, self.ended = None, False

    def _solved(self):
        """The end of a stage: means are accurate enough, or more draws are taken."""
        error, worst = self._error()
        self.standing = f"{self.draws.count:,} draws, standard error {error:.2g} sd"
        if self.tolerance is None or error <= self.tolerance or 2 * self.draws.count > self.limit:
            self._polish()
            self.solution = Solution(self.draws, error, worst, True)
            return
        draws = self.draws._replace(count=self._next_count(error))
        vars(self).update(draws=draws, elbo=None, ended=False, rounds=0)

    def _next_count(self, error):
        """A power of two times the present number; more than twice only when it is clear that it takes more."""
        powers = int(np.clip(np.floor(np.log2(error / self.tolerance)), 1, 3))
        while self.draws.count * 2**powers > self.limit:
            powers -= 1
        return self.draws.count * 2**powers

    def _error(self):
        errors = replicate_errors(self.elbo, self.x, self.elbo.size <= SMALL, tolerance=0.05) / self.elbo.widths
        worst = int(np.argmax(errors))
        return float(errors[worst]), worst

    def _polish(self):
        """Newton steps down to the rounding of gradients, which values are too coarse to judge."""
        elbo, x = self.elbo, self.x
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
        self._put(x)

    def _put(self, x):
        self.place = self.elbo.chart.place(x)
        self.blocks.write(*self.place)

    # ---------------------------------------------------------------- state
    _NUMBERS = ("iterations", "left_out", "rounds", "made")

    def snapshot(self):
        """Everything that the coming iterations depend on, as a dict of arrays, numbers and lists."""
        state = {name: int(getattr(self, name)) for name in self._NUMBERS}
        state.update(
            draws=list(self.draws),
            standing=self.standing,
            place=None if self.place is None else list(self.place),
            loss=float(self.loss),
            ended=bool(self.ended),
            solution=None if self.solution is None else [float(self.solution.error), *map(int, self.solution[2:])],
            round=None if self.elbo is None else [*self._reference, self.x, float(self._minimiser.state)],
        )
        return state

    def restore(self, state):
        """Go on where the solver stood that `state` was taken of."""
        self.draws = type(self.draws)(*state["draws"])
        if state["round"] is not None:
            mu, scale, x, kept = state["round"]
            self._begin_round((mu, scale))
            self.x, self._minimiser.state = x, kept
        for name in self._NUMBERS:
            setattr(self, name, int(state[name]))
        self.standing, self.loss, self.ended = state["standing"], float(state["loss"]), bool(state["ended"])
        self.place = None if state["place"] is None else tuple(state["place"])
        found = state["solution"]
        self.solution = None if found is None else Solution(self.draws, found[0], int(found[1]), bool(found[2]))
