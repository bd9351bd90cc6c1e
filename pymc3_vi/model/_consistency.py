"""Whether a model, its data and expressions of its variables belong together."""

import numpy as np
import pymc3 as pm
import theano
from pymc3.util import get_untransformed_name, is_transformed_name
from theano.graph.basic import ancestors, graph_inputs

from ..errors import GroupError, ParameterTypeError, ParametrizationError, ScalingWarning
from ..validation import unknown_name, warn_user
from ._aligned import batches_behind, check_aligned

__all__ = ["check_data", "check_names", "check_same_model", "resolve_nodes", "variables_of"]


# -------------------------------------------------------------------- variables
def check_names(model):
    """Raise for a free variable whose name PyMC3 takes for that of a transformed one: traces would leave it out."""
    for variable in model.free_RVs:
        name = variable.name
        if is_transformed_name(name) and get_untransformed_name(name) not in model.named_vars:
            raise ParametrizationError(
                f"The variable {name!r} has a name that PyMC3 keeps for transformed variables, which tables and traces "
                "leave out. Rename it, without '__' at its end."
            )


def variables_of(model):
    """What a log density is made of: free and observed variables, and potentials."""
    return list(model.free_RVs), list(model.observed_RVs), list(model.potentials)


def check_same_model(model, before):
    """Raise GroupError if the model has other variables than it had `before`, see :func:`variables_of`."""
    for kind, now, then in zip(("free variable", "observed variable", "potential"), variables_of(model), before):
        changed = [v.name for v in now if v not in then] + [v.name for v in then if v not in now]
        if changed:
            raise GroupError(
                f"The model has changed since the approximation was made: the {kind} {changed[0]!r} is new or gone. "
                "Make the approximation or inference after the model is complete."
            )


def resolve_nodes(view, node, parameter, caller, replacements=None, closed=False):
    """Expressions for what a user passed: names become the model's variables.

    Parameters
    ----------
    view : ModelView
    node : Variable, name, or list of them
    parameter, caller : str
        For the message.
    replacements : dict, optional
        Variables that will be replaced.
    closed : bool
        Whether everything must have a value once draws are put in for the model's variables.

    Raises
    ------
    UnknownNameError
        For a name that the model does not have.
    ParameterTypeError
        For variables of another model, or without a value.
    """
    named = view.model.named_vars
    parts = node if isinstance(node, (list, tuple)) else [node]
    for name in parts:
        if isinstance(name, str) and name not in named:
            raise unknown_name(name, named, parameter, caller)
    parts = [named[part] if isinstance(part, str) else part for part in parts]
    own, given = set(view.model.free_RVs), set(replacements or ())
    for variable in graph_inputs(parts, given | own):
        if variable in own or variable in given:
            continue
        foreign = hasattr(variable, "distribution")
        open_ended = closed and not isinstance(variable, (theano.graph.basic.Constant, theano.compile.SharedVariable))
        if foreign or open_ended:
            what = "is a variable of another model" if foreign else "has no value"
            raise ParameterTypeError(
                f"The {parameter!r} parameter of {caller} must be made of the model's variables, which are "
                f"{', '.join(named)}. Got an expression of {variable}, which {what}."
            )
    return parts if isinstance(node, (list, tuple)) else parts[0]


# -------------------------------------------------------------------- data
def check_data(view):
    """Raise for a ``total_size`` that cannot be right, and for minibatches that do not show the same rows.

    Warns
    -----
    ScalingWarning
        For a minibatch without ``total_size``.
    """
    for variable in view.free:
        _check_total_size(variable, ())
    for variable in view.observed:
        batches = batches_behind(variable.logp_elemwiset)
        behind = set(ancestors(_observed_values(variable)))
        observed = [v for v in batches if v in behind and isinstance(v, pm.Minibatch)]
        check_aligned(variable.name, batches, observed)
        rows = _shape(observed[0].shared) if observed else _shape(_observed_values(variable)[0])
        _check_total_size(variable, rows)
        if not observed:
            continue
        if getattr(variable, "total_size", None) is None:
            warn_user(
                f"The observed variable {variable.name!r} is a minibatch without total_size: the posterior is that of "
                f"one batch, not of all {rows[0]:,} rows. Pass total_size={rows[0]} to it.",
                ScalingWarning,
            )


def _observed_values(variable):
    data = getattr(variable, "data", None)
    return list(data.values()) if isinstance(data, dict) else [variable.owner.inputs[0]]


def _shape(tensor):
    """Shape of data; () where it is not known without computing."""
    if isinstance(tensor, theano.compile.SharedVariable):
        return np.shape(tensor.get_value(borrow=True))
    value = getattr(tensor, "data", None)
    value = getattr(tensor.tag, "test_value", None) if value is None else value
    return np.shape(value)


def _check_total_size(variable, shape):
    sizes = getattr(variable, "total_size", None)
    sizes = [] if sizes is None else list(sizes) if isinstance(sizes, (list, tuple)) else [sizes]
    if Ellipsis in sizes:
        end = sizes[sizes.index(Ellipsis) + 1 :]
        middle = max(len(shape) - len(sizes) + 1, 0)
        sizes = sizes[: sizes.index(Ellipsis)] + [None] * middle + end
    for axis, size in enumerate(sizes):
        least = max(int(shape[axis]), 1) if axis < len(shape) else 1
        if size is not None and size < least:
            raise ParametrizationError(
                f"The 'total_size' of variable {variable.name!r} must be at least {least}"
                f"{', the number of its rows' if least > 1 else ''}. Got {size!r} instead. It is the number of rows of "
                "the whole data, of which a minibatch shows some."
            )
