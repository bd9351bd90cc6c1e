"""DADVI: the optimum of a Gaussian family by deterministic optimization."""

from ..algorithms import FixedDraws
from ..approximations import MeanField
from ..diagnostics import gaussian_blocks
from ..errors import AEVBInferenceError, ParameterTypeError
from ..parameters import checked
from ..validation import accepted_keywords, reject_unknown_keywords
from ._klqp import KLqp
from ._run import profile_algorithm

__all__ = ["DADVI"]


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
        gaussian_blocks(approx, "DADVI")

    @property
    def solution(self):
        """Where the last fit arrived; None before the first."""
        solver = None if self.algorithm is None else self.algorithm.solver
        return None if solver is None else solver.solution

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
        resume=False,
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
        n_draws, max_draws, tol, draws, optimizer, optimizer_options
            See :class:`~pymc3_vi.algorithms.FixedDraws`.
        resume : bool
            Take the `n` iterations as the rest of the fit before; see ``resume``.

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
        settings = dict(
            n_draws=n_draws,
            max_draws=max_draws,
            tol=tol,
            draws=draws,
            optimizer=optimizer,
            optimizer_options=optimizer_options,
        )
        return self._fit(n, settings, callbacks, progressbar, resume)

    @checked
    def run_profiling(self, n=1000, score=None, **kwargs):
        """Run `n` iterations under Theano's profiler; returns its profile of the log density and its gradient.

        Parameters as in :meth:`fit`.
        """
        reject_unknown_keywords(kwargs, accepted_keywords(FixedDraws.__init__), "DADVI.run_profiling")
        return profile_algorithm(self._task({}, True, {"profile": True}), FixedDraws(**kwargs), n)

    def _chosen(self, options, client=None):
        return self._task({}, True), FixedDraws(**options), "asked for"
