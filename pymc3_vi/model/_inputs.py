"""The data of a model as inputs: what is put in their place when one model is fitted to many data sets."""

import hashlib
from collections import OrderedDict

import numpy as np
import pymc3 as pm
import theano
from theano.graph.basic import ancestors

from ..compiler import fast_build, without_test_values
from ..errors import ParameterTypeError, ParametrizationError
from ._data import is_streamed, missing_index, observed_arrays, observed_tensors, reads_rows

__all__ = [
    "built_with",
    "data_containers",
    "fixed_data",
    "log_density",
    "observed_inputs",
    "row_inputs",
    "untransformed_nodes",
]


def built_with(function, arrays):
    """The model that `function` builds from arrays, and the shared variables that it was given in their place.

    Parameters
    ----------
    function : callable
        Takes one keyword per array, and returns a ``pymc3.Model``.
    arrays : dict of str to array

    Returns
    -------
    model : pymc3.Model
    inputs : dict of str to shared variable
    """
    inputs = OrderedDict(
        (name, theano.shared(pm.model.pandas_to_array(np.array(value)), name)) for name, value in arrays.items()
    )
    with fast_build():
        model = function(**inputs)
    if not isinstance(model, pm.Model):
        raise ParameterTypeError(
            f"The 'model' parameter must be a pymc3.Model or a function that returns one. {function} returned "
            f"{type(model).__name__}. End it with `return model`."
        )
    return model, inputs


def data_containers(view):
    """Dict name -> shared variable of the ``pm.Data`` containers that the log density reads, in the model's order."""
    read = set(ancestors([term.node for term in view.logp_terms()]))
    return OrderedDict(
        (name, v)
        for name, v in view.model.named_vars.items()
        if isinstance(v, theano.compile.SharedVariable) and v in read
    )


def fixed_data(view, inputs):
    """Digests of the shared variables that the log density reads beside those in `inputs`, in the model's order."""
    read = ancestors([term.node for term in view.logp_terms()])
    besides = [v for v in read if isinstance(v, theano.compile.SharedVariable) and v not in set(inputs.values())]
    return [hashlib.sha256(np.ascontiguousarray(v.get_value(borrow=True)).tobytes()).hexdigest() for v in besides]


def observed_inputs(view):
    """Dict name of an observed variable -> the tensor that holds its values, for other values to take its place.

    Raises
    ------
    ParametrizationError
        For values that are partly missing, and for likelihoods of several arrays.
    """
    found = OrderedDict()
    for variable in view.observed:
        tensors = list(observed_tensors(variable).values())
        if len(tensors) != 1 or missing_index(tensors[0]) is not None:
            raise ParametrizationError(
                f"Other values cannot take the place of those of {variable.name!r}, of which some are missing or which "
                "holds several arrays. Leave out the missing rows, and give each array a variable of its own."
            )
        found[variable.name] = tensors[0]
    return found


def row_inputs(view):
    """What holds a row for every observation: observed values, and the data containers of their length.

    Parameters
    ----------
    view : ModelView

    Returns
    -------
    inputs : dict of str to variable
    arrays : dict of str to array (rows, ...)

    Raises
    ------
    ParametrizationError
        If observed variables have different numbers of rows, or none.
    """
    tensors, containers = observed_inputs(view), data_containers(view)
    arrays = OrderedDict((n, np.asarray(a)) for n, a in observed_arrays(view).items() if n in tensors)
    lengths = {name: array.shape[:1] for name, array in arrays.items()}
    if len(set(lengths.values())) != 1 or () in lengths.values():
        words = ", ".join(f"{name!r} has shape {array.shape}" for name, array in arrays.items()) or "none is observed"
        raise ParametrizationError(
            f"Rows can be left out or repeated only where all observed variables have the same number of them: {words}."
        )
    inputs = OrderedDict((n, v) for n, v in tensors.items() if not set(containers.values()) & set(ancestors([v])))
    arrays = OrderedDict((name, arrays[name]) for name in inputs)
    for name, variable in containers.items():
        value = np.asarray(variable.get_value())
        if value.shape[:1] == next(iter(lengths.values())):
            inputs[name], arrays[name] = variable, value
    return inputs, arrays


@without_test_values
def log_density(view):
    """The log density as one scalar graph of the free variables and the data.

    Raises
    ------
    ParametrizationError
        For models whose data come a batch at a time.
    """
    terms = [term.node for term in view.logp_terms()]
    if is_streamed(view) or reads_rows(terms):
        raise ParametrizationError(
            "A model that is fitted to many data sets must read each of them whole, and this one reads minibatches. "
            "Use pm.Data in place of pm.Minibatch, DataLoader and generators."
        )
    return theano.tensor.add(*terms) if len(terms) > 1 else terms[0]


def untransformed_nodes(view, names=None):
    """Dict name -> variable as users see it, of the free variables or of `names` (deterministics included)."""
    names = [view.untransformed_name(v.name) for v in view.free] if names is None else names
    return OrderedDict((name, view.model.named_vars[name]) for name in names)
