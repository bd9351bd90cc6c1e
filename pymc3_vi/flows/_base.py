"""What all flows share: parameters, places in a chain, PyMC3's symbolic attributes."""

import numpy as np
import theano
import theano.tensor as tt

from ..compiler import without_test_values
from ..errors import BatchedGroupError, LocalGroupError, ParametrizationError
from ..graph import SeedStream, collect_shared, create_param, create_shared, param_shapes
from ..parameters import checked
from ..validation import did_you_mean, require
from ._chain import FlowChain, LastResult
from ._registry import flow_for_params, flow_for_short_name, register_flow

__all__ = ["AbstractFlow", "inner", "column", "over_draws", "zero_log_det", "as_generator", "SOFTPLUS_ONE"]

#: The number whose softplus is one.
SOFTPLUS_ONE = float(np.log(np.expm1(1.0)))


def inner(x, y):
    """Inner product over the last axis, (...)."""
    return tt.sum(x * y, axis=-1)


def column(x):
    """`x` with a last axis of length one, to multiply vectors with."""
    return tt.shape_padright(x)


def over_draws(value, z):
    """`value`, one number for all draws (or one for each row), repeated over the leading axes of `z` (..., d)."""
    lead = [z.shape[i] for i in range(z.ndim - 1)]
    return tt.alloc(value, *lead) if lead else tt.as_tensor_variable(value)


def zero_log_det(z):
    """Log determinant (...) of a step that keeps volumes, for `z` (..., d)."""
    return over_draws(np.zeros((), dtype=z.dtype), z)


def _parameter(name):
    return property(lambda self: self.shared_params[name], doc=f"Parameter {name!r} of the flow.")


def as_generator(random_seed):
    """NumPy Generator from a Generator, a SeedStream, a seed, or None (NumPy's global generator then gives one)."""
    if random_seed is None or isinstance(random_seed, SeedStream):
        return SeedStream(random_seed).generator("flow")
    return np.random.default_rng(random_seed)


class AbstractFlow:
    r"""One invertible step :math:`z' = f(z)` of a normalizing flow, with its parameters.

    Parameters
    ----------
    z0 : AbstractFlow, tensor or None
        The step before this one, or the tensor that the chain begins with: (s, d), or (s, b, d) when batched.  None
        makes a placeholder.
    dim : int
        Number of dimensions d; not needed after another flow.
    jitter : float
        Scale of the random part of the initial parameters: 0 starts at the identity (Householder flows, which are
        never near it, start at a random reflection, which leaves the standard normal as it is).
    params : dict
        Values of some or all parameters, by name; keywords with the same names do the same.  Shared variables stay
        trainable.
    batch_size : int
        Number of rows b with parameters of their own; -1 means that it is known when the graph runs.
    local : bool
        Parameters are functions of data, and all of them must be given.
    random_seed : numpy.random.Generator, SeedStream, int or None
        Where the initial values come from; None takes a seed from NumPy's global generator.

    Notes
    -----
    A new flow is a subclass under ``@register_flow`` with

    - ``short_name``, its name in formulas;
    - ``param_specs``, a tuple of :class:`~pymc3_vi.graph.ParamSpec`, with names that no other flow has together;
    - :meth:`transform_and_log_det` and :meth:`solve_jacobian_transpose`, written for z of shape (..., d) and
      parameters with or without a leading row axis: NumPy's broadcasting then does the rest;
    - :meth:`initial_values`, unless ``jitter`` times standard normal numbers is near the identity.

    Raises
    ------
    ParametrizationError
        If `dim` is missing or not that of the step before, or a parameter is unknown or does not fit.
    LocalGroupError, BatchedGroupError
        If a parameter must be created but its number of rows is not known.
    """

    param_specs = ()
    short_name = ""
    #: What it adds to any chain that holds it: 'location', 'scale'.
    provides = frozenset()
    #: Shared variables (centre, unit), (d,) each, in whose coordinates the flow is applied; None for those of z.
    frame = None

    register = staticmethod(register_flow)
    flow_for_params = staticmethod(flow_for_params)
    flow_for_short_name = staticmethod(flow_for_short_name)

    def __init_subclass__(cls, **kwargs):
        """Let every parameter be read by its name, as in ``flow.loc``."""
        super().__init_subclass__(**kwargs)
        for spec in cls.__dict__.get("param_specs", ()):
            if not hasattr(cls, spec.name):
                setattr(cls, spec.name, _parameter(spec.name))

    @checked
    @without_test_values
    def __init__(
        self, z0=None, dim=None, jitter=0.001, params=None, batch_size=None, local=False, random_seed=None, **values
    ):
        name = type(self).__name__
        self.parent = z0 if isinstance(z0, AbstractFlow) else None
        if self.parent is not None:
            batch_size = self.parent.batch_size if batch_size is None else batch_size
            local = local or self.parent.local
        self.dim = self._check_dim(dim)
        require(batch_size != 0, ValueError, "batch_size", name, "positive, or -1", batch_size)
        self.batch_size, self.local = batch_size, bool(local)
        self._z0 = None if self.parent is not None else self._as_start(z0)
        self._last = LastResult()
        given = dict(params or {}, **values)
        self.user_params = {key: value for key, value in given.items() if value is not None}
        self.shared_params = self._make_params(random_seed, jitter)
        #: Everything from the first step to this one, as one function of the noise.
        self.chain = FlowChain((self.parent.chain.flows if self.parent is not None else []) + [self])

    def _check_dim(self, dim):
        known = None if self.parent is None else self.parent.dim
        if dim is None and known is None:
            raise ParametrizationError(
                f"{type(self).__name__} cannot infer its dimension. Pass 'dim', or another flow as 'z0'."
            )
        dim = known if dim is None else dim
        if known is not None and dim != known:
            raise ParametrizationError(
                f"The 'dim' parameter of {type(self).__name__} must be {known}, that of the flow before it. "
                f"Got {dim} instead."
            )
        return dim

    def _as_start(self, z0):
        if z0 is not None:
            return tt.as_tensor_variable(z0)
        rows = self.batch_size is not None or self.local
        make = tt.tensor3 if rows else tt.matrix
        return make("z0", dtype=theano.config.floatX)

    def _make_params(self, random_seed, jitter):
        """Dict name -> tensor: what the user gave, and shared variables for the rest."""
        name = type(self).__name__
        shapes = param_shapes(self.param_specs, self.dim)
        unknown = [key for key in self.user_params if key not in shapes]
        if unknown:
            raise ParametrizationError(
                f"{name} has no parameter {unknown[0]!r}, as it stands in 'params'.{did_you_mean(unknown[0], shapes)} "
                f"It takes: {', '.join(shapes)}."
            )
        missing = [key for key in shapes if key not in self.user_params]
        if missing and self.local:
            raise LocalGroupError(f"{name} got local=True without its parameters {missing}. Pass them as expressions.")
        rows = self.batch_size if self.batch_size != -1 else None
        if missing and self.batched and rows is None:
            raise BatchedGroupError(f"{name} cannot create {missing} for an unknown number of rows. Pass 'batch_size'.")
        initial = self._initial_rows(rows, as_generator(random_seed), jitter) if missing else {}
        leading = () if not self.batched else (-1,) if rows is None or self.local else (rows,)
        return {
            key: create_shared(key, initial[key])
            if key in missing
            else create_param(key, self.user_params[key], shape, name, leading)
            for key, shape in shapes.items()
        }

    def _initial_rows(self, rows, rng, jitter):
        if not self.batched:
            return self.initial_values(self.dim, rng, jitter)
        values = [self.initial_values(self.dim, rng, jitter) for _ in range(rows)]
        return {spec.name: np.stack([row[spec.name] for row in values]) for spec in self.param_specs}

    # ---------------------------------------------------------------- the maths of one flow
    @classmethod
    def initial_values(cls, d, rng, jitter):
        """Values near the identity, for one row: dict name -> array.

        Parameters
        ----------
        d : int
        rng : numpy.random.Generator
        jitter : float
        """
        return {name: jitter * rng.standard_normal(shape) for name, shape in param_shapes(cls.param_specs, d).items()}

    def transform_and_log_det(self, z, params=None):
        r"""The step and its volume change.

        Parameters
        ----------
        z : tensor (..., d)
            (d,), (s, d), (b, d) or (s, b, d).
        params : dict, optional
            Name -> tensor, by default the flow's own; with a leading row axis b when batched.

        Returns
        -------
        z_next : tensor (..., d)
        log_det : tensor (...)
            :math:`\log |\det \partial f(z) / \partial z|`.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement transform_and_log_det(z, params).")

    def solve_jacobian_transpose(self, z, params, g):
        r"""Solution x of :math:`J_f(z)^\top x = g`.

        Parameters
        ----------
        z, g : tensor (..., d)
        params : dict or None
            As in :meth:`transform_and_log_det`.

        Returns
        -------
        tensor (..., d)
        """
        raise NotImplementedError(f"{type(self).__name__} must implement solve_jacobian_transpose(z, params, g).")

    def in_frame(self, z):
        """:meth:`transform_and_log_det` with the flow's own parameters, in the coordinates of its frame."""
        if self.frame is None:
            return self.transform_and_log_det(z)
        centre, unit = self.frame
        z_next, log_det = self.transform_and_log_det((z - centre) / unit)
        return centre + unit * z_next, log_det

    def solve_in_frame(self, z, g):
        """:meth:`solve_jacobian_transpose` for :meth:`in_frame`."""
        if self.frame is None:
            return self.solve_jacobian_transpose(z, self.shared_params, g)
        centre, unit = self.frame
        return self.solve_jacobian_transpose((z - centre) / unit, self.shared_params, unit * g) / unit

    def _values(self, params):
        """The parameters in the order of the specs."""
        params = self.shared_params if params is None else params
        return [tt.as_tensor_variable(params[spec.name]) for spec in self.param_specs]

    # ---------------------------------------------------------------- place in the chain
    @property
    def isroot(self):
        """Whether this is the first step."""
        return self.parent is None

    @property
    def root(self):
        """The first step of the chain."""
        return self.chain.flows[0]

    @property
    def formula(self):
        """Names of the steps up to this one, joined by ``'-'``."""
        return self.chain.formula

    @property
    def batched(self):
        """Whether parameters have a row axis."""
        if self.parent is not None:
            return self.parent.batched
        return self.batch_size is not None or self.local or self._z0.ndim == 3

    @property
    def params(self):
        """Trainable shared variables of this step, in the order of their names."""
        return collect_shared({**self.shared_params, **self.user_params})

    @property
    def all_params(self):
        """Trainable shared variables of all steps up to this one, first step first."""
        return self.chain.trainable

    @classmethod
    def get_param_spec_for(cls, d):
        """Shapes of the parameters for dimension `d`: dict name -> tuple."""
        return dict(param_shapes(cls.param_specs, d))

    def evaluate(self, eps):
        """Draw (..., d) after this step, and log determinant (...) of all steps up to it, for noise `eps` (..., d)."""
        return self.chain.transform_and_log_det(eps)

    def score(self, eps):
        """Gradient (..., d) of log q at the draw after this step; see ``FlowChain.score``."""
        return self.chain.score(eps)

    # ---------------------------------------------------------------- PyMC3's symbolic attributes
    @property
    def z0(self):
        """What this step is applied to: (s, d), or (s, b, d) when batched."""
        return self._z0 if self.parent is None else self.parent.forward

    def _evaluate(self):
        tensors = [tensor for flow in self.chain.flows for tensor in flow.shared_params.values()]
        return self._last.get([self.root.z0] + tensors, lambda: self.in_frame(self.z0))

    @property
    def forward(self):
        """Draws after this step, shape of `z0`."""
        return self._evaluate()[0]

    @property
    @without_test_values
    def logdet(self):
        """Log determinant of this step for each draw, (s,); rows are summed when batched."""
        log_det = self._evaluate()[1]
        return tt.sum(log_det, axis=-1) if self.batched else log_det

    @property
    @without_test_values
    def sum_logdets(self):
        """Log determinant of all steps up to this one for each draw, (s,)."""
        log_dets = [flow.logdet for flow in self.chain.flows]
        return sum(log_dets[1:], log_dets[0])

    def forward_pass(self, z0):
        """Draws after this step when the chain begins with `z0`, an array or tensor (..., d)."""
        return self.chain.transform(z0)

    __call__ = forward_pass

    def __repr__(self):
        return f"Flow{{{self.short_name}}}"

    def __str__(self):
        return self.short_name
