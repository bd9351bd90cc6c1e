"""A model after some rows, for more of them: a Gaussian for what is known, and the likelihood of new rows."""

from collections import OrderedDict
from typing import Any

import numpy as np
import pymc3 as pm
import theano
import theano.tensor as tt
from theano.graph.basic import ancestors

from ..compiler import without_test_values
from ..data import DataLoader, RowsVariable, SharedColumn
from ..errors import DataError, ParametrizationError
from ..graph import substitute
from ..validation import did_you_mean
from ._data import is_streamed
from ._fingerprint import column_digest
from ._inputs import data_containers
from ._rows import NotASum, row_weight
from ._view import LogpTerm, ModelView, scaling_of

__all__ = ["ContinuedView", "matched_rows"]


class ContinuedView(ModelView):
    r"""View of the log density

    .. math:: \log N(z; m, A^{-1}) + \sum_{i \in \text{new rows}} w \log p(y_i \mid z)

    of a model's free variables: what is known from rows before, and new rows.  Prior terms, potentials and other
    likelihoods of the model are in the Gaussian already.

    Parameters
    ----------
    own : ModelView
        Of the model as it is.
    prior : GaussianPrior
    rows : dict
        Minibatch, batch of a loader or data container of the model -> batch of new rows, see :func:`matched_rows`.
    before : list of int
        Numbers of rows of the fit and of every refinement before.

    Raises
    ------
    DataError
        For columns that are missing.
    ParametrizationError
        For a likelihood that is no sum over rows.
    """

    #: View of the model as it is.
    own: Any = None

    def __init__(self, own, prior, rows, before):
        super().__init__(own.model)
        self.own, self.prior, self.before = own, prior, list(before)
        self.replaced = OrderedDict(rows)
        read = {v.name: [b for b in self.replaced if b in set(ancestors([v.logpt]))] for v in own.observed}
        for v in own.observed:
            if read[v.name]:
                _check_whole(own, v, self.replaced)
        self._weights = {v.name: _weight_before(v, read[v.name]) for v in own.observed if read[v.name]}

    @staticmethod
    def rows_of(variable):
        """Number of rows that a model has by itself behind one of its inputs."""
        return len(_column(variable))

    @property
    def loader(self):
        """The new rows."""
        return next(iter(self.replaced.values())).loader

    @property
    def observed(self):
        """Observed variables that have new rows."""
        return [v for v in self.own.observed if v.name in self._weights]

    def with_rows(self, node):
        """`node` with batches of the new rows in place of the model's own rows."""
        return substitute(node, self.replaced)

    def scaling(self, var):
        """What a row of a batch counts, as a symbolic scalar."""
        batch = next(b for b in ancestors([var.logpt]) if b in self.replaced)
        weight = np.asarray(self._weights[var.name] * len(self.loader), dtype=theano.config.floatX)
        return theano.shared(weight, "weight") / tt.cast(batch.shape[0], theano.config.floatX)

    @without_test_values
    def logp_terms(self):
        """The Gaussian, and the likelihoods of the new rows, for which the model's own stand in the graph."""
        terms = [LogpTerm("q of the rows before", "prior", self.prior.node(self.free))]
        data = [(v.name, self.scaling(v) * v.logp_sum_unscaledt) for v in self.observed]
        return terms + [LogpTerm(name, "data", node) for name, node in data]

    @property
    def told(self):
        """How many rows there were, in words."""
        number = len(self.before)
        rows = sum(self.before) + len(self.loader)
        return f"{len(self.loader):,} in refinement {number}, after {sum(self.before):,}: {rows:,} in all"

    def state(self):
        """What a file has of it: all but the rows."""
        digests = sorted(column_digest(v) for v in self.replaced.values())
        return dict(self.prior.to_arrays(), before=self.before, rows=len(self.loader), digests=digests)


def _column(variable):
    """Column with the rows that a model has by itself."""
    if isinstance(variable, RowsVariable):
        return variable.loader.table.columns[variable.position]
    return SharedColumn(variable.shared if isinstance(variable, pm.Minibatch) else variable)


def _weight_before(variable, batches):
    """What a row of the model's own counts."""
    batches = [b for b in batches if isinstance(b, (pm.Minibatch, RowsVariable))]
    try:
        return row_weight(variable.name, scaling_of(variable), batches, [_column(b) for b in batches])
    except NotASum as why:
        raise ParametrizationError(f"New rows cannot take the place of those of {variable.name!r}: {why}.") from None


def _check_whole(own, variable, replaced):
    """Refuse new rows of some of the columns that one likelihood reads."""
    behind = set(ancestors([variable.logpt]))
    length = next(len(_column(b)) for b in replaced if b in behind)
    for name, old in _row_inputs(own):
        if old in behind and old not in replaced and len(_column(old)) == length:
            raise DataError(
                f"The 'data' parameter of refine has no column {name!r}, which {variable.name!r} reads. It must have "
                f"all of {[n for n, v in _row_inputs(own) if v in behind]}."
            )


# ---------------------------------------------------------------------------------------------------- which rows
def _row_inputs(view):
    """Pairs of name and variable: the model's batches of rows, and its data containers of at least one axis."""
    found = []
    for v in ancestors([t.node for t in view.logp_terms()]):
        if isinstance(v, RowsVariable):
            found.append((v.loader.names[v.position], v))
        elif isinstance(v, pm.Minibatch):
            found.append((v.name, v))
    found = sorted(dict.fromkeys(found), key=lambda pair: str(pair[0]))
    containers = [(name, v) for name, v in data_containers(view).items() if v.ndim]
    return found + [(name, v) for name, v in containers if all(getattr(b, "shared", None) is not v for _, b in found)]


def matched_rows(view, data, seed):
    """Batches of new rows for the inputs of a model.

    Parameters
    ----------
    view : ModelView
        Of the model as it is.
    data : DataLoader, or whatever one is made of
        A dict may have the model's own batches and containers as keys.
    seed : int
        Of the order of a loader that is made here.

    Returns
    -------
    dict
        Variable of the model -> batch of new rows.

    Raises
    ------
    DataError
        For columns that are missing or of another shape or type, by name.
    ParametrizationError
        For models that have their rows from elsewhere.
    """
    inputs = _row_inputs(view)
    if not inputs or is_streamed(view):
        raise ParametrizationError(
            "The 'data' parameter of refine is for models whose rows come from pm.Minibatch, pymc3_vi.DataLoader or "
            "pm.Data, which new rows can take the place of. This model has its data built in; put them into pm.Data."
        )
    size = next((b.loader.batch_size for _, b in inputs if isinstance(b, RowsVariable)), None)
    size = next((int(np.shape(b.tag.test_value)[0]) for _, b in inputs if isinstance(b, pm.Minibatch)), size)
    if isinstance(data, dict):
        given = OrderedDict((_named(key, inputs), _plain(value)) for key, value in data.items())
        known = [key for key in given if isinstance(key, theano.graph.basic.Variable)]
        data = DataLoader({_label(key, inputs): value for key, value in given.items()}, size or 128, seed=seed)
        places = [(old, list(given).index(old)) for old in known]
    else:
        data = data if isinstance(data, DataLoader) else DataLoader(_plain(data), size or 128, seed=seed)
        if len(inputs) == 1 and len(data.names) == 1:
            places = [(inputs[0][1], 0)]
        else:
            found = [(_named(name, inputs), k) for k, name in enumerate(data.names)]
            places = [(old, k) for old, k in found if isinstance(old, theano.graph.basic.Variable)]
    if not places:
        names = [name for name, _ in inputs]
        raise DataError(
            f"The 'data' parameter of refine must have columns of the model, which are {names}. Got {data.names}."
            f"{did_you_mean(str(data.names[0]), [str(name) for name in names])}"
        )
    variables = [data] if isinstance(data, RowsVariable) else [data[name] for name in data.names]
    for old, position in places:
        _check_column(_label(old, inputs), _column(old), data.table.columns[position], old.dtype)
    return OrderedDict((old, variables[position]) for old, position in places)


def _named(key, inputs):
    """The model's variable that a key of the new data means, or the key."""
    if isinstance(key, theano.graph.basic.Variable):
        if any(key is v for _, v in inputs):
            return key
        raise DataError(
            f"The 'data' parameter of refine has the key {key}, which is no minibatch, batch of a DataLoader or "
            f"pm.Data of the model. Its columns are {[name for name, _ in inputs]}."
        )
    meant = [v for name, v in inputs if name == key]
    if len(meant) > 1:
        raise DataError(
            f"The 'data' parameter of refine has the column {key!r}, and {len(meant)} minibatches of the model are "
            "called so. Use the minibatches themselves as keys: refine(n, data={x: new_x, y: new_y})."
        )
    return meant[0] if meant else key


def _label(key, inputs):
    """Name for a column; those that are not unique have their place."""
    name = next((n for n, v in inputs if v is key), key)
    places = [k for k, (n, v) in enumerate(inputs) if n == name]
    return name if len(places) < 2 else f"{name} {[k for k in places if inputs[k][1] is key][0]}"


def _plain(value):
    return value.shared.get_value(borrow=True) if isinstance(value, pm.Minibatch) else value


def _check_column(name, old, new, dtype):
    if tuple(new.shape[1:]) != tuple(old.shape[1:]):
        raise DataError(
            f"The column {name!r} of the 'data' parameter of refine must have rows of shape {tuple(old.shape[1:])}. "
            f"Got {tuple(new.shape[1:])} instead."
        )
    if np.dtype(dtype).kind in "iub" and new.dtype.kind == "f":
        raise DataError(
            f"The column {name!r} of the 'data' parameter of refine must hold whole numbers ({dtype}). Got {new.dtype} "
            "instead."
        )
