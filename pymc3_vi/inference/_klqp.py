"""Inference by maximising the ELBO: KLqp and its shortcuts."""

from typing import Any

from ..approximations import FullRank, MeanField, NormalizingFlow
from ..operators import KL
from ..parameters import checked
from ._base import Inference

__all__ = ["KLqp", "ADVI", "FullRankADVI", "NFVI"]


class KLqp(Inference):
    r"""Fits any approximation with a log density by maximising the ELBO.

    Parameters
    ----------
    approx : Approximation
    beta : float
        Weight of KL(q || prior) in the objective.

    References
    ----------
    Kucukelbir et al.: Automatic Differentiation Variational Inference, JMLR 18(14), 2017.
    """

    @checked
    def __init__(self, approx, beta=1.0):
        super().__init__(op=KL, approx=approx, tf=None, beta=beta)


class GaussianADVI(KLqp):
    """Base of ADVI with a Gaussian family for the whole model."""

    _approximation: Any = None

    @checked
    def __init__(
        self,
        local_rv=None,
        model=None,
        cost_part_grad_scale=1,
        scale_cost_to_minibatch=False,
        random_seed=None,
        start=None,
        beta=1.0,
        **kwargs,
    ):
        options = (local_rv, model, cost_part_grad_scale, scale_cost_to_minibatch, random_seed, start)
        super().__init__(self._approximation(*options, **kwargs), beta=beta)


class ADVI(GaussianADVI):
    """Mean-field ADVI: independent Gaussians on the unconstrained scale.

    Parameters
    ----------
    local_rv : dict, optional
        Amortised variables: {variable: dict of parameters}.
    model : pymc3.Model, optional
    cost_part_grad_scale : float, shared scalar or callable
        Weight of the score term of the gradient; 0 is sticking the landing.
    scale_cost_to_minibatch : bool
        Divide losses by the largest ``total_size`` scaling.
    random_seed : int, optional
    start : dict or str, optional
        Initial means by variable name, or a name: ``'map'``, ``'laplace'`` or ``'prior'``, see :func:`pymc3_vi.fit`.
    beta : float
        See :class:`KLqp`.

    References
    ----------
    Kucukelbir et al.: Automatic Differentiation Variational Inference, JMLR 18(14), 2017, algorithm 1;
    Roeder, Wu, Duvenaud: Sticking the Landing, NIPS 2017, section 2.
    """

    _approximation = MeanField


class FullRankADVI(GaussianADVI):
    """Full-rank ADVI: one correlated Gaussian; parameters as in :class:`ADVI`.

    The default rule fits up to 1,024 values.  With more it stops at the optimum of mean field, with a
    :class:`~pymc3_vi.errors.ConvergenceWarning`; a full-rank group for those variables whose correlations matter,
    beside a mean-field group for the rest, is the better choice there.
    """

    _approximation = FullRank


class NFVI(KLqp):
    """Normalizing-flow variational inference.

    Parameters
    ----------
    flow : str or Formula
        Flow formula, e.g. ``'planar*4'``; without a location or scale step of its own it gets a trainable
        scale-loc head.
    model : pymc3.Model, optional
    random_seed : int, optional
    beta : float
        See :class:`KLqp`.
    start : dict or str, optional
        Initial location by variable name, or ``'map'`` or ``'prior'``.

    References
    ----------
    Rezende, Mohamed: Variational Inference with Normalizing Flows, ICML 2015, section 4.
    """

    @checked
    def __init__(self, flow="planar", model=None, random_seed=None, beta=1.0, start=None, **kwargs):
        approx = NormalizingFlow(flow, model=model, random_seed=random_seed, start=start, **kwargs)
        super().__init__(approx, beta=beta)
