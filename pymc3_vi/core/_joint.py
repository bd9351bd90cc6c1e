"""The symbolic developer interface of an approximation: that of its groups, joined."""

from collections import OrderedDict

import numpy as np
import theano
import theano.tensor as tt

from ..compiler import without_test_values
from ..compiler.vectorize import vectorize_graph
from ..graph import floatx, graph_property, node_property, substitute
from ..parameters import checked
from ..validation import unknown_name
from ._placeholders import copy_test_value
from ._terms import Terms

__all__ = ["JointPlaceholders"]


class JointPlaceholders:
    """Mixin for :class:`Approximation`: graphs on the groups' placeholders, see ``_placeholders``."""

    @property
    def inputs(self):
        """Flat input placeholders, one per group."""
        return self.collect("input")

    @property
    def symbolic_randoms(self):
        """Placeholder draws, one per group."""
        return self.collect("symbolic_random")

    @node_property
    def symbolic_random(self):
        """All groups' placeholder draws side by side, (s, total)."""
        parts = self.collect("symbolic_random2d")
        return parts[0] if len(parts) == 1 else tt.concatenate(parts, axis=-1)

    @property
    def replacements(self):
        """Model variable -> view of the groups' input placeholders."""
        result = OrderedDict()
        for group in self.groups:
            result.update(group.replacements)
        return result

    def _draws(self):
        return [g._as_draws(g.symbolic_random) for g in self.groups]

    @node_property
    def placeholder_terms(self):
        """``Terms`` of a batch of placeholder draws."""
        z = self._draws()
        varlogp, datalogp = self.evaluate(self._logp_with(), z, batched=True)
        logq = self.symbolic_logq if self.has_logq else None
        return Terms(z, varlogp, datalogp, logq, self.symbolic_normalizing_constant, batched=True)

    @node_property
    def _single_terms(self):
        z = [draw[0] for draw in self._draws()]
        return self.evaluate(self._logp_with(), z, batched=False)

    @node_property
    def symbolic_normalizing_constant(self):
        """Largest ``total_size`` scaling, or 1 while ``scale_cost_to_minibatch`` is off."""
        one = tt.constant(np.asarray(1.0, dtype=theano.config.floatX))
        if not self.view.is_scaled():
            return one
        values = self.split([draw[0] for draw in self._draws()])
        return tt.switch(self._scale_cost_to_minibatch, floatx(substitute(self._largest_scaling(), values)), one)

    @node_property
    def symbolic_logq(self):
        """log q of the placeholder draws, shape (s,)."""
        parts = self.collect("symbolic_logq")
        return parts[0] if len(parts) == 1 else tt.add(*parts)

    # Monte Carlo means; the sized versions have shape (s,).
    sized_symbolic_varlogp = property(lambda self: self.placeholder_terms.sized_varlogp)
    sized_symbolic_datalogp = property(lambda self: self.placeholder_terms.sized_datalogp)
    sized_symbolic_logp = graph_property(lambda self: self.sized_symbolic_varlogp + self.sized_symbolic_datalogp)
    single_symbolic_varlogp = property(lambda self: self._single_terms[0])
    single_symbolic_datalogp = property(lambda self: self._single_terms[1])
    single_symbolic_logp = graph_property(lambda self: self.single_symbolic_varlogp + self.single_symbolic_datalogp)

    @node_property
    def logq(self):
        """E_q log q, a scalar on placeholders."""
        return self.symbolic_logq.mean(0)

    @node_property
    def datalogp(self):
        """E_q of the data terms, a scalar on placeholders."""
        return self.placeholder_terms.datalogp

    @node_property
    def varlogp(self):
        """E_q of the prior terms, a scalar on placeholders."""
        return self.placeholder_terms.varlogp

    @node_property
    def logp(self):
        """E_q log p, a scalar on placeholders."""
        return self.datalogp + self.varlogp

    logp_norm = graph_property(lambda self: self.logp / self.symbolic_normalizing_constant)
    varlogp_norm = graph_property(lambda self: self.varlogp / self.symbolic_normalizing_constant)
    datalogp_norm = graph_property(lambda self: self.datalogp / self.symbolic_normalizing_constant)
    logq_norm = graph_property(lambda self: self.logq / self.symbolic_normalizing_constant)

    # ---------------------------------------------------------------- putting draws into nodes
    @without_test_values
    def to_flat_input(self, node):
        """`node` with the model's variables replaced by views of the groups' `input` placeholders."""
        return substitute(node, self.replacements)

    @without_test_values
    def symbolic_single_sample(self, node):
        """`node` at the first placeholder draw."""
        return substitute(node, self.split([draw[0] for draw in self._draws()]))

    @without_test_values
    def symbolic_sample_over_posterior(self, node):
        """`node` at every placeholder draw, with a leading sample axis; one batched graph, no scan."""
        return vectorize_graph(node, self.split(self._draws()))

    @without_test_values
    def make_size_and_deterministic_replacements(self, s, d, more_replacements=None):
        """Placeholder noise -> fresh noise for `s` draws, for every group."""
        result = OrderedDict()
        for group in self.groups:
            result.update(group.make_size_and_deterministic_replacements(s, d, more_replacements))
        return result

    @checked
    @without_test_values
    def set_size_and_deterministic(self, node, s, d, more_replacements=None, test_values=None):
        """`node` with real noise in place of the placeholders.

        Parameters
        ----------
        node : Variable or list of Variable
        s : int, scalar variable or None
            Number of draws.
        d : bool, int or scalar variable
            Whether to use the central draw instead of a random one.
        more_replacements : dict, optional
        test_values : like `node`, optional
            Where to copy test values from.
        """
        out = substitute(node, self.make_size_and_deterministic_replacements(s, d, more_replacements))
        out = substitute(out, more_replacements)
        copy_test_value(node if test_values is None else test_values, out, s, more_replacements)
        return out

    @checked
    @without_test_values
    def rslice(self, name):
        """Placeholder draws of the variable called `name`, with a leading sample axis."""
        for group, draw in zip(self.groups, self._draws()):
            for variable, value in group.split(draw).items():
                if variable.name == name:
                    value.name = f"{name}_vi_random_slice"
                    return value
        names = [v.name for g in self.groups for v in g.group]
        raise unknown_name(name, names, "name", "rslice")
