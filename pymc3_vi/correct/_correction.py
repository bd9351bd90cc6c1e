"""``correct='hmc'``: draws from the posterior itself."""

import numpy as np

from ..compiler import small_algebra
from ..core import CORRECTIONS, CorrectedPoints
from ..diagnostics import check_data, coordinate_labels, point_density
from ..errors import UnconvergedChainsWarning
from ..parameters import checked
from ..progress import Progress
from ..validation import warn_user
from ._basins import Basins, find_basins
from ._convergence import chain_errors
from ._evidence import log_evidence
from ._hmc import CHAINS, MOST_STEPS, TOLERANCE, run_chains, superchains
from ._starts import start_from

__all__ = ["HMC", "ChainDraws"]

NOT_SEARCHED = "the search for other modes was interrupted"
#: Most names of variables in a message.
NAMES = 6


class ChainDraws(CorrectedPoints):
    """Draws picked from many chains, and what is known of the chains.

    Attributes
    ----------
    z, chains
        See ``CorrectedPoints``.
    run : Run
        All draws of all chains, nested R-hat and Monte Carlo errors of every unconstrained coordinate.
    labels : list of str
        Names of the coordinates.
    """

    def __init__(self, run, labels, draws, generator, complaints=()):
        sweeps, chains = run.draws.shape[:2]
        # Every sweep in an order of its own, so that no chain is preferred by the stride.
        order = np.concatenate([t * chains + generator.permutation(chains) for t in range(sweeps)])
        picked = order[((np.arange(draws) + generator.random()) * (len(order) / draws)).astype(int)]
        picked = generator.permutation(picked)
        of_chain = picked % chains
        strata = run.strata[of_chain] if isinstance(run, Basins) else None
        super().__init__(run.draws.reshape(-1, run.draws.shape[-1])[picked], of_chain, strata)
        self.run, self.labels, self._more = run, labels, list(complaints)

    @property
    def nested_rhat(self):
        """Nested R-hat of every unconstrained coordinate (d,)."""
        return self.run.nested_rhat

    def evidence(self, approx, generator):
        """Log evidence by bridge sampling, and its standard error."""
        if isinstance(self.run, Basins):
            return self.run.evidence
        density = point_density(approx)
        with density.many_calls():
            return log_evidence(self.run, density.slopes, generator)

    @property
    def reliable(self):
        """Whether nothing is wrong with the chains."""
        return not self.complaints()

    @property
    def agree(self):
        """Whether nothing is wrong with the chains but that more draws are needed."""
        return self.run.agree and not self._more

    def errors_of(self, function):
        """Moments of ``function(z)`` over all draws (..., d) of the chains, with their Monte Carlo errors."""
        return chain_errors(function(self.run.draws))

    def complaints(self):
        """What is wrong, in sentences with the names of variables."""
        named = [f"{why} ({_names([self.labels[i] for i in where])})" for why, where in self.run.flaws().items()]
        return named + self._more

    @property
    def basins(self):
        """:class:`Basin` of every separate part of the posterior; empty where there is one."""
        return self.run.basins if isinstance(self.run, Basins) else []

    def words(self):
        """The separate parts of the posterior in a sentence; empty where there is one."""
        return [self.run.words()] if self.basins else []

    def note(self):
        """What a table made of the draws says below it."""
        run = self.run
        chains, errors = run.draws.shape[1], np.maximum(run.errors.mean_error, run.errors.sd_error) / run.errors.sd
        text = (
            f"Draws of {chains} Hamiltonian chains: nested R-hat {run.nested_rhat.max():.3f}, "
            f"Monte Carlo errors at most {errors.max():.3f} sd."
        )
        return " ".join([text] + self.words() + [f"Not reliable: {complaint}." for complaint in self.complaints()])

    def warn(self, what, stacklevel):
        """Warn with an UnconvergedChainsWarning when the draws cannot be relied on."""
        complaints = self.complaints()
        if complaints:
            ends = {"budget": " The budget was spent.", "interrupted": " The chains were interrupted."}
            warn_user(
                f"Do not rely on {what}: {'; '.join(complaints)}.{ends.get(self.run.ended, '')} Reparameterise (e.g. "
                "non-centred), fit a richer family, or compare with pm.sample().",
                UnconvergedChainsWarning,
            )


def _names(names):
    return ", ".join(names[:NAMES]) + (f" and {len(names) - NAMES} more" if len(names) > NAMES else "")


class HMC:
    r"""Corrects draws from q by many short Hamiltonian chains, which end at the posterior or say that they do not.

    256 chains start at 16 draws from q, picked by tempered importance weights, and move together, one batched call of
    log p and its gradient for all of them.  Positions and gradients, at first of a quarter of them, give the
    coordinates in which they move (whatever q's family), the step size, and the length of the trajectories.  Where all
    tails are about as steep as a normal's, trajectories are the circles of a standard normal, turned by what is left of
    the gradient (Shahbaba et al., section 3.1), else straight (leapfrog).  Chains go on until nested R-hat of
    every unconstrained coordinate and of its distance from the mean is below 1.01, no mean drifts, and Monte Carlo
    errors are below `tolerance`; for at least 10,000 draws of all chains together until tails can be called short, and
    20,000 where they are long, by trajectories three times as long.

    Parameters
    ----------
    tolerance : float
        Monte Carlo error of every mean in its standard deviation, and relative error of every standard deviation, to
        stop at.
    budget : float, optional
        Seconds after which chains stop whether they have converged or not; the compiling of log p does not count.
        Results then depend on the speed of the machine.
    progressbar : bool, optional
        Default: a bar that comes after three seconds.
    modes : bool
        Whether to look for other modes, in up to 100 dimensions: 88 starts from the prior and far around q climb in one
        batch, and maxima outside of all draws whose share of the mass is not negligible get chains of their own.  Draws
        are then taken from all parts in proportion to their evidence, and what is printed names them.

    Examples
    --------
    >>> trace = approx.sample(1000, correct="hmc")  # doctest: +SKIP
    >>> trace = approx.sample(1000, correct=pymc3_vi.HMC(tolerance=0.01, budget=60))  # doctest: +SKIP

    Notes
    -----
    Ctrl-C ends the chains, or the search for other modes, and keeps their draws, once the first warm-up is over.

    References
    ----------
    Hoffman, Radul, Sountsov: An Adaptive MCMC Scheme for Setting Trajectory Lengths in Hamiltonian Monte Carlo, AISTATS
    2021.  Margossian et al.: Nested R-hat, Bayesian Analysis 2024.  Seyboldt, Carlson, Carpenter: Preconditioning
    Hamiltonian Monte Carlo by minimizing Fisher Divergence.  Shahbaba, Lan, Johnson, Neal: Split Hamiltonian Monte
    Carlo, Statistics and Computing 24, 2014.
    """

    @checked
    def __init__(self, tolerance=TOLERANCE, budget=None, progressbar=None, modes=True):
        self.tolerance, self.budget = tolerance, budget
        self.progressbar, self.modes = progressbar, modes
        self.chains, self.most_steps, self.question = CHAINS, None, None

    def __call__(self, approx, draws, generator):
        """:class:`ChainDraws` that begin at `approx`."""
        check_data(approx)
        density = point_density(approx)
        density.compile_slopes()
        most = self.most_steps or MOST_STEPS
        progress, complaints = Progress(most, self.progressbar), []

        def show(sampler):
            progress.update(min(sampler.steps, most - 1), f"chains: {sampler.sweeps} sweeps")

        slopes, options = density.slopes, (self.tolerance, self.budget, show, self.most_steps, self.chains)
        try:
            with small_algebra(approx.ddim), density.many_calls():
                start = start_from(approx, slopes, superchains(self.chains), generator)
                run = run_chains(start, slopes, draws, generator, *options, self.question)
                if self.modes:
                    try:
                        run, complaints = find_basins(approx, run, slopes, generator, *options)
                    except KeyboardInterrupt:
                        run.ended, complaints = "interrupted", [NOT_SEARCHED]
        finally:
            progress.close(0)
        return ChainDraws(run, coordinate_labels(approx), draws, generator, complaints)

    def __repr__(self):
        return f"HMC(tolerance={self.tolerance}, budget={self.budget})"


CORRECTIONS.register("hmc", HMC())
