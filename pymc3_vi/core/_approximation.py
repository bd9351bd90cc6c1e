"""Approximation: joins groups into q(z), puts z into the model, answers users."""

import itertools
from collections import OrderedDict

import numpy as np
import theano
import theano.tensor as tt

from ..compiler import compile_function, without_test_values
from ..compiler.vectorize import vectorize_graph, vectorize_in_slices
from ..errors import GroupError, ParameterValueError, VariationalInferenceError
from ..graph import FlatBijection, Memoised, cache_of, floatx, node_property, substitute
from ..html_tables import html_table
from ..model import ModelView, transformed, warn_of_data
from ..parameters import checked
from ..validation import check_positive_int
from ._joint import JointPlaceholders
from ._memory import draws_at_once
from ._recommended import Recommendation
from ._sampling import Sampling
from ._terms import Terms

__all__ = ["Approximation"]


class Approximation(Sampling, Recommendation, JointPlaceholders, Memoised):
    """Joint approximation q(z) of a model's posterior, made of groups.

    Parameters
    ----------
    groups : list of Group
        Together they hold every free variable once.  At most one may be ``Group(None, ...)``, 'all the rest'.
    model : pymc3.Model, optional
    cost_part_grad_scale : float, shared scalar or callable
        Weight of the score term in the gradient of log q: 1 is the full gradient, 0 the path derivative ('sticking
        the landing', Roeder, Wu, Duvenaud 2017).  A callable is a schedule ``step -> float``.
    scale_cost_to_minibatch : bool
        Divide losses by the largest ``total_size`` scaling.

    Attributes
    ----------
    hist : ndarray
        Loss (negative ELBO) of every step of every fit so far.
    report : FitReport or None
        What was run and why it stopped; None before the first fit.
    starts : list of TriedStart
        What ``fit(starts=k)`` tried, best first; else empty.

    Raises
    ------
    GroupError
        If variables are missing, in two groups, or two groups stand for the rest.
    """

    @checked
    def __init__(self, groups, model=None, cost_part_grad_scale=1, scale_cost_to_minibatch=False):
        self.view = ModelView(model)
        self.groups = self._join(list(groups))
        self._scale_cost_to_minibatch = theano.shared(np.int8(bool(scale_cost_to_minibatch)), "scale_cost_to_minibatch")
        self.cost_part_grad_scale = cost_part_grad_scale
        self.hist = np.empty(0)
        self.report = None
        self.starts = []
        self._sample_generator = None

    def _join(self, groups):
        joined, seen, rest = [], [], None
        for group in groups:
            if group.group is None:
                if rest is not None:
                    raise GroupError("More than one group is specified for the rest of the variables; keep one.")
                rest = group
                continue
            both = [v.name for v in group.group if v in seen]
            if both:
                raise GroupError(f"Found duplicates in groups: {', '.join(both)}. Put each variable into one group.")
            seen.extend(group.group)
            joined.append(group)
        missing = [v for v in self.view.free if v not in seen]
        if missing and rest is None:
            names = ", ".join(v.name for v in missing)
            raise GroupError(
                f"No approximation is specified for the variables {names}. "
                "Add them to a group, or add Group(None, vfam='mean_field') for all the rest."
            )
        if rest is not None and missing:  # with nothing left over, 'the rest' is empty and falls away
            rest.bind(missing)
            joined.append(rest)
        return joined

    # ---------------------------------------------------------------- what it is
    model = property(lambda self: self.view.model, doc="The PyMC3 model.")

    @checked
    def collect(self, item, part="total"):
        """Attribute `item` of every group in `part` (``'total'``, ``'local'``, ``'global'`` or ``'batched'``)."""
        parts = {
            "total": lambda g: True,
            "local": lambda g: g.local,
            "global": lambda g: not g.local,
            "batched": lambda g: g.batched,
        }
        unknown = [g for g in self.groups if not hasattr(g, item)]
        if unknown:
            raise ParameterValueError(
                f"The 'item' parameter of collect must be an attribute of every group. Got {item!r} instead, which "
                f"{type(unknown[0]).__name__} does not have."
            )
        return [getattr(g, item) for g in self.groups if parts[part](g)]

    @property
    def params(self):
        """Trainable shared variables of all groups."""
        return list(itertools.chain.from_iterable(self.collect("params")))

    has_logq = property(lambda self: all(self.collect("has_logq")), doc="Whether log q is defined.")
    has_local = property(lambda self: any(self.collect("local")), doc="Whether any group is amortised.")
    has_global = property(lambda self: any(not x for x in self.collect("local")), doc="Whether any group is global.")
    has_batched = property(lambda self: any(self.collect("batched")), doc="Whether any group has a row axis.")
    ndim = property(lambda self: sum(self.collect("ndim")), doc="Number of latent values.")
    ddim = property(lambda self: sum(self.collect("ddim")), doc="Sum of the groups' dimensions.")

    @property
    def all_histograms(self):
        """Whether every group is a set of particles."""
        return all(g.is_histogram for g in self.groups)

    @property
    def any_histograms(self):
        """Whether some group is a set of particles."""
        return any(g.is_histogram for g in self.groups)

    @node_property
    def joint_histogram(self):
        """Particles of all groups side by side, (n, d)."""
        if not self.all_histograms:
            raise VariationalInferenceError(
                f"{self.title} does not consist of empirical groups only; it has no histogram."
            )
        return tt.concatenate(self.collect("histogram"), axis=-1) if len(self.groups) > 1 else self.groups[0].histogram

    def _get_scale_cost(self):
        return bool(self._scale_cost_to_minibatch.get_value())

    def _set_scale_cost(self, on):
        self._scale_cost_to_minibatch.set_value(np.int8(1 if on else 0))

    scale_cost_to_minibatch = property(
        _get_scale_cost, _set_scale_cost, doc="Whether losses are divided by the largest ``total_size`` scaling."
    )

    @checked
    def group_of(self, variable):
        """The group that holds `variable` (a random variable or its name)."""
        variable = self.view.resolve(variable)
        return next(g for g in self.groups if variable in g.group)

    def look_at(self, view):
        """Approximate the density of `view`, of the same model, from now on; graphs of the one before are dropped."""
        self.view = view
        cache_of(self).clear()

    def check_start(self):
        """Raise StartError, before anything is compiled, unless the model is finite where the groups start."""
        point = {}
        for group in self.groups:
            point.update(group.start_point)
        self.view.check_start(point)

    @checked
    def reseed(self, random_seed):
        """Use `random_seed` for the noise of coming fits and for draws."""
        for group in self.groups:
            group.reseed(random_seed)
        self._sample_generator = None

    # ---------------------------------------------------------------- moments
    @property
    def mean(self):
        """Mean of q, flat on the unconstrained scale, group after group."""
        return self._side_by_side("mean")

    @property
    def std(self):
        """Standard deviation of q, flat on the unconstrained scale."""
        return self._side_by_side("std")

    @property
    @without_test_values
    def cov(self):
        """Covariance (d, d) of q; groups, and rows of a group, are independent of each other."""
        if len(self.groups) == 1:
            return self.groups[0].cov
        cov, begin = tt.zeros((self.ndim, self.ndim)), 0
        for group in self.groups:
            end = begin + group.ndim
            cov = tt.set_subtensor(cov[begin:end, begin:end], self._block(group))
            begin = end
        return cov

    @staticmethod
    def _block(group):
        """Covariance (b * d, b * d) of all values of a group."""
        if not group.batched:
            return group.cov
        rows = tt.eye(group.bdim).dimshuffle(0, "x", 1, "x")  # (b, 1, b, 1)
        return tt.reshape(rows * group.cov.dimshuffle(0, 1, "x", 2), (group.ndim, group.ndim))

    @without_test_values
    def _side_by_side(self, name):
        parts = self.collect(name)
        return parts[0] if len(parts) == 1 else tt.concatenate([p.flatten() for p in parts])

    # ---------------------------------------------------------------- the flat vector and the parameters
    @property
    def shared_params(self):
        """Parameters of every group, {position of the group: {name: shared variable}}."""
        return dict(enumerate(self.collect("shared_params")))

    @property
    def ordering(self):
        """Layout of the flat vector, group after group, as `mean` has it."""
        return self.view.layout([v for group in self.groups for v in group.group])

    @property
    def bij(self):
        """Point (dict of arrays) to flat vector and back: ``approx.bij.rmap(approx.mean.eval())``."""
        return FlatBijection(self.ordering)

    # ---------------------------------------------------------------- log densities at draws
    @without_test_values
    def evaluate(self, nodes, z, batched, n=None):
        """`nodes` (of the model's variables) at the draws `z`, one entry per group.

        With `batched`, `z` has a leading sample axis and so has the result: one batched graph, no scan.  Where the
        number of draws `n` is given, batches that would take too much memory are evaluated in slices.
        """
        values = self.split(z)
        if not batched:
            return substitute(nodes, values)
        at_once = n if n is None else draws_at_once(self, nodes, n)
        if at_once == n:
            return vectorize_graph(nodes, values)
        return vectorize_in_slices(nodes, values, at_once, compile_function, draws=z)

    def split(self, z):
        """Dict variable -> tensor from a list of draws, one per group."""
        values = OrderedDict()
        for group, draw in zip(self.groups, z):
            values.update(group.split(draw))
        return values

    @without_test_values
    def terms(self, eps, batched, replacements=None, n=None):
        """Model and approximation log densities at base noise `eps` (a list, one per group) as ``Terms``.

        `replacements` are made in the model and in the parameters before draws are put in, e.g. the whole data for
        minibatches.  `n` is the number of draws where it is known; see :meth:`evaluate`.
        """
        z = [substitute(group.transform(e), replacements) for group, e in zip(self.groups, eps)]
        varlogp, datalogp = self.evaluate(self._logp_with(replacements), z, batched, n)
        logq = None
        if self.has_logq:
            logqs = [substitute(g.log_density(e), replacements) for g, e in zip(self.groups, eps)]
            logq = self._sum_logq(logqs, z, batched)
        return Terms(z, varlogp, datalogp, logq, self._constant_at(z, batched), batched)

    @node_property
    def _model_logp(self):
        """Prior and data terms in the model's own variables."""
        return self.view.logp()

    def _logp_with(self, replacements=None):
        """The same with replacements, and with batches of new rows where such stand for the model's."""
        return substitute(self._model_logp, {**self.view.replaced, **(replacements or {})})

    def _sum_logq(self, logqs, z, batched):
        values = self.split([draw[0] for draw in z] if batched else z)
        total = None
        for group, logq in zip(self.groups, logqs):
            scaling = group.logq_scaling(values)
            logq = logq if scaling is None else logq * scaling
            total = logq if total is None else total + logq
        return total

    def _constant_at(self, z, batched):
        """Normalizing constant at draws `z`, None when it is 1."""
        if not self.scale_cost_to_minibatch or not self.view.is_scaled():
            return None
        values = self.split([draw[0] for draw in z] if batched else z)
        return floatx(substitute(self._largest_scaling(), values))

    def _largest_scaling(self):
        scalings = self.view.scalings()
        for group in self.groups:
            scalings = scalings + group.variable_scalings()
        return tt.max(tt.stack(scalings))

    @without_test_values
    def particle_terms(self, replacements=None):
        """Terms at all particles of an empirical approximation, with a leading axis of length n; see :meth:`terms`."""
        if not self.all_histograms:
            raise VariationalInferenceError(
                f"{self.title} does not consist of empirical groups only; it has no particles."
            )
        particles = [g.transform(g.histogram) for g in self.groups]
        histogram = self.groups[0].histogram
        n = len(histogram.get_value(borrow=True)) if isinstance(histogram, theano.compile.SharedVariable) else None
        return self.terms(particles, batched=True, replacements=replacements, n=n)

    @without_test_values
    def draw_terms(self, noise, n_mc=None, schedules=(), force_batch=False, more_replacements=None):
        """Terms on block noise for a compiled step.

        Parameters
        ----------
        noise : StepNoise
        n_mc : int or None
            None and 1 give a single draw without a sample axis.
        schedules : list
            Receives ``(shared, schedule)`` when ``cost_part_grad_scale`` is a schedule.
        force_batch : bool
            Keep the sample axis even for one draw.
        more_replacements : dict, optional
            Replacements for the row counts of amortised groups.

        Returns
        -------
        terms, gradient_terms : Terms
            The same object twice unless the score term is rescaled.
        """
        n_mc = 1 if n_mc is None else check_positive_int(n_mc, "obj_n_mc", "fit")
        batched = n_mc > 1 or force_batch
        size = n_mc if batched else None
        eps = [group.draw_noise(noise, size, more_replacements) for group in self.groups]
        terms = self.terms(eps, batched, n=size)
        scale = self._score_weight(schedules)
        if scale is None or not self.has_logq:
            return terms, terms
        logqs = [self._rescaled(g, e, z, scale) for g, e, z in zip(self.groups, eps, terms.z)]
        return terms, terms.with_logq(self._sum_logq(logqs, terms.z, batched))

    def _score_weight(self, schedules):
        """``cost_part_grad_scale`` as a symbolic scalar, or None for the plain gradient."""
        scale = self.cost_part_grad_scale
        if isinstance(scale, theano.graph.basic.Variable):
            return floatx(scale)
        if callable(scale):
            shared = theano.shared(floatx(scale(0)), "cost_part_grad_scale")
            schedules.append((shared, scale))
            return shared
        return None if float(scale) == 1.0 else floatx(float(scale))

    @staticmethod
    def _rescaled(group, eps, z, scale):
        """log q whose value is exact and whose gradient has its score term weighted by `scale`.

        Full gradient = path part + score part; the path part alone is that of <stop(score), z>.
        """
        logq = group.log_density(eps)
        path = group.core_sum(theano.gradient.disconnected_grad(group.score(eps)) * z)
        mix = scale * logq + (1 - scale) * path
        return mix + theano.gradient.disconnected_grad(logq - mix)

    # ---------------------------------------------------------------- drawing
    @checked
    @without_test_values
    def sample_node(self, node, size=None, deterministic=False, more_replacements=None):
        """Symbolic draws of any expression of the model's variables.

        Parameters
        ----------
        node : Variable or name of a variable, or list of them
        size : int or scalar variable, optional
            Number of draws, a new leading axis; None gives one draw without it.
        deterministic : bool or scalar variable
            Use the central draw of q (zero noise) instead of a random one.
        more_replacements : dict, optional
            Further replacements, e.g. other input data; they come first.

        Returns
        -------
        Variable or list of Variable, like `node`.
        """
        original = node = self.view.nodes(node, "node", "sample_node", more_replacements)
        warn_of_data(self.view, node)
        node = substitute(node, more_replacements)
        sampled = self.symbolic_single_sample(node) if size is None else self.symbolic_sample_over_posterior(node)
        return self.set_size_and_deterministic(sampled, size, deterministic, more_replacements, test_values=original)

    @checked
    def apply_replacements(self, node, more_replacements=None, deterministic=False):
        """`node` with the model's variables replaced by one draw from q, like :meth:`sample_node` without `size`."""
        return self.sample_node(node, more_replacements=more_replacements, deterministic=deterministic)

    @property
    def title(self):
        """Class and groups in one line."""
        if len(self.groups) < 5:
            inside = " & ".join(map(str, self.groups))
        else:
            inside = " & ".join(map(str, self.groups[:2] + ["..."] + self.groups[-2:]))
        return f"{type(self).__name__}{{{inside}}}"

    def __str__(self):
        return self.title if self.report is None else f"{self.title}\n{self.report.brief()}"

    __repr__ = __str__

    def _repr_html_(self):
        rows = [(str(group), ", ".join(v.name for v in group.group)) for group in self.groups]
        rows += [] if self.report is None else self.report.rows()
        return html_table(rows, type(self).__name__)

    def __contains__(self, variable):
        return any(transformed(variable) in g.group for g in self.groups)
