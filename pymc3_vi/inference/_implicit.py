"""Inference by kernelised Stein gradients: particles and implicit approximations."""

from ..algorithms import AnnealedAdam
from ..approximations import Empirical, FullRank
from ..errors import AEVBInferenceError, ParameterTypeError, VarianceCollapseWarning
from ..operators import KSD
from ..parameters import checked
from ..test_functions import rbf
from ..validation import require_memory, warn_user
from ._base import Inference

__all__ = ["ImplicitGradient", "SVGD", "ASVGD"]

#: Matrices of all pairs of particles that a step holds.
COPIES = 3


class ImplicitGradient(Inference):
    """Fits any approximation, with or without log density, by a kernel-based gradient.

    Parameters
    ----------
    approx : Approximation
    estimator : Operator class
    kernel : str or callable
        Kernel name, or ``kernel(X) -> (K, dK)``.
    **kwargs
        Keywords of the estimator, e.g. ``temperature``.
    """

    @checked
    def __init__(self, approx, estimator=KSD, kernel=rbf, **kwargs):
        super().__init__(estimator, approx, kernel, **kwargs)

    def _set_defaults(self):
        if not self.approx.all_histograms:
            super()._set_defaults()
            return
        # Close particles repel each other by the inverse of their distance: Adam's long memory would freeze them.
        # An average over steps of particles that still move would lie between them.
        self.default_optimizer, self.default_average = AnnealedAdam.of(self.objective, beta2=0.9), 0.0


class SVGD(ImplicitGradient):
    """Stein variational gradient descent: moves particles until they represent the posterior.

    Parameters
    ----------
    n_particles : int
    jitter : float
        Standard deviation of the initial particles around the start point.  Where it is left out the default rule
        begins with particles of a quick mean-field fit.  ``adam`` and ``adagrad`` remember the strong repulsion at the
        start for a thousand steps and more: with those, use a jitter of the posterior's scale.
    model : pymc3.Model, optional
    start : dict or str, optional
        Start point by variable name, or ``'map'`` or ``'prior'``.
    random_seed : int, optional
        Seed of the initial particles and of draws.
    estimator : Operator class
    kernel : str or callable
    **kwargs
        Keywords of the estimator, e.g. ``temperature``.

    Warns
    -----
    VarianceCollapseWarning
        Once, when the dimension is at least a fifth of the number of particles.

    References
    ----------
    Liu, Wang: Stein Variational Gradient Descent, NIPS 2016, algorithm 1.  Ba et al.: Understanding the Variance
    Collapse of SVGD in High Dimensions, ICLR 2022.
    """

    #: Whether the warning has been given.
    _collapse_warned = False

    @checked
    def __init__(
        self,
        n_particles=100,
        jitter=1e-6,
        model=None,
        start=None,
        random_seed=None,
        estimator=KSD,
        kernel=rbf,
        **kwargs,
    ):
        if kwargs.pop("local_rv", None) is not None:
            raise AEVBInferenceError("SVGD does not support local variables (local_rv); use ADVI or FullRankADVI.")
        what = f"SVGD compares {n_particles:,} particles with each other, {n_particles:,} x {n_particles:,} numbers"
        require_memory(COPIES * n_particles**2, what, "Take fewer: n_particles=...")
        approx = Empirical(size=n_particles, jitter=jitter, start=start, model=model, random_seed=random_seed)
        super().__init__(approx, estimator, kernel, **kwargs)

    def _run(self, *args, **kwargs):
        self._warn_of_collapse()
        super()._run(*args, **kwargs)

    def _warn_of_collapse(self):
        particles, d = self.approx.histogram.get_value(borrow=True).shape
        if self._collapse_warned or 5 * d < particles:
            return
        self._collapse_warned = True
        warn_user(
            f"{particles} particles in {d} dimensions: the spread of SVGD's particles underestimates the posterior's "
            f"when the dimension is a fifth of their number or more. Use n_particles of at least {5 * d + 1}, a "
            "larger temperature, or ADVI/FullRankADVI for the spread.",
            VarianceCollapseWarning,
        )


class ASVGD(ImplicitGradient):
    """Amortised Stein variational gradient descent: trains a random generator of draws.

    Parameters
    ----------
    approx : Approximation, optional
        Default is a full-rank Gaussian.
    estimator : Operator class
    kernel : str or callable
    model : pymc3.Model, optional
        For the default approximation.
    random_seed : int, optional
        For the default approximation.
    start : dict or str, optional
        For the default approximation; see :class:`FullRankADVI`.
    **kwargs
        Keywords of the estimator, e.g. ``temperature``.

    References
    ----------
    Wang, Feng, Liu: Learning to Sample Using Stein Discrepancy, 2016, algorithm 2.
    """

    @checked
    def __init__(self, approx=None, estimator=KSD, kernel=rbf, model=None, random_seed=None, start=None, **kwargs):
        warn_user(
            "ASVGD is experimental: its answer depends on the temperature and on obj_n_mc, and at temperature 1 the "
            "posterior variance is often underestimated. Compare it with ADVI or NUTS."
        )
        local_rv = kwargs.pop("local_rv", None)
        if approx is None:
            approx = FullRank(local_rv=local_rv, model=model, random_seed=random_seed, start=start)
        elif start is not None:
            raise ParameterTypeError(
                "ASVGD got 'approx' together with 'start'. Give 'start' to the groups of 'approx'."
            )
        elif random_seed is not None:
            approx.reseed(random_seed)
        super().__init__(approx, estimator, kernel, **kwargs)

    @checked
    def fit(self, n=10000, score=None, callbacks=None, progressbar=True, obj_n_mc=500, **kwargs):
        """As :meth:`Inference.fit`, with many draws per step since the kernel compares draws with each other."""
        return super().fit(n, score, callbacks, progressbar, obj_n_mc=obj_n_mc, **kwargs)

    @checked
    def run_profiling(self, n=1000, score=None, obj_n_mc=500, **kwargs):
        """As :meth:`Inference.run_profiling`."""
        return super().run_profiling(n=n, score=score, obj_n_mc=obj_n_mc, **kwargs)
