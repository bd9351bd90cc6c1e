"""Approximations of one group for the whole model, under the names that users know."""

from ..core import Approximation, Group
from ..errors import LocalGroupError
from ..parameters import checked
from ..validation import reject_unknown_keywords
from ._empirical import EmpiricalGroup
from ._full_rank import FullRankGroup
from ._mean_field import MeanFieldGroup
from ._normalizing_flow import NormalizingFlowGroup

__all__ = ["SingleGroupApproximation", "MeanField", "FullRank", "Empirical", "NormalizingFlow", "sample_approx"]


def _delegate(name):
    """Property that reads and writes attribute `name` of the first group."""

    def getter(self):
        return getattr(self.groups[0], name)

    def setter(self, value):
        setattr(self.groups[0], name, value)

    return property(getter, setter, doc=f"`{name}` of the first group.")


class SingleGroupApproximation(Approximation):
    """Base of the shortcuts: one group of a fixed family for all variables that are not local.

    Parameters
    ----------
    local_rv : dict, optional
        Local (amortised) variables: {variable: dict of parameters}.
    model : pymc3.Model, optional
    cost_part_grad_scale, scale_cost_to_minibatch
        See :class:`Approximation`.
    random_seed : int, optional
    start : dict or str, optional
        Start values by variable name, or the name of a start.
    **kwargs
        Keywords of the group.
    """

    _group_class = None

    @checked
    def __init__(
        self,
        local_rv=None,
        model=None,
        cost_part_grad_scale=1,
        scale_cost_to_minibatch=False,
        random_seed=None,
        start=None,
        **kwargs,
    ):
        allowed = self._group_class.family_keywords + ("params", "options", "rowwise")
        reject_unknown_keywords(kwargs, allowed, type(self).__name__)
        groups = [self._group_class(None, model=model, random_seed=random_seed, start=start, **kwargs)]
        for variable, params in (local_rv or {}).items():
            groups.append(Group([variable], params=params, local=True, model=model, random_seed=random_seed))
        super().__init__(groups, model, cost_part_grad_scale, scale_cost_to_minibatch)
        # Joining puts the group of 'the rest' last; the shortcuts speak of it as the first.
        self.groups.sort(key=lambda g: g.local)

    shared_params = _delegate("shared_params")
    user_params = _delegate("user_params")
    params_dict = _delegate("params_dict")
    bij = _delegate("bij")
    ordering = _delegate("ordering")
    group = _delegate("group")
    input = _delegate("input")
    symbolic_initial = _delegate("symbolic_initial")
    symbolic_logq_not_scaled = _delegate("symbolic_logq_not_scaled")
    options = _delegate("options")
    local = _delegate("local")
    batched = _delegate("batched")
    bdim = _delegate("bdim")
    mean = _delegate("mean")
    std = _delegate("std")
    cov = _delegate("cov")


class MeanField(SingleGroupApproximation):
    """Mean-field Gaussian approximation of the whole model.

    Parameters
    ----------
    local_rv, model, cost_part_grad_scale, scale_cost_to_minibatch, random_seed
        See ``SingleGroupApproximation``.
    start : dict or str, optional
        Initial means, by variable name; others start at the model's test point.  Or a name, see :func:`pymc3_vi.fit`.
    """

    _group_class = MeanFieldGroup

    rho = _delegate("rho")


class FullRank(SingleGroupApproximation):
    """Full-rank Gaussian approximation of the whole model; parameters as in :class:`MeanField`."""

    _group_class = FullRankGroup

    L = _delegate("L")
    L_chol = _delegate("L_chol")
    num_tril_entries = _delegate("num_tril_entries")
    tril_indices = _delegate("tril_indices")


class Empirical(SingleGroupApproximation):
    """Particles for the whole model.

    Parameters
    ----------
    trace : MultiTrace, InferenceData or dict of arrays, optional
        Particles to hold.
    size : int, optional
        Number of particles to create instead.
    jitter : float
        Their standard deviation around the start point.
    local_rv : None
        Not supported; raises LocalGroupError.
    model : pymc3.Model, optional
    start : dict or str, optional
        Start point of created particles: values by variable name, or ``'map'`` or ``'prior'``.
    """

    _group_class = EmpiricalGroup

    @checked
    def __init__(self, trace=None, size=None, jitter=1e-6, local_rv=None, model=None, **kwargs):
        if local_rv is not None:
            raise LocalGroupError("Empirical does not support local variables (local_rv); use MeanField or FullRank.")
        super().__init__(model=model, trace=trace, size=size, jitter=jitter, **kwargs)

    histogram = _delegate("histogram")
    randidx = property(lambda self: self.groups[0].randidx)

    @checked
    def evaluate_over_trace(self, node):
        """`node` at every particle, as a symbolic batch with a leading axis of length n."""
        node = self.view.nodes(node, "node", "evaluate_over_trace")
        return self.evaluate(node, [self.histogram], batched=True)


class NormalizingFlow(SingleGroupApproximation):
    """Normalizing-flow approximation of the whole model.

    Parameters
    ----------
    flow : str or Formula
        Flow formula, e.g. ``'planar*4'`` or ``'scale-hh*4-loc'``.
    local_rv, model
        See ``SingleGroupApproximation``.
    """

    _group_class = NormalizingFlowGroup

    @checked
    def __init__(self, flow=NormalizingFlowGroup.default_flow, local_rv=None, model=None, **kwargs):
        super().__init__(local_rv=local_rv, model=model, flow=flow, **kwargs)

    flow = _delegate("flow")


@checked
def sample_approx(approx, draws=1000, include_transformed=True, random_seed=None):
    """Draws from `approx` as a MultiTrace; see :meth:`Approximation.sample`."""
    return approx.sample(draws=draws, include_transformed=include_transformed, random_seed=random_seed)
