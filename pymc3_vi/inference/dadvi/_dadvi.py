"""DADVI: the optimum of a Gaussian family by deterministic optimization."""

import logging
import time
from collections import namedtuple

import numpy as np

from ...algorithms.newton import BatchTarget, NoFiniteStart, WarmStart
from ...approximations import MeanField
from ...callbacks import Callback
from ...diagnostics import REPLICATES, FixedDraws, coordinate_labels, gaussian_blocks, point_density
from ...errors import (
    AEVBInferenceError,
    ConvergenceWarning,
    NonFiniteError,
    ParameterTypeError,
    VariationalInferenceError,
)
from ...model import DataRead
from ...parameters import checked
from ...validation import (
    accepted_keywords,
    reject_unknown_keywords,
    require,
    warn_user,
)
from .._density_watch import DensityWatch
from .._files import FitState, NotFittedError
from .._history import LossView
from .._interrupts import Interrupts
from .._klqp import KLqp
from .._loop import Scheduled, stop_message
from .._non_finite import culprits
from .._progress import Progress
from ._map import find_map
from ._solver import OPTIMIZERS, Solver

__all__ = ["DADVI"]

logger = logging.getLogger("pymc3_vi")

_Settings = namedtuple("_Settings", "draws, limit, tolerance, optimizer, further")

#: Draws of the first problem: this number, or this multiple of the largest full-rank block's dimension.
FIRST_DRAWS, DRAWS_PER_DIMENSION = 128, 8
#: Evaluated draws after which the search for a start ends.
START_LIMIT = 200_000


class DADVI(KLqp):
    r"""Deterministic ADVI: maximises the ELBO with fixed draws by a trust-region Newton method.

    .. math::

        \hat\lambda = \arg\max_\lambda \frac1m \sum_{s=1}^m \log p(\mu + S \epsilon_s) + \log |\det S|,
        \qquad \lambda = (\mu, S)

    With the draws :math:`\epsilon_s` fixed this is an ordinary smooth problem: no learning rate, a clear end, and
    second derivatives that give linear-response covariances (``approx.lrvb_cov()``) and the error that the finite
    number of draws leaves (``approx.frequentist_se()``).

    Parameters
    ----------
    approx : Approximation, optional
        Of mean-field and full-rank groups in any arrangement; default is mean field over all variables.
    model : pymc3.Model, optional
    random_seed : int, optional
    start : dict or str, optional
        Start values by variable name, or the name of a start, from which the mode of the posterior is searched.

    Raises
    ------
    ParametrizationError
        For other families, amortised groups, and data from a generator.

    References
    ----------
    Giordano, Ingram, Broderick: Black box variational inference with a deterministic objective: faster, more
    accurate, and even more black box, JMLR 25(18), 2024, algorithm 1.
    Burroni, Domke, Sheldon: Sample average approximation for black-box variational inference, UAI 2024 (growing
    sets of draws).

    Examples
    --------
    >>> with model:  # doctest: +SKIP
    ...     approx = pymc3_vi.fit(method="dadvi", random_seed=1)
    ...     sd = np.sqrt(np.diag(approx.lrvb_cov()))
    """

    has_steps = False

    order = 2

    @checked
    def __init__(self, approx=None, model=None, random_seed=None, start=None, local_rv=None):
        if local_rv is not None:
            raise AEVBInferenceError("DADVI does not support local variables (local_rv); use ADVI.")
        if approx is None:
            approx = MeanField(model=model, random_seed=random_seed, start=start)
        else:
            if start is not None:
                raise ParameterTypeError(
                    "DADVI got 'approx' together with 'start'. Give 'start' to the groups of 'approx'."
                )
            if random_seed is not None:
                approx.reseed(random_seed)
        super().__init__(approx)
        self.blocks = gaussian_blocks(approx, "DADVI")
        #: Where the last fit arrived; None before the first.
        self.solution = None
        self._settings = None
        self._started = False

    @checked
    def fit(
        self,
        n=10000,
        score=None,
        callbacks=None,
        progressbar=True,
        n_draws=None,
        max_draws=16384,
        tol=0.02,
        draws="sobol",
        optimizer="trust-ncg",
        optimizer_options=None,
        **kwargs,
    ):
        """Solve the fixed-draw problem, with more draws until the means are accurate.

        Parameters
        ----------
        n : int
            Largest number of iterations; the fit ends by itself, mostly after a few tens.
        score : bool, optional
            Accepted for uniformity; the loss of every iteration is always recorded.
        callbacks : list of callables, optional
            Called as ``callback(approx, losses, i)`` after every iteration; StopIteration ends the fit cleanly.
        progressbar : bool
        n_draws : int, optional
            Number of draws to begin with, rounded up to a multiple of 16; default 128, or eight times the
            dimension of the largest full-rank group if that is more.
        max_draws : int
            Number of draws that is not exceeded.
        tol : float or None
            Largest frequentist standard error of a mean, in standard deviations.  The number of draws is doubled
            until it is reached; None keeps `n_draws`.
        draws : {'sobol', 'antithetic', 'independent'}
            Mirrored pairs of scrambled Sobol points, mirrored pseudo-random pairs, or independent draws.
        optimizer : {'trust-ncg', 'trust-krylov', 'l-bfgs-b'}
            scipy's minimiser.
        optimizer_options : dict, optional
            Its options, e.g. ``{'gtol': 1e-6}``; coordinates are scaled so that standard deviations are about 1.

        Returns
        -------
        Approximation

        Raises
        ------
        StartError, NonFiniteError
            When the model has no finite log density around the start point.
        TypeError, ValueError
            For an option that is unknown or out of its range.

        Warns
        -----
        ConvergenceWarning
            When `n` iterations or `max_draws` draws were not enough.
        """
        reject_unknown_keywords(kwargs, accepted_keywords(DADVI.fit), "DADVI.fit")
        callbacks = callbacks or []
        limit = max_draws
        recipe = self._recipe(n_draws, draws, limit)
        if n_draws is not None:
            require(
                limit >= recipe.count, ValueError, "max_draws", "fit", f"at least n_draws ({recipe.count})", max_draws
            )
        self._settings = _Settings(
            recipe,
            limit,
            tol,
            optimizer,
            _check_options(optimizer, optimizer_options),
        )
        self._solve(n, callbacks, progressbar)
        return self.approx

    @checked
    def refine(self, n, progressbar=True):
        """Do at most `n` more iterations of the last fit, with its options and callbacks."""
        if self.state is None:
            raise NotFittedError("Need to call `.fit` first: there is no fit to refine yet.")
        self._solve(n, self.state.callbacks, progressbar)

    @checked
    def resume(self, callbacks=None, progressbar=True):
        """Go on with an interrupted fit, up to the number of iterations that it had."""
        if self.state is None:
            raise NotFittedError("Need to call `.fit` first: there is no fit to resume yet.")
        callbacks = self.state.callbacks if callbacks is None else callbacks
        self._solve(max(self.planned - self.state.i, 0), callbacks, progressbar)
        return self.approx

    @checked
    def save(self, path):
        """Not offered: the approximation is all that there is to save."""
        raise VariationalInferenceError(
            "A DADVI inference has no state beside its approximation: save that with approx.save(path)."
        )

    @checked
    def run_profiling(self, n=1000, score=None, **kwargs):
        """Not offered: there is no step that could be profiled alone."""
        raise VariationalInferenceError("DADVI has no step to profile; profile method='advi' on the same model.")

    # ---------------------------------------------------------------- parts of a fit
    def _recipe(self, n_draws, kind, limit):
        widest = max([0] + [g.ddim for g in self.approx.groups if not type(self.blocks)([g]).is_diagonal])
        least = max(FIRST_DRAWS, DRAWS_PER_DIMENSION * widest)
        wanted = least if n_draws is None else n_draws
        unit = 2 * REPLICATES
        wanted = wanted if n_draws is not None else min(wanted, limit // unit * unit)
        seed = int(self.approx.groups[0].seeds.generator("fixed draws").integers(2**31))
        return FixedDraws(kind, unit * -(-wanted // unit), seed)

    def _solve(self, n, callbacks, progressbar):
        self.check_ready("fit")
        first = self.state.i if self.state is not None else 0
        self.state, self.planned = FitState(first, None, callbacks, True), first + n
        self.approx.report = self.report
        for callback in callbacks:
            if isinstance(callback, Callback):
                callback.bind(self)
        progress, solver = Progress(n, progressbar), None
        recorded, changes = len(self.history), []
        watch = DensityWatch(self.approx, callbacks, lambda names, i: changes.append((names, i)))
        watching = callbacks + [watch] if callbacks else callbacks
        with Interrupts() as interrupts, self.report.recording(n):
            try:
                interrupts.start()
                density = self._compiled_density()
                self.report.stepping(self.options)
                if not self._started:
                    self._find_start(density)
                solver = Solver(density, self.blocks, *self._settings)
                self.running = True
                self.solution = solver.run(n, _Accepted(self, solver, first, watching, progress, interrupts))
                interrupts.stop()
                self.report.ended("done", self._verdict(solver, changes))
            except StopIteration as stop:
                message = stop_message(stop, first + solver.iterations)
                logger.info("After %d iterations %s", solver.iterations, message)
                self.report.ended("stopped", message)
            except KeyboardInterrupt:
                interrupts.stop()
                logger.info("Interrupted: everything so far is kept.")
                self.report.ended("interrupted", "interrupted by the user")
            finally:
                self.running = False
                interrupts.stop()
                done = len(self.history) - recorded
                if solver is not None:
                    if solver.place is not None:
                        self.blocks.write(*solver.place)
                    self.approx.fixed_draws = solver.draws
                    self.report.left_out(solver.left_out)
                    self._settings = self._settings._replace(draws=solver.draws)
                progress.close(done)
                self.approx.hist = np.array(self.history.array)
                self.approx.fitted_to = DataRead(self.approx.view, self.approx.params)
                self.state = FitState(first + done, None, callbacks, True)
                self.report.stepped(done)

    @property
    def has_begun(self):
        """Whether a q was found from which iterations can be made."""
        return self._started

    @property
    def options(self):
        """Options of the last fit."""
        if self._settings is None:
            return {}
        draws, limit, tolerance, optimizer, further = self._settings
        return dict(further, n_draws=draws.count, max_draws=limit, tol=tolerance, draws=draws.kind, optimizer=optimizer)

    def _compiled_density(self):
        self._look_at_model(1)
        self.approx.check_start()
        begin = time.perf_counter()
        density = point_density(self.approx)
        density.compile()
        self.report.compiled(begin)
        return density

    def _find_start(self, density):
        """Set the parameters to those of a few draws, from the posterior's mode if there is one."""
        mu, scale = self.blocks.read()
        mode = find_map(density, mu)
        if mode is not None:
            self.blocks.write(mode, scale)
        else:
            logger.debug("The posterior has no mode near the start point; the search begins at the start point.")
        seed = int(self.approx.groups[0].seeds.generator("start").integers(2**31))
        warm = WarmStart(BatchTarget(density, self.blocks), seed, START_LIMIT)
        try:
            warm.run()
        except NoFiniteStart:
            names, details = culprits(self.approx, [[np.zeros(g.ddim) for g in self.approx.groups]])
            raise NonFiniteError(
                "The log density is not finite around the start point, however small the scale of q. "
                + " ".join(details + ["Use another start=..., or a weaker transformation in the model."]),
                step=1,
                variables=names or self.approx.view.names,
            ) from None
        finally:
            self.blocks.write(*warm.best)
        self._started = True

    def _verdict(self, solver, changes):
        """What happened, in words; a warning where it is not what was asked for."""
        found = self.solution
        if changes:
            names = ", ".join(sorted({name for changed, _ in changes for name in changed}))
            text = f"a callback changed {names} up to iteration {changes[-1][1]:,}"
            warn_user(
                f"DADVI solves one problem with one log density, but {text}, which the log density reads: the result "
                "belongs to none. Call refine to solve the present problem from here, or change it between fits.",
                ConvergenceWarning,
            )
            return text
        if not found.solved:
            text = f"not converged after {solver.iterations} iterations with {found.draws.count:,} draws"
            warn_user(f"DADVI has {text}. Give it more iterations (n=...), or call refine.", ConvergenceWarning)
            return text
        text = f"solved after {solver.iterations} iterations, {solver.standing}"
        tolerance = self._settings.tolerance
        if tolerance is not None and found.error > tolerance:
            label = coordinate_labels(self.approx)[found.worst]
            warn_user(
                f"The mean of {label} has a standard error of {found.error:.2g} sd with {found.draws.count:,} draws, "
                f"tol is {tolerance:g}. Raise max_draws, or accept it with a larger tol.",
                ConvergenceWarning,
            )
        return text


class _Accepted:
    """What happens after an iteration: its loss is kept, the bar moves, callbacks are called."""

    def __init__(self, inference, solver, first, callbacks, progress, interrupts):
        self.inference, self.solver = inference, solver
        self.first, self.progress, self.interrupts = first, progress, interrupts
        self.callbacks = [Scheduled(callback, first) for callback in callbacks]

    def __call__(self, loss):
        history, approx = self.inference.history, self.inference.approx
        history.extend(loss)
        self.interrupts.check()
        self.progress.update(self.solver.iterations, f"Loss = {loss:,.5g}, {self.solver.draws.count:,} draws")
        if not self.callbacks:
            return
        approx.hist = history.array
        for callback in self.callbacks:
            callback.call(approx, LossView(history.array), self.first + self.solver.iterations)


def _check_options(optimizer, options):
    options = dict(options or {})
    reject_unknown_keywords(options, OPTIMIZERS[optimizer], f"The 'optimizer_options' parameter for {optimizer!r}")
    return options
