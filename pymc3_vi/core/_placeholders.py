"""The symbolic developer interface of a group: graphs on placeholders for noise and draws.

PyMC3's users and subclasses work with ``symbolic_initial`` (a placeholder for base noise), ``symbolic_random`` (the
draw made from it) and ``input`` (a placeholder for one flat draw), and put real noise in with
``set_size_and_deterministic``.  Everything here is derived from the family's ``transform`` and ``log_density``; the
fitting loop does not use it.
"""

import numpy as np
import theano
import theano.tensor as tt
from theano.compile import SharedVariable
from theano.graph.basic import Constant, graph_inputs

from ..compiler import building, without_test_values
from ..compiler.vectorize import vectorize_graph
from ..graph import floatx, match_pattern, node_property, substitute

__all__ = ["PlaceholderAPI", "copy_test_value"]


def _with_replacements(nodes, replacements):
    """Values of `nodes` where `replacements` are made, as far as all that they depend on has a test value."""
    nodes = substitute(nodes, replacements)
    inputs = [v for v in graph_inputs(nodes) if not isinstance(v, (Constant, SharedVariable))]
    values = [getattr(v.tag, "test_value", None) for v in inputs]
    if any(value is None for value in values):
        return [None] * len(nodes)
    with building(cxx=""):
        try:
            function = theano.function(
                inputs, nodes, mode="FAST_COMPILE", on_unused_input="ignore", no_default_updates=True
            )
            return function(*values)
        except Exception:  # test values that do not fit the replacements: none is better than a wrong one
            return [None] * len(nodes)


@without_test_values
def copy_test_value(node_in, node_out, size, replacements=None):
    """Give sampled nodes the test values of the originals, repeated `size` times (None: not repeated).

    With `replacements` made in the nodes, their test values are computed with these.
    """
    ins = node_in if isinstance(node_in, (list, tuple)) else [node_in]
    outs = node_out if isinstance(node_out, (list, tuple)) else [node_out]
    count = 1
    if isinstance(size, theano.graph.basic.Variable):
        count = getattr(size, "data", getattr(size.tag, "test_value", None))
        count = None if count is None else int(count)
    elif size is not None:
        count = int(size)
    values = [getattr(node.tag, "test_value", None) for node in ins]
    if replacements and count is not None and any(value is not None for value in values):
        values = _with_replacements(list(ins), replacements)
    for value, after in zip(values, outs):
        if value is None or count is None:
            vars(after.tag).pop("test_value", None)
            continue
        after.tag.test_value = np.array(value) if size is None else np.repeat(np.asarray(value)[None], count, axis=0)


class PlaceholderAPI:
    """Mixin for :class:`Group`; see the module docstring."""

    def _make_placeholders(self):
        dtype = theano.config.floatX
        name = type(self).__name__
        make = tt.tensor3 if self.batched else tt.matrix
        make_one = tt.matrix if self.batched else tt.vector
        self.symbolic_initial = make(name + "_symbolic_initial_tensor", dtype=dtype)
        self.input = make_one(name + "_symbolic_input", dtype=dtype)
        self.replacements = self.split(self.input)
        for variable, view in self.replacements.items():
            view.name = f"{variable.name}_vi_replacement"

    @node_property
    def symbolic_random(self):
        """Draws made from the placeholder noise: (s, d), or (s, b, d) when batched."""
        return self.transform(self.symbolic_initial)

    @node_property
    def symbolic_random2d(self):
        """`symbolic_random` as a matrix (s, b * d)."""
        return self.symbolic_random.flatten(2) if self.batched else self.symbolic_random

    @node_property
    def symbolic_logq_not_scaled(self):
        """log q of the placeholder draws, shape (s,)."""
        return self.log_density(self.symbolic_initial)

    @node_property
    def symbolic_logq(self):
        """`symbolic_logq_not_scaled` times the ``total_size`` scaling of a local variable, shape (s,)."""
        scaling = self.logq_scaling(self.split(self._single_draw()))
        return self.symbolic_logq_not_scaled if scaling is None else self.symbolic_logq_not_scaled * scaling

    @node_property
    def logq(self):
        """Monte Carlo mean of log q, a scalar."""
        return self.symbolic_logq.mean(0)

    @node_property
    def symbolic_normalizing_constant(self):
        """Largest ``total_size`` scaling among the group's variables, a scalar."""
        scalings = self.variable_scalings()
        if not scalings:
            return tt.constant(np.asarray(1.0, dtype=theano.config.floatX))
        return floatx(substitute(tt.max(tt.stack(scalings)), self.split(self._single_draw())))

    @node_property
    def logq_norm(self):
        """`logq` divided by the normalizing constant."""
        return self.logq / self.symbolic_normalizing_constant

    def _single_draw(self):
        return self._as_draws(self.symbolic_random)[0]

    def _as_draws(self, random):
        return match_pattern(floatx(random), self.symbolic_initial)

    @without_test_values
    def to_flat_input(self, node):
        """`node` with the model's variables replaced by views of the placeholder `input`."""
        return substitute(node, self.replacements)

    @without_test_values
    def symbolic_single_sample(self, node):
        """`node` at the first placeholder draw."""
        return substitute(node, self.split(self._single_draw()))

    @without_test_values
    def symbolic_sample_over_posterior(self, node):
        """`node` at every placeholder draw, with a leading sample axis; one batched graph, no scan."""
        return vectorize_graph(node, self.split(self._as_draws(self.symbolic_random)))

    def _new_initial(self, size, deterministic, more_replacements=None):
        """Symbolic base noise for `size` draws; `deterministic` (bool or scalar variable) gives the central draw."""
        size = tt.as_tensor_variable(np.int64(1) if size is None else size)
        shape = [tt.cast(size, "int64")]
        if self.batched:
            shape.append(tt.cast(substitute(tt.as_tensor_variable(self.bdim), more_replacements), "int64"))
        shape = tt.stack(shape + [tt.constant(np.int64(self.ddim))])
        return self._noise_or_center(shape, deterministic)

    def _noise_or_center(self, shape, deterministic):
        center = tt.alloc(floatx(self.initial_dist_map), *[shape[i] for i in range(self.symbolic_initial.ndim)])
        symbolic = isinstance(deterministic, theano.graph.basic.Variable)
        if not symbolic and deterministic:
            return center
        draw = floatx(getattr(self._rng, self.initial_dist_name)(size=shape))
        return tt.switch(deterministic, center, draw) if symbolic else draw

    @without_test_values
    def make_size_and_deterministic_replacements(self, s, d, more_replacements=None):
        """{`symbolic_initial`: fresh noise for `s` draws}."""
        initial = match_pattern(self._new_initial(s, d, more_replacements), self.symbolic_initial)
        return {self.symbolic_initial: substitute(initial, more_replacements)}

    @without_test_values
    def set_size_and_deterministic(self, node, s, d, more_replacements=None):
        """`node` with real noise in place of the placeholder.

        Parameters
        ----------
        node : Variable or list of Variable
        s : int or scalar variable
            Number of draws.
        d : bool, int or scalar variable
            Whether to use the central draw instead of a random one.
        more_replacements : dict, optional
        """
        out = substitute(node, self.make_size_and_deterministic_replacements(s, d, more_replacements))
        out = substitute(out, more_replacements)
        copy_test_value(node, out, s, more_replacements)
        return out

    # Moments: families override what they know.
    @property
    def mean(self):
        """Mean of q on the unconstrained scale."""
        raise NotImplementedError(f"{type(self).__name__} has no closed-form mean; average draws from sample().")

    @property
    def std(self):
        """Standard deviation of q on the unconstrained scale."""
        raise NotImplementedError(f"{type(self).__name__} has no closed-form std; use draws from sample().")

    @property
    def cov(self):
        """Covariance of q on the unconstrained scale."""
        raise NotImplementedError(f"{type(self).__name__} has no closed-form cov; use draws from sample().")
