"""Data of a model: the whole behind minibatches, observed values as arrays, their log-likelihood one by one."""

from collections import OrderedDict

import numpy as np
import pymc3 as pm
import theano
import theano.tensor as tt
from pymc3.theanof import GeneratorOp
from theano.graph.basic import ancestors

from ..compiler import compile_function, without_test_values
from ..data import RowsVariable, SharedColumn
from ..errors import ParametrizationError
from ..graph import substitute
from ..validation import warn_user

__all__ = [
    "batch_data",
    "full_data",
    "reads_rows",
    "row_columns",
    "row_numbers",
    "is_streamed",
    "observed_tensors",
    "observed_arrays",
    "pointwise_logp",
    "constant_arrays",
    "data_size",
    "variable_dims",
    "model_coords",
    "warn_of_data",
]


def _behind(view):
    """Everything that the log density is computed from."""
    return list(ancestors([t.node for t in view.logp_terms()]))


def row_columns(view, nodes=None):
    """Dict minibatch or batch of a loader -> column with all its rows; of those that `nodes` read, default: all.

    Where other rows stand for those of the model, what they stand for has them too.
    """
    found = OrderedDict()
    for v in list(view.replaced) + _behind(view) if nodes is None else ancestors(nodes):
        if v in view.replaced:
            new = view.replaced[v]
            found[v] = new.loader.table.columns[new.position]
        elif isinstance(v, pm.Minibatch):
            found[v] = SharedColumn(v.shared)
        elif isinstance(v, RowsVariable):
            found[v] = v.loader.table.columns[v.position]
    return found


def row_numbers(view, rows, what, caller):
    """Numbers of rows of the one data set that a model reads, ascending and each once; refuses others.

    Parameters
    ----------
    view : ModelView
    rows : array of int
    what, caller : str
        Parameter and function that error messages speak of.
    """
    lengths = {len(column) for column in row_columns(view).values()}
    rows = np.unique(np.asarray(rows, dtype="int64"))
    if len(lengths) != 1:
        found = "reads no such rows" if not lengths else f"reads data sets of {sorted(lengths)} rows"
        raise ParametrizationError(
            f"{what} of {caller} is for models that read the rows of one data set by minibatches or a DataLoader. This "
            f"model {found}; leave it out."
        )
    length = lengths.pop()
    if not len(rows) or rows[0] < 0 or rows[-1] >= length:
        got = f"{rows[0]:,} to {rows[-1]:,}" if len(rows) else "none"
        raise ParametrizationError(f"{what} of {caller} must be numbers of rows, 0 to {length - 1:,}. Got {got}.")
    return rows


def full_data(view, nodes=None):
    """Minibatches of a model and the whole data they are cut from; of those that `nodes` read, default: all.

    Returns
    -------
    dict
        ``pm.Minibatch`` variable -> shared variable with all rows; for use with ``substitute``.  The ``total_size``
        scalings become 1 by that.
    """
    return {v: column.whole(v.dtype) for v, column in row_columns(view, nodes).items()}


@without_test_values
def batch_data(view):
    """Minibatches of a model and what they show now, as constants; the random streams behind them stay as they are."""
    batches = list(row_columns(view))
    mode = theano.Mode("py", "fast_compile")
    values = compile_function([], batches, mode=mode, no_default_updates=True)() if batches else []
    return {v: tt.constant(value) for v, value in zip(batches, values)}


def reads_rows(nodes, replaced=()):
    """Whether graphs read minibatches, batches of a loader, or what is `replaced` by such."""
    return any(isinstance(v, (pm.Minibatch, RowsVariable)) or v in replaced for v in ancestors(nodes))


def _streams(view):
    return [v for v in _behind(view) if v.owner is not None and isinstance(v.owner.op, GeneratorOp)]


def is_streamed(view):
    """Whether some data come from a Python generator, so that there is no 'whole data'."""
    return bool(_streams(view))


@without_test_values
def next_items(view):
    """What Python generators of a model give next: their variables, and these items as constants."""
    streams = _streams(view)
    mode = theano.Mode("py", "fast_compile")
    return {v: tt.constant(item) for v, item in zip(streams, compile_function([], streams, mode=mode)())}


def observed_tensors(variable):
    """Dict name -> tensor of the values that an observed variable holds; several for a likelihood of a dict."""
    data = getattr(variable, "data", None)
    if isinstance(data, dict):
        return OrderedDict((f"{variable.name}_{key}", tensor) for key, tensor in data.items())
    return OrderedDict([(variable.name, variable.owner.inputs[0])])


def missing_index(tensor):
    """Index arrays of the missing (imputed) entries of an observed tensor, None when it has none."""
    if getattr(tensor, "missing_values", None) is None:
        return None
    return tuple(index.data for index in tensor.owner.inputs[2:])


@without_test_values
def observed_arrays(view, rows=None):
    """Dict name -> array of the observed values; all rows of minibatches, or `rows`, NaN where values are missing.

    Values that come from a Python generator are left out, and what a likelihood of a dict takes from free variables.
    """
    if is_streamed(view):
        return OrderedDict()
    arrays, nodes = OrderedDict(), OrderedDict()
    free = set(view.free)
    for variable in view.observed:
        for name, tensor in observed_tensors(variable).items():
            if free & set(ancestors([tensor])) and missing_index(tensor) is None:
                continue
            missing = missing_index(tensor)
            if missing is None:
                nodes[name] = tensor
            else:
                arrays[name] = np.array(tensor.owner.inputs[0].data, dtype=theano.config.floatX)
                arrays[name][missing] = np.nan
    if rows is None:
        whole = full_data(view, list(nodes.values()))
    else:
        columns = row_columns(view, list(nodes.values()))
        whole = {v: theano.shared(np.asarray(column.take(rows), v.dtype)) for v, column in columns.items()}
    values = _evaluate([substitute(node, whole) for node in nodes.values()])
    arrays.update(zip(nodes, values))
    names = [name for v in view.observed for name in observed_tensors(v)]
    return OrderedDict((name, arrays[name]) for name in names if name in arrays)


def _evaluate(nodes):
    """Values of `nodes`, which depend on data only, without waiting for a C compiler."""
    return compile_function([], nodes, mode=theano.Mode(linker="py", optimizer=None))() if nodes else []


@without_test_values
def pointwise_logp(view, data=None):
    """Log-likelihood of every single observation, not scaled by ``total_size``.

    Parameters
    ----------
    view : ModelView
    data : dict, optional
        What stands in for minibatches; by default all their rows.

    Returns
    -------
    dict
        Name of the observed variable -> tensor in the shape of its data (of its rows, for multivariate
        distributions), all rows of minibatches; a vector of the entries that are there, when some are missing.
    """
    full = full_data(view) if data is None else data
    nodes = OrderedDict()
    for variable in view.observed:
        node = substitute(variable.logp_elemwiset, full)
        missing = [missing_index(tensor) for tensor in observed_tensors(variable).values()]
        if len(missing) == 1 and missing[0] is not None:
            tensor = next(iter(observed_tensors(variable).values()))
            there = np.ones(tensor.owner.inputs[0].data.shape, dtype=bool)
            there[missing[0]] = False
            node = node[there.nonzero()] if node.ndim == there.ndim else node
        nodes[variable.name] = node
    return nodes


def warn_of_data(view, nodes):
    """Warn of expressions that are observed values, which no draw of the free variables changes."""
    free = set(view.free)
    for node in nodes if isinstance(nodes, (list, tuple)) else [nodes]:
        behind = set(ancestors([node]))
        names = [v.name for v in view.observed if v in behind]
        if names and not behind & free:
            warn_user(
                f"{node} holds the observed values of {', '.join(names)}, not predictions: every draw of it is the "
                "same. Predictions are approx.to_inference_data(posterior_predictive=True) and "
                "pm.sample_posterior_predictive; draws of their mean are those of the expression that the likelihood "
                "was given.",
                UserWarning,
            )


def constant_arrays(view):
    """Dict name -> array of the ``pm.Data`` containers that are not observed values themselves."""
    observed = {id(leaf) for v in view.observed for leaf in ancestors(list(observed_tensors(v).values()))}
    return OrderedDict(
        (name, np.array(v.get_value()))
        for name, v in view.model.named_vars.items()
        if isinstance(v, theano.compile.SharedVariable) and id(v) not in observed and v not in view.replaced
    )


def model_coords(view):
    """Dict dimension -> labels, from ``pm.Model(coords=...)``."""
    return {name: np.asarray(values) for name, values in view.model.coords.items()}


def variable_dims(view):
    """Dict variable -> names of its dimensions, from the ``dims`` arguments in the model."""
    return {name: list(dims) for name, dims in view.model.RV_dims.items()}


def data_size(view):
    """Number of values in all arrays that the log density reads, whole data of minibatches included."""
    behind = _behind(view)
    leaves = (v for v in behind if v.owner is None)
    values = (
        v.get_value(borrow=True) if isinstance(v, theano.compile.SharedVariable) else getattr(v, "data", None)
        for v in leaves
    )
    columns = (v.loader.table.columns[v.position] for v in behind if isinstance(v, RowsVariable))
    own = sum(int(np.prod(column.shape)) for column in columns)
    return own + sum(v.size for v in values if isinstance(v, np.ndarray))
