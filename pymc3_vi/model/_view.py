"""What inference needs to know of a ``pymc3.Model``, and the only place that asks it."""

from collections import OrderedDict, namedtuple
from types import MappingProxyType
from typing import Mapping

import numpy as np
import pymc3 as pm
import theano.tensor as tt
from pymc3.util import get_default_varnames, get_transformed, get_untransformed_name, is_transformed_name

from ..compiler import without_test_values
from ..errors import GroupError, ParameterTypeError, ParametrizationError, StartError
from ..graph import AlikeTerms, FlatLayout, Memoised, made_once
from ..validation import did_you_mean
from ._consistency import check_data, check_names, check_same_model, resolve_nodes, variables_of
from ._imputed import check_imputed
from ._start import check_finite_start
from ._user_start import filled_start

__all__ = ["ModelView", "LogpTerm", "model_context", "simplex_variables", "transformed"]

#: One summand of the log density: `name` of its variable, `kind` in {'prior', 'data', 'potential'}, scalar `node`.
LogpTerm = namedtuple("LogpTerm", "name, kind, node")


def model_context(model=None):
    """`model`, or the model of the surrounding ``with`` block; raises ParameterTypeError outside of one."""
    try:
        return pm.modelcontext(model)
    except TypeError:
        raise ParameterTypeError(
            "The 'model' parameter must be a pymc3.Model where no model is open. Got None instead. Pass model=..., or "
            "call inside `with model:`."
        ) from None


def transformed(var):
    """The unconstrained variable behind `var`, or `var` itself when it has no transform."""
    return get_transformed(var)


def simplex_variables(variables):
    """Those of `variables` that stand for simplexes: pairs of the variable users see and its number of parts."""
    found = []
    for var in variables:
        name = get_untransformed_name(var.name) if is_transformed_name(var.name) else None
        whole = var.model.named_vars.get(name) if name else None
        if isinstance(getattr(whole, "transformation", None), pm.distributions.transforms.StickBreaking):
            found.append((whole, int(whole.dshape[-1])))
    return found


def scaling_of(var):
    """``total_size`` scaling of a variable as a symbolic floatX scalar."""
    return tt.as_tensor_variable(pm.floatX(getattr(var, "scaling", 1.0)))


class ModelView(Memoised):
    """Read-only view of a model: free variables in model order, start points, log-density terms.

    Parameters
    ----------
    model : pymc3.Model, optional
        Default is the model of the ``with`` context.

    Attributes
    ----------
    free : list of FreeRV
        Free variables in the order in which the model defines them.

    Raises
    ------
    GroupError
        If the model has no free variables.
    """

    def __init__(self, model=None):
        self.model = model_context(model)
        self.free = list(self.model.free_RVs)
        self._variables = variables_of(self.model)
        if not self.free:
            raise GroupError(
                "The model has no free random variables, so there is nothing to infer. "
                "Add at least one variable without the 'observed' argument."
            )
        check_names(self.model)

    #: What stands for the model's own rows: dict of its inputs -> batch of new rows; see ``ContinuedView``.
    replaced: Mapping = MappingProxyType({})

    @property
    def own(self):
        """View of the model as it is."""
        return self

    @property
    def observed(self):
        """Observed variables."""
        return list(self.model.observed_RVs)

    def with_rows(self, node):
        """`node`, which reads the model's own rows, with those that are fitted."""
        return node

    def scaling(self, var):
        """What a row of a batch counts, as a symbolic scalar."""
        return scaling_of(var)

    def check_continuous(self, variables=None):
        """Raise ParametrizationError naming the discrete variables among `variables` (default: all free ones)."""
        variables = self.free if variables is None else variables
        discrete = [v for v in variables if isinstance(v.distribution, pm.Discrete) or v.dtype in pm.discrete_types]
        check_imputed(variables, discrete)
        names = [v.name for v in discrete]
        if names:
            raise ParametrizationError(
                f"Discrete variables are not supported by variational inference: {', '.join(names)}. "
                "Marginalise them out of the model (for example with pm.Mixture) or sample it with pm.sample."
            )

    def resolve(self, variable):
        """Free variable for a random variable or its name (transformed or not)."""
        if isinstance(variable, str):
            if variable not in self.model.named_vars:
                raise GroupError(
                    f"The model has no variable {variable!r}.{did_you_mean(variable, self.model.named_vars)}"
                )
            variable = self.model.named_vars[variable]
        variable = transformed(variable)
        if variable not in self.free:
            name = getattr(variable, "name", None)
            of = " of another model" if name in self.names else ""
            raise GroupError(
                f"{variable} is not a free random variable of the model{', but one' + of if of else ''}. "
                f"Free variables: {', '.join(self.names)}."
            )
        return variable

    @property
    def names(self):
        """Names of the free variables in model order."""
        return [v.name for v in self.free]

    def layout(self, variables=None, rows=None):
        """Flat layout of `variables` (default: all free ones).

        Parameters
        ----------
        rows : {None, 'rowwise', 'local'}
            With 'rowwise' or 'local' the first axis of the single variable is a row axis and does not count towards
            the dimension; 'local' leaves its length open.
        """
        entries = []
        for var in self.free if variables is None else variables:
            shape, pattern = tuple(int(n) for n in var.dshape), tuple(var.broadcastable)
            if rows == "local":
                shape = (-1,) + shape[1:]
            entries.append((var.name, shape, var.dtype, pattern))
        layout = FlatLayout(entries if rows is None else [(n, s[1:], t, p[1:]) for n, s, t, p in entries])
        if rows is not None:  # sizes come from the row's own shape, the public record keeps the whole shape
            entry = layout.vmap[0]._replace(shp=entries[0][1])
            layout.vmap[0] = layout.by_name[entry.var] = entry
            layout.broadcastables[entry.var] = entries[0][3]
        return layout

    def start(self, user=None):
        """Complete start point: dict name -> array for every free variable.

        Parameters
        ----------
        user : dict, optional
            Values for some variables, by name of the free or of the untransformed variable.  Values of
            deterministics are accepted and not used, so that the result of ``pm.find_MAP`` can be passed.

        Raises
        ------
        StartError
            For an unknown name (with the close match), a wrong shape or a non-finite value.
        """
        # PyMC3's `test_point` compares every name with all others, each time that it is asked for.
        point = OrderedDict((v.name, np.array(v.tag.test_value)) for v in self.free)
        user = dict(user or {})
        known = self.model.named_vars
        observed = [v.name for v in self.observed]
        for name in user:
            if name in observed:
                raise StartError(
                    f"The 'start' parameter names {name!r}, which is observed, so that it has no start value. Free "
                    f"variables: {', '.join(self.names)}."
                )
            if name not in known:
                raise StartError(
                    f"The 'start' parameter names an unknown variable {name!r}.{did_you_mean(name, known)} "
                    f"Variables of the model: {', '.join(sorted(known))}."
                )
        return filled_start(self, point, user)

    def check_unchanged(self):
        """Raise GroupError if the model got or lost variables since this view was made."""
        check_same_model(self.model, self._variables)

    def nodes(self, node, parameter, caller, replacements=None, closed=False):
        """Expressions for what a user passed, names included; see :func:`resolve_nodes`."""
        return resolve_nodes(self, node, parameter, caller, replacements, closed)

    def check_start(self, point=None):
        """Raise StartError, naming variable and term, unless the log density is finite at `point` (default: start).

        Data that cannot be right (``total_size``, minibatches of different rows) raise ParametrizationError before.
        """
        check_data(self)
        check_finite_start(self, self.start() if point is None else dict(self.start(), **point))

    @without_test_values
    def logp_terms(self):
        """All summands of the model's log density, scaled by ``total_size``, as a list of :class:`LogpTerm`."""
        terms = [LogpTerm(v.name, "prior", v.logpt) for v in self.free]
        terms += [LogpTerm(v.name, "data", v.logpt) for v in self.observed]
        terms += [LogpTerm(p.name, "potential", tt.sum(p)) for p in self.model.potentials]
        return terms

    def logp(self):
        """Scalar graphs ``[varlogp, datalogp]``; terms that a loop makes are one term over a vector in them."""
        scalings = tuple(getattr(v, "scaling", None) for v in self.free + self.observed)
        return list(made_once(self, "logp", self._logp, scalings))  # a second for a thousand variables

    @without_test_values
    def _logp(self):
        terms = self.logp_terms()
        parts = [[t.node for t in terms if (t.kind == "prior") is prior] for prior in (True, False)]
        return AlikeTerms(self.free, [tuple(int(n) for n in v.dshape) for v in self.free]).sums(parts)

    def varlogp(self):
        """Scalar graph: sum of the prior terms (with the log Jacobians of the transforms)."""
        return self.logp()[0]

    def datalogp(self):
        """Scalar graph: sum of the likelihood and potential terms."""
        return self.logp()[1]

    @without_test_values
    def scalings(self):
        """Symbolic ``total_size`` scalings of the observed variables."""
        return [self.scaling(v) for v in self.observed]

    def is_scaled(self):
        """Whether any variable has a ``total_size``."""
        return any(getattr(v, "total_size", None) is not None for v in self.free + self.observed)

    def unobserved(self, include_transformed=True):
        """Variables of a trace: free, untransformed and deterministic ones."""
        return get_default_varnames(self.model.unobserved_RVs, include_transformed=include_transformed)

    def untransformed_name(self, name):
        """Name that the user gave to the variable called `name`."""
        return get_untransformed_name(name) if is_transformed_name(name) else name
