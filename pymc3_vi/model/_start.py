"""Whether a model has a finite log density where a fit begins."""

import numpy as np
import theano
from theano.graph.fg import MissingInputError

from ..compiler import UNDEFINED, building
from ..errors import StartError

__all__ = ["check_finite_start"]


def check_finite_start(view, point):
    """Raise unless every summand of the log density is finite at `point`.

    Nothing is compiled: at the model's own test point the values are already there, elsewhere Python evaluates them.

    Parameters
    ----------
    view : ModelView
    point : dict of name to array
        Values of the free variables, as :meth:`ModelView.start` gives them.

    Raises
    ------
    StartError
        Names every term that is not finite, with its value.
    """
    bad = [(name, kind, value) for name, kind, value in _values(view, point) if not np.isfinite(value)]
    if not bad:
        return
    terms = "; ".join(f"the {kind} term of variable {name!r} is {value}" for name, kind, value in bad)
    where = ", ".join(f"{name}={np.array2string(np.asarray(point[name]), threshold=6)}" for name in view.names)
    raise StartError(
        f"The model's log density is not finite at the start: {terms}. Start on the unconstrained scale: {where}. "
        "Check that the data lie in the support of their distribution and that parameters are valid there, or pass "
        "another start={'name': value}."
    )


def _values(view, point):
    """(name, kind, value) of every summand."""
    test_point = view.start()
    if not view.replaced and all(np.array_equal(point[name], test_point[name]) for name in view.names):
        known = _test_values(view)
        if known is not None:
            return known
    with building(cxx=""):
        terms = view.logp_terms()
        try:
            nodes, mode = [view.with_rows(t.node) for t in terms], theano.Mode("py", "fast_compile")
            function = theano.function(view.free, nodes, mode=mode, on_unused_input="ignore")
        except MissingInputError:  # data that only `more_replacements` will give
            return []
        try:
            values = function(*[np.asarray(point[v.name], dtype=v.dtype) for v in view.free])
        except UNDEFINED as error:
            where = ", ".join(f"{name}={np.array2string(np.asarray(point[name]), threshold=6)}" for name in view.names)
            raise StartError(
                f"The model's log density is undefined at the start: {str(error).splitlines()[0]}. Start on the "
                f"unconstrained scale: {where}. Pass another start={{'name': value}}."
            ) from None
    return [(t.name, t.kind, float(v)) for t, v in zip(terms, values)]


def _test_values(view):
    """The same from the test values that PyMC3 computed while the model was built; None if one is missing."""
    nodes = [(v.name, "prior", v.logp_elemwiset) for v in view.free]
    nodes += [(v.name, "data", v.logp_elemwiset) for v in view.observed]
    nodes += [(p.name, "potential", p) for p in view.model.potentials]
    if not all(hasattr(node.tag, "test_value") for _, _, node in nodes):
        return None
    return [(name, kind, float(np.sum(node.tag.test_value))) for name, kind, node in nodes]
