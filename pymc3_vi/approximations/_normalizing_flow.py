"""Normalizing-flow family."""

import numpy as np
import theano.tensor as tt

from ..compiler.ops import batch_matmul
from ..core import Group, register_family
from ..errors import ParametrizationError, ScalingWarning
from ..flows import (
    Formula,
    LocFlow,
    ScaleFlow,
    flow_for_params,
    seems_like_flow_params,
    seems_like_formula,
)
from ..graph import SeedStream, balance, check_param_names, create_shared, floatx, node_property
from ..validation import warn_user
from ._gaussian import softplus_inverse, standard_normal_logp

__all__ = ["NormalizingFlowGroup"]

#: Standard deviation with which the affine head starts: that of the mean-field family.
_START_RHO = 0.0
#: Draws behind `mean`, `std` and `cov`, and the most numbers that they may hold together.
MOMENT_DRAWS, MOMENT_NUMBERS = 10_000, 4_000_000
#: A flow without a scale is told of where a standard deviation is less, or more than one over it.
FEWEST_SDS = 0.1


@register_family
class NormalizingFlowGroup(Group):
    r"""A chain of flows :math:`z = f_K \circ \dots \circ f_1(\epsilon)` of standard normal noise.

    .. math:: \log q(z) = \log N(\epsilon) - \sum_k \log |\det J_k|

    Other Parameters
    ----------------
    flow : str or Formula
        Flow formula; default ``'planar'``.
    jitter : float
        Standard deviation of the initial flow parameters around the identity map.
    start : dict or str
        Initial location, by variable name, or ``'map'`` or ``'prior'``.

    Notes
    -----
    A formula with neither a location nor a scale step gets a trainable scale-loc head behind it, so that any
    formula is at least as rich as the mean-field family.

    Flows behind a scale or location step, such as ``hh`` in ``'scale-hh*4-loc'``, work in a frame
    :math:`z' = c + s \odot f((z - c) / s)` of fixed centre c and unit s, which default fits measure: otherwise a
    reflection would mix values in one unit with those in another.  c is 0 and s is 1 until then, and wherever
    parameters are given.

    Moments have no closed form: `mean`, `std` and `cov` are those of fixed draws whose base noise has the exact mean
    and covariance.

    References
    ----------
    Rezende, Mohamed: Variational Inference with Normalizing Flows, ICML 2015, eq. 7.
    """

    short_name = "normalizing_flow"
    alias_names = frozenset(["nf"])
    family_keywords = ("flow", "jitter", "start")
    default_flow = "planar"

    @classmethod
    def accepts_name(cls, name):
        """Flow formulas mean this family."""
        return seems_like_formula(name)

    @classmethod
    def accepts_params(cls, params):
        """{0: {...}, 1: {...}} with the parameters of flows."""
        return seems_like_flow_params(params)

    @classmethod
    def get_param_spec_for(cls, d, flow=default_flow, **kwargs):
        """Shapes of the flows' parameters: {position: {name: tuple}}."""
        return Formula(flow).get_param_spec_for(d=d)

    def _formula(self):
        flow = self._kwargs.get("flow")
        if flow is None and self._vfam not in (None, self.short_name, *self.alias_names):
            flow = self._vfam
        if self.user_params is not None:
            if flow is not None:
                raise ParametrizationError(
                    "NormalizingFlowGroup got both a flow formula and params; the params tell the flows, "
                    "drop the formula."
                )
            return Formula("-".join(flow_for_params(self.user_params[i]).short_name for i in self._positions()))
        return Formula(self.default_flow if flow is None else flow)

    def _positions(self):
        params = self.user_params
        if not seems_like_flow_params(params):
            known = {i: sorted(map(str, p)) if isinstance(p, dict) else p for i, p in params.items()}
            for i in range(len(params)):
                if i not in params:
                    raise ParametrizationError(
                        f"The 'params' of NormalizingFlowGroup must have the keys 0 to {len(params) - 1}. Got "
                        f"{list(params)}: {i} is missing."
                    )
                check_param_names(params[i], flow_for_params(params[i]).param_specs, f"flow {i}")
            raise ParametrizationError(
                f"The 'params' of NormalizingFlowGroup must be dicts of flow parameters. Got {known}."
            )
        return range(len(params))

    def _take_user_params(self, params):
        self._build(self._formula(), None)
        return params

    def _create_params(self, rng, flow=None, jitter=0.01, start=None):
        formula = self._formula()
        self._build(formula, rng, jitter)
        self._start(start)
        return self._flow_params()

    def _build(self, formula, rng, jitter=0.0):
        rows = None if self.local or not self.batched else self.bdim
        self.flow = formula(
            self.symbolic_initial,
            self.ddim,
            jitter,
            params=self.user_params,
            batch_size=rows,
            local=self.local,
            random_seed=rng if rng is not None else SeedStream(0),
        )
        self.head = None
        if self.user_params is None and not {LocFlow, ScaleFlow} & set(formula.flows):
            scale = ScaleFlow(self.flow, jitter=0.0, batch_size=rows, random_seed=rng)
            self.head = LocFlow(scale, jitter=0.0, batch_size=rows, random_seed=rng)
        self._make_frames(formula, (rows or 1, self.ddim) if self.batched else (self.ddim,))

    def _make_frames(self, formula, shape):
        """Frames for flows behind an affine step, at first those of z itself."""
        provided = frozenset()
        for step in self._whole.chain if self.user_params is None else ():
            if provided and not step.provides:
                step.frame = create_shared("centre", np.zeros(shape)), create_shared("unit", np.ones(shape))
            provided |= step.provides

    @property
    def constants(self):
        """Centres and units of the frames, first flow first."""
        return [shared for step in self._whole.chain if step.frame is not None for shared in step.frame]

    def _start(self, start):
        """Put the start point into the last location step, and mean field's scale into the head."""
        for step in reversed(list(self._whole.chain)):
            if isinstance(step, LocFlow):
                loc = step.shared_params["loc"]
                loc.set_value(loc.get_value() + self._start_vector(start).astype(loc.dtype))
                break
        if self.head is not None:
            rho = self.head.parent.shared_params["rho"]
            rho.set_value(rho.get_value() * 0 + np.asarray(_START_RHO, dtype=rho.dtype))

    def _last_of(self, kind):
        """Position of the last step of a kind; -1 without one."""
        return max((i for i, step in enumerate(self._whole.chain) if isinstance(step, kind)), default=-1)

    @property
    def log_params(self):
        """Unconstrained scales of all scale steps."""
        if self.user_params is not None:
            return []
        return [step.shared_params["rho"] for step in self._whole.chain if isinstance(step, ScaleFlow)]

    def param_units(self, std):
        """Locations behind the last scale move in standard deviations; what stands before it, or in a frame, by 1."""
        behind = list(self._whole.chain)[self._last_of(ScaleFlow) + 1 :]
        return {step.shared_params["loc"]: std for step in behind if isinstance(step, LocFlow)}

    def place(self, mean, std):
        """The last location and scale, and the frames behind them; all other steps are near the identity."""
        loc, scale = self._last_of(LocFlow), self._last_of(ScaleFlow)
        for i, step in enumerate(self._whole.chain):
            # What the last scale multiplies is counted in its units.
            unit = std if i > scale >= 0 else np.ones_like(std)
            centre = mean / std if i < scale else mean
            values = []
            if i == loc:
                values = [(step.shared_params["loc"], centre)]
            elif i == scale:
                values = [(step.shared_params["rho"], softplus_inverse(std))]
            elif step.frame is not None:
                values = zip(step.frame, (centre if i > loc >= 0 else np.zeros_like(mean), unit))
            for shared, value in values:
                shared.set_value(np.asarray(value, dtype=shared.dtype))
        if scale < 0:
            self._warn_without_scale(std)

    def _warn_without_scale(self, std):
        names, worst = ", ".join(v.name for v in self.group), int(np.argmax(np.abs(np.log(std))))
        if FEWEST_SDS < std.flat[worst] < 1 / FEWEST_SDS:
            return
        warn_user(
            f"The flow {self.flow.formula!r} of {names} has a location step and none of scale: its draws are about as "
            f"wide as the standard normal, in the units of the model, where values have sds down or up to "
            f"{std.flat[worst]:.2g}. Add a scale step ('scale-{self.flow.formula}'), or drop the location step: a "
            "formula without both gets both.",
            ScalingWarning,
        )

    @property
    def _whole(self):
        return self.flow if self.head is None else self.head

    def _flow_params(self):
        steps = {i: step.shared_params for i, step in enumerate(self.flow.chain)}
        if self.head is not None:
            steps["head"] = dict(self.head.parent.shared_params, **self.head.shared_params)
        return steps

    @property
    def creation_keywords(self):
        """The flow formula."""
        return {} if self.user_params is not None else {"flow": self.flow.formula}

    @property
    def params(self):
        """Trainable shared variables, first flow first."""
        return self._whole.all_params

    @node_property
    def bdim(self):
        """Number of rows b; symbolic for local groups, 1 when not batched."""
        if self.local:
            return tt.as_tensor_variable(next(iter(self.user_params[0].values()))).shape[0]
        return int(self.group[0].dshape[0]) if self.batched else 1

    @node_property
    def _moment_draws(self):
        """Fixed draws behind the moments, (s, d) or (s, b, d)."""
        if self.local:
            raise NotImplementedError(
                "A local NormalizingFlowGroup has no moments of its own; average draws from sample()."
            )
        size = int(np.clip(MOMENT_NUMBERS // self.ndim, 100, MOMENT_DRAWS)) // 2 * 2
        eps = self.noise_array(size, self.seeds.generator("moments:" + self._stream))
        balance(eps)
        return self.transform(tt.constant(eps))

    @node_property
    def mean(self):
        """Mean over 10,000 fixed draws, (d,) or (b, d); exact for chains of loc, scale and hh."""
        return self._moment_draws.mean(0)

    @node_property
    def std(self):
        """Standard deviation over the same draws."""
        return self._moment_draws.std(0)

    @node_property
    def cov(self):
        """Covariance over the same draws, (d, d) or (b, d, d)."""
        centered = self._moment_draws - self.mean
        if self.batched:
            return batch_matmul(centered.dimshuffle(1, 2, 0), centered.dimshuffle(1, 0, 2)) / floatx(centered.shape[0])
        return tt.dot(centered.T, centered) / floatx(centered.shape[0])

    def transform(self, eps):
        """The whole chain at base noise `eps`."""
        return self._whole.evaluate(eps)[0]

    def log_density(self, eps):
        """log q at the draws made of `eps`."""
        log_det = self._whole.evaluate(eps)[1]
        return standard_normal_logp(self, eps) - (log_det.sum(axis=-1) if self.batched else log_det)

    def score(self, eps):
        """Gradient of log q with respect to z, carried through the chain."""
        return self._whole.score(eps)
