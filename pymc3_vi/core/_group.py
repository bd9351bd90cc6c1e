"""A group: one variational family bound to some of a model's variables."""

import numpy as np
import theano
import theano.tensor as tt

from ..compiler import flags
from ..errors import (
    BatchedGroupError,
    GroupError,
    LocalGroupError,
    ParameterTypeError,
    ParametrizationError,
    StartError,
)
from ..graph import (
    FlatBijection,
    Memoised,
    SeedStream,
    check_param_names,
    collect_shared,
    create_param,
    floatx,
    node_property,
    param_shapes,
    substitute,
)
from ..model import ModelView, scaling_of, transformed
from ..parameters import checked
from ..validation import reject_unknown_keywords
from ._families import family_for_name, family_for_params
from ._placeholders import PlaceholderAPI
from ._shown_group import ShownGroup
from ._starts import named_start

__all__ = ["Group"]


class Group(PlaceholderAPI, ShownGroup, Memoised):
    r"""One variational family q(z; params) over some variables of a model.

    ``Group(...)`` itself is a factory: the family is chosen by `vfam` or by the keys of `params`.

    Parameters
    ----------
    group : list of variables (or names), or None
        None stands for 'all the rest' and is completed by the :class:`Approximation` that joins the groups.
    vfam : str
        ``'mean_field'``/``'mf'``, ``'full_rank'``/``'fr'``, ``'empirical'`` or a flow formula such as
        ``'scale-hh*4-loc'``.
    params : dict
        The family's parameters as arrays, shared variables or expressions; its keys choose the family:
        ``{'mu', 'rho'}``, ``{'mu', 'L_tril'}``, ``{'histogram'}``, or ``{0: {...}, 1: {...}}`` for flows.
        Shared variables given here are trained; expressions need ``more_obj_params``.
    random_seed : int, optional
        Seed of everything random in this group: initialisation, noise of the fit, draws.
    model : pymc3.Model, optional
    local : bool
        Amortised group: parameters depend on the data, first axis of the only variable is the batch.
        Kingma & Welling, Auto-Encoding Variational Bayes, 2014.
    rowwise : bool
        Independent parameters for each row of the only variable.
    options : dict, optional
        Free for use by custom families.
    **kwargs
        Keywords of the family, e.g. ``start``, ``size``, ``trace``, ``jitter`` (empirical), ``flow``.  Groups of one
        approximation that begin at ``start='prior'`` are parts of one draw when they have the same `random_seed`.

    Notes
    -----
    A family defines, for base noise ``eps`` of shape ``(..., d)`` (``(..., b, d)`` when batched):

    - `param_specs`: its parameters as data,
    - `transform(eps)`: the draw z, same shape,
    - `log_density(eps)`: log q(z(eps)) of shape ``(...)``, computed from the noise, never by solving for it,
    - `score(eps)`: gradient of log q(z) with respect to z (for path-derivative gradients),
    - `mean`, `std`, `cov`,
    - flags `has_logq`, `supports_batched`.

    Raises
    ------
    GroupError, BatchedGroupError, LocalGroupError, ParametrizationError
        See the messages: they name the variable and say what to do.
    """

    param_specs = ()
    short_name = ""
    alias_names = frozenset()
    #: Keywords that the family takes beside those of Group.
    family_keywords = ()
    supports_batched = True
    has_logq = True
    #: Whether the group is a set of particles, with a `histogram` (n, d).
    is_histogram = False
    #: Start values of the group's variables by name, where the group created its own parameters.
    start_point = {}
    #: Whether the family can begin with the scale of a curvature, and the one that `start` gave.
    takes_curvature = False
    start_curvature = None
    #: Distribution of the base noise, and the noise that a 'deterministic' draw uses.
    initial_dist_name = "normal"
    initial_dist_map = 0.0

    def __new__(cls, group=None, vfam=None, params=None, *args, **kwargs):
        if cls is not Group:
            return super().__new__(cls)
        if (vfam is None) == (params is None):
            raise ParameterTypeError(
                "Group needs exactly one of 'vfam' and 'params'; got " + ("none." if vfam is None else "both.")
            )
        family = family_for_name(vfam) if vfam is not None else family_for_params(params)
        return super().__new__(family)

    @checked
    def __init__(
        self,
        group=None,
        vfam=None,
        params=None,
        random_seed=None,
        model=None,
        local=False,
        rowwise=False,
        options=None,
        **kwargs,
    ):
        name = type(self).__name__
        reject_unknown_keywords(kwargs, self.family_keywords, name)
        if local and rowwise:
            raise LocalGroupError(
                f"{name} got local=True and rowwise=True; a local group is rowwise already. Drop one."
            )
        if local and not self.supports_batched:
            raise LocalGroupError(f"{name} does not support local=True; use a mean-field, full-rank or flow group.")
        if rowwise and not self.supports_batched:
            raise BatchedGroupError(f"{name} does not support rowwise=True; use a mean-field, full-rank or flow group.")
        if local and params is None:
            raise LocalGroupError(
                f"{name} got local=True without 'params'. Pass the encoder's outputs as params={{...}}."
            )
        self.view = ModelView(model)
        self.options = {} if options is None else dict(options)
        self.user_params = params
        self.shared_params = None
        self.group = None
        self._vfam = vfam.lower() if isinstance(vfam, str) else vfam
        self._local, self._rowwise = bool(local), bool(rowwise)
        self._user_params = None
        self.seeds = SeedStream(random_seed)
        self._symbolic_stream = None
        self._kwargs = dict(kwargs)
        if group is not None:
            self.bind(group)

    # ---------------------------------------------------------------- binding to variables
    def bind(self, group):
        """Give an unbound ('all the rest') group its variables; called by the Approximation."""
        if isinstance(group, (str, tt.TensorVariable)):
            group = [group]
        try:
            variables = [self.view.resolve(v) for v in group]
        except GroupError as error:
            raise GroupError(f"The 'group' parameter of {type(self).__name__} is wrong: {error}") from None
        if not variables:
            raise GroupError(
                f"The 'group' parameter of {type(self).__name__} must not be empty. Pass None to mean 'all the rest'."
            )
        names = [v.name for v in variables]
        doubled = sorted({n for n in names if names.count(n) > 1})
        if doubled:
            raise GroupError(f"Found duplicates inside one group: {', '.join(doubled)}. Name each variable once.")
        self.view.check_continuous(variables)
        with flags(compute_test_value="off"):
            self.__init_group__(variables)

    def __init_group__(self, group):
        """Lay out the variables, then take or create the parameters. Custom families may extend it."""
        self._check_rows(group)
        self.group = list(group)
        rows = "local" if self.local else "rowwise" if self._rowwise else None
        self.ordering = self.view.layout(self.group, rows)
        self.bij = FlatBijection(self.ordering)
        # Named after the variables: two groups with the same seed still get independent numbers.
        self._stream = "+".join(v.name for v in self.group)
        self._make_placeholders()
        if self.user_params is not None:
            self._user_params = self._take_user_params(self.user_params)
        else:
            self.shared_params = self._create_params(self.seeds.generator("init:" + self._stream), **self._kwargs)
        self._finalize_init()

    @checked
    def reseed(self, random_seed):
        """Use `random_seed` for all randomness from now on; parameters stay as they are."""
        self.seeds = SeedStream(random_seed)
        self._symbolic_stream = None

    def _check_rows(self, group):
        if not self.batched:
            return
        error, what = (LocalGroupError, "Local") if self.local else (BatchedGroupError, "Rowwise")
        names = ", ".join(v.name for v in group)
        if len(group) > 1:
            raise error(f"{what} groups hold exactly one variable. Got {len(group)} ({names}): make one group of each.")
        if group[0].ndim < 1:
            raise error(f"{what} groups need a variable with a row axis, but {names} is a scalar. Give it a shape.")

    def _take_user_params(self, params):
        check_param_names(params, self.param_specs, type(self).__name__)
        shapes = param_shapes(self.param_specs, self.ddim)
        leading = (-1,) if self.local else (self.bdim,) if self.batched else ()
        return {k: create_param(k, v, shapes[k], type(self).__name__, leading) for k, v in params.items()}

    def _create_params(self, rng, **kwargs):
        """Dict of shared parameters; families override it."""
        return None

    def _finalize_init(self):
        self.__dict__.pop("_kwargs", None)

    def _start_vector(self, start):
        """Start point of this group's variables as (d,), or (b, d) for rowwise groups.

        `start` may be a name in `STARTS`; one that gives a scale too leaves the group's part in `start_curvature`.
        """
        if isinstance(start, str):
            start, curvature = named_start(start, self.view, self.seeds)
            if curvature is not None:
                self._take_curvature(curvature)
        point = self.view.start(start)
        self.start_point = {v.name: point[v.name] for v in self.group}
        flat = self.view.layout(self.group).flatten(point)
        return flat.reshape(self.bdim, self.ddim) if self.batched else flat

    def _take_curvature(self, curvature):
        if not self.takes_curvature or self.batched:
            raise StartError(
                f"start='laplace' needs mean-field or full-rank groups without rows. Got a {type(self).__name__} of "
                f"{', '.join(v.name for v in self.group)}. Pass start='map' instead."
            )
        places = self.view.layout().unflatten(np.arange(self.view.layout().size, dtype="float64"))
        self.start_curvature = curvature.part(
            np.concatenate([np.ravel(places[v.name]) for v in self.group]).astype(int)
        )

    # ---------------------------------------------------------------- what it is
    local = property(lambda self: self._local, doc="Whether the group is amortised.")
    batched = property(lambda self: self._local or self._rowwise, doc="Whether parameters have a row axis.")
    model = property(lambda self: self.view.model, doc="The PyMC3 model.")

    @property
    def _rng(self):
        """Theano random stream of graphs that must stay symbolic."""
        if self._symbolic_stream is None:
            self._symbolic_stream = self.seeds.symbolic("symbolic:" + self._stream)
        return self._symbolic_stream

    def __getstate__(self):
        # Theano's stream holds a module, which does not pickle; the seed makes a new one.
        return dict(super().__getstate__(), _symbolic_stream=None)

    @property
    def params_dict(self):
        """The parameters as used in graphs: name -> tensor."""
        return self._user_params if self._user_params is not None else self.shared_params

    @property
    def params(self):
        """Trainable shared variables of the group."""
        return collect_shared(self.user_params if self.user_params is not None else self.shared_params)

    @property
    def param_rates(self):
        """Parameters that must move more slowly than others in the default rule, and the factors of their rates."""
        return {}

    #: Shared variables of q that fits set once and do not train.
    constants = ()

    #: Parameters that are softplus-inverses of scales; default rules move them by the logarithm of the scale.
    log_params = ()

    def param_units(self, std):
        """Units of parameters for default rules, where standard deviations (d,) are about `std`."""
        return {}

    def place(self, mean, std):
        """Let q begin near the Gaussian of these moments (d,), as far as the family can."""

    def _require_bound(self, what):
        if self.group is None:
            raise GroupError(
                f"{type(self).__name__} has no {what} yet: it stands for all the rest of the variables. "
                "Join it with the other groups in an Approximation first."
            )

    @property
    def ddim(self):
        """Dimension d of one draw (of one row, when batched)."""
        self._require_bound("dimension")
        return self.ordering.size

    @node_property
    def bdim(self):
        """Number of rows b; symbolic for local groups, 1 when not batched."""
        self._require_bound("row count")
        if self.local:
            return next(iter(self.params_dict.values())).shape[0]
        return int(self.group[0].dshape[0]) if self.batched else 1

    @property
    def ndim(self):
        """Total number of latent values, b * d."""
        return self.ddim * self.bdim

    @classmethod
    def accepts_name(cls, name):
        """Whether `name`, which is in no registry, means this family (flow formulas do this)."""
        return False

    @classmethod
    def accepts_params(cls, params):
        """Whether a dict with these keys parametrises this family."""
        return bool(cls.param_specs) and set(params) == {spec.name for spec in cls.param_specs}

    @property
    def creation_keywords(self):
        """JSON-able keywords of the family with which a group of the same parameter shapes is made again."""
        return {}

    @classmethod
    def get_param_spec_for(cls, d, **kwargs):
        """Shapes of the parameters for dimension `d`: dict name -> tuple."""
        return dict(param_shapes(cls.param_specs, d))

    group_for_params = staticmethod(family_for_params)
    group_for_short_name = staticmethod(family_for_name)

    # ---------------------------------------------------------------- the family's maths
    def transform(self, eps):
        """Draw z (..., d) from base noise `eps` of the same shape."""
        raise NotImplementedError

    def log_density(self, eps):
        """log q(z(eps)), shape of the leading axes of `eps`."""
        raise NotImplementedError

    def score(self, eps):
        """Gradient of log q(z) with respect to z at z(eps), shape of `eps`."""
        raise ParametrizationError(
            f"{type(self).__name__} has no path-derivative gradient; use cost_part_grad_scale=1."
        )

    @property
    def core_ndim(self):
        """Number of axes of one draw: 1, or 2 when batched."""
        return 2 if self.batched else 1

    def core_sum(self, x):
        """Sum over the axes of one draw."""
        return tt.sum(x, axis=tuple(range(x.ndim - self.core_ndim, x.ndim)))

    def draw_noise(self, noise, n_mc=None, more_replacements=None):
        """Base noise for a compiled loop: (d,) or (n_mc, d), with a row axis when batched.

        Parameters
        ----------
        noise : StepNoise
        n_mc : int or None
            None gives a single draw without a leading axis.
        more_replacements : dict, optional
            Replacements for the row count of an amortised group.
        """
        lead = () if n_mc is None else (n_mc,)
        if self.local:  # the number of rows is only known when the graph runs
            # Replaced here and not in the finished graph: the random stream's own update refers to this shape.
            rows = substitute(tt.as_tensor_variable(self.bdim), more_replacements)
            shape = [tt.as_tensor_variable(np.int64(n)) for n in lead] + [rows, np.int64(self.ddim)]
            return tt.cast(self._rng.normal(0.0, 1.0, size=tt.stack(shape)), theano.config.floatX)
        core = (self.bdim, self.ddim) if self.batched else (self.ddim,)
        return noise.add(lead + core, self.seeds.generator("noise:" + self._stream), self.initial_dist_name, n_mc or 1)

    def noise_array(self, size, generator):
        """Base noise of `size` draws as an array, (size, d) or (size, b, d)."""
        rows = ()
        if self.batched:
            rows = (int(self.bdim.eval()) if self.local else self.bdim,)
        shape = (int(size),) + rows + (self.ddim,)
        return floatx(generator.standard_normal(shape))

    def split(self, z):
        """Dict variable -> tensor for a draw `z` with core shape (d,) or (b, d) and any one leading axis."""
        if not self.batched:
            pieces = self.ordering.slices(z)
            return {v: pieces[v.name] for v in self.group}
        entry, var = self.ordering.vmap[0], self.group[0]
        lead = [z.shape[i] for i in range(z.ndim - 1)]
        value = tt.reshape(z, lead + list(entry.shp[1:]), ndim=len(lead) + len(entry.shp) - 1)
        pattern = (False,) * (z.ndim - 2) + tuple(var.broadcastable)
        if self.local:
            pattern = (False,) * (z.ndim - 2) + (False,) + tuple(var.broadcastable)[1:]
        value = tt.cast(value, entry.dtyp)
        return {var: tt.patternbroadcast(value, pattern) if value.broadcastable != pattern else value}

    def logq_scaling(self, values):
        """Factor of this group's log q: the ``total_size`` scaling of a local variable, else 1."""
        if not self.local:
            return None
        return substitute(scaling_of(self.group[0]), values)

    def variable_scalings(self):
        """``total_size`` scalings of the group's variables, symbolic in the variables."""
        return [scaling_of(v) for v in self.group if getattr(v, "total_size", None) is not None]

    def __contains__(self, variable):
        return self.group is not None and transformed(variable) in self.group
