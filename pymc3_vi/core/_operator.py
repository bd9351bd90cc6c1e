"""Operator: turns log p and log q into a cost or a direction."""

import copy

from ..errors import AEVBInferenceError, ExplicitInferenceError, ParametrizationError
from ..graph import graph_property
from ..parameters import checked
from ..test_functions import TestFunction
from ..validation import warn_user
from ._objective import ObjectiveFunction

__all__ = ["Operator"]


class Operator:
    r"""Base class of operators, the functionals :math:`(O^{p,q} f)(z)` of operator variational inference.

    A new operator implements :meth:`apply` with the attributes below.

    Parameters
    ----------
    approx : Approximation

    Attributes
    ----------
    logp, varlogp, datalogp, logq : scalar variables
        Monte Carlo means over the draws; ``*_norm`` are divided by the minibatch normalizing constant.
    has_test_function : bool
        Whether :meth:`apply` needs a test function (a kernel).
    returns_loss : bool
        Whether :meth:`apply` returns a scalar loss (else a direction).
    require_logq : bool
        Whether the approximation must define log q.

    Raises
    ------
    ExplicitInferenceError
        If log q is required and the approximation has none.
    AEVBInferenceError
        If the approximation has local variables and the operator cannot work with them.

    References
    ----------
    Ranganath, Altosaar, Tran, Blei: Operator Variational Inference, NIPS 2016, eq. 2.
    """

    has_test_function = False
    returns_loss = True
    require_logq = True
    objective_class = ObjectiveFunction
    #: Shared vector of units in which draws are compared, for operators that compare them.
    units = None

    @checked
    def __init__(self, approx):
        self.approx = approx
        self._terms = None
        if approx.has_local and not self.supports_aevb:
            raise AEVBInferenceError(
                f"{self} does not support local (amortised) variables; use KLqp with a mean-field, full-rank or flow "
                "group."
            )
        if self.require_logq and not approx.has_logq:
            raise ExplicitInferenceError(
                f"{self} needs log q, but {approx.title} does not define it. Use SVGD or ASVGD, or a family with a "
                "density."
            )

    @property
    def supports_aevb(self):
        """Whether local variables are allowed."""
        return not self.approx.any_histograms

    def with_terms(self, terms):
        """Copy of the operator that reads log p and log q from `terms` instead of the placeholders."""
        bound = copy.copy(self)
        bound._terms = terms
        return bound

    @property
    def terms(self):
        """The ``Terms`` in use; by default those on the approximation's placeholders."""
        return self._terms if self._terms is not None else self.approx.placeholder_terms

    inputs = property(lambda self: self.approx.inputs, doc="Flat input placeholders of the groups.")
    model = property(lambda self: self.approx.model, doc="The PyMC3 model.")
    logp = graph_property(lambda self: self.terms.logp)
    varlogp = graph_property(lambda self: self.terms.varlogp)
    datalogp = graph_property(lambda self: self.terms.datalogp)
    logq = graph_property(lambda self: self.terms.logq)

    def _norm(self, node):
        constant = self.terms.normalizing_constant
        return node if constant is None else node / constant

    logp_norm = graph_property(lambda self: self._norm(self.logp))
    varlogp_norm = graph_property(lambda self: self._norm(self.varlogp))
    datalogp_norm = graph_property(lambda self: self._norm(self.datalogp))
    logq_norm = graph_property(lambda self: self._norm(self.logq))

    def T(self, node):  # noqa: N802  (PyMC3's name)
        """Outer transform of the expectation, the identity by default."""
        return node

    def apply(self, f):
        """The operator itself.

        Parameters
        ----------
        f : TestFunction

        Returns
        -------
        Variable
            Scalar loss, or a direction of shape (s, d) when ``returns_loss`` is False.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement apply(f).")

    @checked
    def __call__(self, f=None):
        """Objective function of this operator with test function `f`."""
        if self.has_test_function:
            if f is None:
                raise ParametrizationError(f"{self} needs a test function; pass a kernel name or callable.")
        elif f is not None:
            warn_user(f"{self} takes no test function; {f!r} is ignored.")
        f = TestFunction.from_function(f) if self.has_test_function else TestFunction()
        f.setup(self.approx)
        return self.objective_class(self, f)

    def __str__(self):
        return f"{type(self).__name__}[{type(self.approx).__name__}]"
