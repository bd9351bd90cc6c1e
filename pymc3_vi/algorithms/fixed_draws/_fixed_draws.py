"""Deterministic ADVI: the ELBO with fixed draws, minimised one iteration a step."""

import numpy as np

from ...approximations.gaussian import GaussianBlocks
from ...diagnostics import REPLICATES, PointDensity, coordinate_labels, point_density
from ...diagnostics import FixedDraws as Recipe
from ...errors import ConvergenceWarning, NonFiniteError
from ...model import is_streamed
from ...parameters import checked
from ...validation import reject_unknown_keywords, require, warn_user
from .._algorithm import Algorithm
from .._non_finite import culprits
from ..newton import DrawTarget, NoFiniteStart, WarmStart, gaussian_obstacle
from ._minimisers import OPTIMIZERS
from ._solver import Solver

__all__ = ["FixedDraws"]

#: Draws of the first problem: this number, or this multiple of the largest full-rank block's dimension.
FIRST_DRAWS, DRAWS_PER_DIMENSION = 128, 8
#: Evaluated draws after which the search for a start ends.
START_LIMIT = 200_000


class FixedDraws(Algorithm):
    """The optimum of the ELBO with fixed draws, found by a trust-region Newton method; a step is an iteration.

    Parameters
    ----------
    n_draws : int, optional
        Number of draws to begin with, rounded up to a multiple of 16; default 128, or eight times the dimension of the
        largest full-rank group if that is more.
    max_draws : int
        Number of draws that is not exceeded.
    tol : float or None
        Largest frequentist standard error of a mean, in standard deviations.  The number of draws is doubled until it
        is reached; None keeps `n_draws`.
    draws : {'sobol', 'antithetic', 'independent'}
        Mirrored pairs of scrambled Sobol points, mirrored pseudo-random pairs, or independent draws.
    optimizer : {'trust-ncg', 'trust-krylov', 'l-bfgs-b'}
        scipy's minimiser.
    optimizer_options : dict, optional
        Its options, e.g. ``{'gtol': 1e-6}``; coordinates are scaled so that standard deviations are about 1.

    References
    ----------
    Giordano, Ingram, Broderick: Black box variational inference with a deterministic objective: faster, more
    accurate, and even more black box, JMLR 25(18), 2024, algorithm 1.
    Burroni, Domke, Sheldon: Sample average approximation for black-box variational inference, UAI 2024 (growing
    sets of draws).
    """

    name = "fixed_draws"
    order = 2
    #: Every fit is a problem of its own, with draws of its own.
    can_go_on = False

    @checked
    def __init__(
        self, n_draws=None, max_draws=16384, tol=0.02, draws="sobol", optimizer="trust-ncg", optimizer_options=None
    ):
        self.n_draws, self.max_draws, self.tol = n_draws, max_draws, tol
        self.kind, self.optimizer = draws, optimizer
        self.optimizer_options = dict(optimizer_options or {})
        reject_unknown_keywords(
            self.optimizer_options, OPTIMIZERS[optimizer], f"The 'optimizer_options' parameter for {optimizer!r}"
        )
        self.solver = None

    # ---------------------------------------------------------------- before the first step
    def obstacle(self, task):
        reason = gaussian_obstacle(task, further=("more_replacements",))
        if reason is None and task.objective.op.beta != 1:
            reason = f"beta is {task.objective.op.beta:g}, not 1"
        if reason is None and is_streamed(task.approx.view):
            reason = "fixed draws need all data at once, but the model reads some from a Python generator"
        return reason

    def prepare(self, task):
        super().prepare(task)
        self.blocks = GaussianBlocks(task.approx.groups)
        self.recipe = self._recipe()
        task.objective.check_start()
        self.density = (
            PointDensity(task.approx, fn_kwargs=task.fn_kwargs) if task.fn_kwargs else point_density(task.approx)
        )
        self.density.compile()
        self._has_start, self._changes = False, []
        self._recent = []

    def _recipe(self):
        widest = max([0] + [g.ddim for g in self.task.approx.groups if not GaussianBlocks([g]).is_diagonal])
        least = max(FIRST_DRAWS, DRAWS_PER_DIMENSION * widest)
        wanted = least if self.n_draws is None else self.n_draws
        unit = 2 * REPLICATES
        wanted = wanted if self.n_draws is not None else min(wanted, self.max_draws // unit * unit)
        seed = int(self.task.approx.groups[0].seeds.generator("fixed draws").integers(2**31))
        recipe = Recipe(self.kind, unit * -(-wanted // unit), seed)
        fits = self.n_draws is None or self.max_draws >= recipe.count
        require(fits, ValueError, "max_draws", "fit", f"at least n_draws ({recipe.count})", self.max_draws)
        return recipe

    def aim_at(self, tolerance):
        if tolerance not in ("auto", None):
            self.tol = tolerance
        return True

    @property
    def profile(self):
        """Theano's profile of the log density, when compiled with ``profile=True``."""
        return self.density.profile

    @property
    def has_begun(self):
        """Whether the start has been found."""
        return self._has_start

    # ---------------------------------------------------------------- a run
    def begin(self, n, first=False):
        self._has_start = self._has_start or not first
        draws = self.recipe if self.solver is None else self.solver.draws
        self.solver = Solver(
            self.density, self.blocks, draws, self.max_draws, self.tol, self.optimizer, self.optimizer_options
        )
        self._left, self._changes, self._left_out.count = n, [], 0

    def run(self, k):
        self._recent, solver = [], self.solver
        try:
            if not self._has_start:
                self._find_start()
            for _ in range(k):
                before = solver.iterations
                try:
                    if not solver.iterate():
                        break
                finally:
                    if solver.iterations > before:
                        vars(self).update(steps_done=self.steps_done + 1, _left=self._left - 1)
                        self._recent.append(solver.loss)
        except BaseException:
            if solver.place is not None:
                self.blocks.write(*solver.place)
            raise
        finally:
            self._left_out.count, self.task.approx.fixed_draws = solver.left_out, solver.draws
        return self.recent_losses()

    def recent_losses(self):
        return np.array(self._recent) if self.task.score else None

    def _find_start(self):
        """Set the parameters to those of a few draws."""
        approx = self.task.approx
        seed = int(approx.groups[0].seeds.generator("start").integers(2**31))
        warm = WarmStart(DrawTarget(self.density, self.blocks), seed, START_LIMIT)
        try:
            warm.run()
        except NoFiniteStart:
            names, details = culprits(approx, [[np.zeros(g.ddim) for g in approx.groups]])
            raise NonFiniteError(
                "The log density is not finite around the start point, however small the scale of q. "
                + " ".join(details + ["Use another start=..., or a weaker transformation in the model."]),
                step=1,
                variables=names or approx.view.names,
            ) from None
        finally:
            self.blocks.write(*warm.best)
        self._has_start = True

    def undisturbed(self):
        return self.density.many_calls()

    def density_changed(self, names, i):
        self._changes.append((names, i))

    def result(self):
        if self.solver.place is not None:
            self.blocks.write(*self.solver.place)
        if not self._has_start or (self._left and self.solver.solution is None):
            return  # stopped on the way: it can be resumed there
        self.solver.finish()
        self.task.approx.fixed_draws = self.solver.draws
        self._warn()

    def _warn(self):
        found = self.solver.solution
        if self._changes:
            warn_user(
                f"DADVI solves one problem with one log density, but {self._changed()}, which the log density reads: "
                "the result belongs to none. Call refine to solve the present problem from here, or change it between "
                "fits.",
                ConvergenceWarning,
            )
        elif not found.solved:
            warn_user(f"DADVI has {self.ending}. Give it more iterations (n=...), or call refine.", ConvergenceWarning)
        elif self.tol is not None and found.error > self.tol:
            label = coordinate_labels(self.task.approx)[found.worst]
            warn_user(
                f"The mean of {label} has a standard error of {found.error:.2g} sd with {found.draws.count:,} draws, "
                f"tol is {self.tol:g}. Raise max_draws, or accept it with a larger tol.",
                ConvergenceWarning,
            )

    def _changed(self):
        names = ", ".join(sorted({name for changed, _ in self._changes for name in changed}))
        return f"a callback changed {names} up to iteration {self._changes[-1][1]:,}"

    # ---------------------------------------------------------------- for reports
    @property
    def ending(self):
        """How the last run ended, in words; None while it has not."""
        solver = self.solver
        if solver is None or solver.solution is None:
            return None
        if self._changes:
            return self._changed()
        if not solver.solution.solved:
            return f"not converged after {solver.iterations} iterations with {solver.draws.count:,} draws"
        return f"solved after {solver.iterations} iterations, {solver.standing}"

    @property
    def comment(self):
        """The loss, and with how many draws."""
        return f"Loss = {self.solver.loss:,.5g}, {self.solver.draws.count:,} draws"

    def describe(self):
        draws = self.recipe if self.solver is None else self.solver.draws
        return f"{draws.count:,} fixed draws ({draws.kind}), {self.optimizer}"

    # ---------------------------------------------------------------- state
    def snapshot(self):
        return {
            "rule": self.name,
            "d": self.blocks.d,
            "settings": [self.optimizer, self.max_draws, self.tol],
            "steps_done": int(self.steps_done),
            "left": int(self._left),
            "has_start": bool(self._has_start),
            "recipe": list(self.recipe),
            "solver": self.solver.snapshot(),
        }

    def restore(self, snapshot):
        if snapshot.get("rule") != self.name or snapshot["d"] != self.blocks.d:
            raise ValueError(f"the saved step is not one of fixed draws in {self.blocks.d} dimensions")
        self.steps_done, self.recipe = int(snapshot["steps_done"]), Recipe(*snapshot["recipe"])
        self.begin(int(snapshot["left"]), first=not snapshot["has_start"])
        self.solver.restore(snapshot["solver"])
        self.task.approx.fixed_draws = self.solver.draws
