"""Models whose likelihood is a sum over the rows of minibatches: recognised by what their graphs read."""

from collections import namedtuple

import numpy as np
import theano
import theano.tensor as tt

from ..compiler import compile_function, without_test_values
from ..data import RowsVariable, SharedColumn, Table
from ..graph import shared_inputs, substitute
from ._aligned import batches_behind, check_aligned, random_states

__all__ = ["NotASum", "RowModel", "RowPart", "row_model", "row_weight"]

#: Rows, and relative difference, of the check that a likelihood is a sum.
_ROWS, _ROUNDING = (5, 3), 1e-6

#: Terms that read the same rows: `names` of the variables, `table`, its `inputs` in the graph, and `node`, the scalar
#: that the rows in the inputs add to the log density of the whole data.
RowPart = namedtuple("RowPart", "names, table, inputs, node")


class NotASum(Exception):
    """The log density is no sum over rows; the message says why."""


class RowModel(namedtuple("RowModel", "parts, rest")):
    """A log density as a sum over rows and a rest.

    Attributes
    ----------
    parts : list of RowPart
    rest : list of scalar variables
        Prior terms, potentials, and likelihoods of whole data.
    """

    __slots__ = ()

    @property
    def tables(self):
        """Table of every part."""
        return [part.table for part in self.parts]

    @property
    def rows(self):
        """Number of rows of all parts."""
        return sum(map(len, self.tables))

    @property
    def batch_size(self):
        """Rows that one stochastic step takes."""
        return sum(table.batch_size for table in self.tables)

    def whole_data(self):
        """Dict input -> shared variable of all its rows."""
        return {v: c.whole(v.dtype) for part in self.parts for v, c in zip(part.inputs, part.table.columns)}


@without_test_values
def row_model(view):
    """The log density of a model as a sum over rows.

    Parameters
    ----------
    view : ModelView

    Returns
    -------
    RowModel or None
        None when the model reads no minibatches.

    Raises
    ------
    NotASum
        When it reads some, and is no sum over their rows.
    ParametrizationError
        When one likelihood reads minibatches whose rows do not belong together.
    """
    terms = view.logp_terms()
    if view.replaced:
        return _of_new_rows(view, terms)
    batches = {term.name: batches_behind(term.node) for term in terms}
    if not any(batches.values()):
        return None
    observed = {v.name: v for v in view.observed}
    groups, rest = [], []
    for term in terms:
        inputs = batches[term.name]
        if not inputs:
            rest.append(term.node)
            continue
        if term.kind != "data":
            raise NotASum(f"the {term.kind} term of {term.name!r} reads minibatches")
        _join(groups, observed[term.name], inputs)
    parts = [_part(view, variables, inputs) for variables, inputs in groups]
    return _checked(view, parts, rest)


def _of_new_rows(view, terms):
    """The same where new rows stand for the model's own."""
    inputs = list(view.replaced)
    columns = [view.replaced[v].loader.table.columns[view.replaced[v].position] for v in inputs]
    table = Table(columns, view.loader.batch_size)
    parts = [_weighted_part(view, [v.name for v in view.observed], table, view.observed, inputs)]
    return _checked(view, parts, [term.node for term in terms if term.kind == "prior"])


def _checked(view, parts, rest):
    changing = [v for v in shared_inputs(rest + [p.node for p in _stand_ins(parts)]) if _changes(v)]
    if changing:
        raise NotASum(f"it reads {changing[0].name or changing[0]}, which changes from step to step")
    for part in parts:
        _check_sum(view, part)
    return RowModel(parts, rest)


def _changes(variable):
    return getattr(variable, "default_update", None) is not None


def _shapes(batch):
    return np.shape(batch.tag.test_value), batch.shared.get_value(borrow=True).shape


def _join(groups, variable, inputs):
    """Add a likelihood to the groups that share an input with it, which become one."""
    several = [batch for batch in inputs if len(random_states(batch)) > 1]
    if several:
        raise NotASum(f"{several[0].name}, which {variable.name!r} reads, is a batch of rows and columns")
    shared = [group for group in groups if any(v in group[1] for v in inputs)]
    variables = [v for group in shared for v in group[0]] + [variable]
    known = list(dict.fromkeys([v for group in shared for v in group[1]] + list(inputs)))
    groups[:] = [group for group in groups if group not in shared] + [(variables, known)]
    check_aligned(variable.name, known)


def _part(view, variables, inputs):
    names = [v.name for v in variables]
    if isinstance(inputs[0], RowsVariable):
        whole = inputs[0].loader.table
        table = Table([whole.columns[v.position] for v in inputs], inputs[0].loader.batch_size)
        return _weighted_part(view, names, table, variables, inputs)
    for batch in inputs:
        (shape, whole), streams = _shapes(batch), random_states(batch)
        if not shape or shape[1:] != whole[1:] or len(streams) != 1:
            raise NotASum(f"{batch.name}, which {names[0]!r} reads, is not a batch of rows")
    table = Table([SharedColumn(b.shared) for b in inputs], np.shape(inputs[0].tag.test_value)[0])
    return _weighted_part(view, names, table, variables, inputs)


def _weighted_part(view, names, table, variables, inputs):
    table.check()
    weights = [row_weight(v.name, view.scaling(v), inputs, table.columns) for v in variables]
    summands = [np.asarray(w, dtype=theano.config.floatX) * v.logp_sum_unscaledt for w, v in zip(weights, variables)]
    return RowPart(names, table, list(inputs), tt.add(*summands) if len(summands) > 1 else summands[0])


def row_weight(name, scaling, inputs, columns):
    """What a row counts in the log density of the whole data: ``total_size`` over the rows that there are.

    Parameters
    ----------
    name : str
        Of the likelihood.
    scaling : scalar variable
    inputs : list of variables
        Batches that it reads.
    columns : list
        With all rows of each.
    """
    if not inputs:
        return float(_evaluate(scaling, {}))
    first = [column.read(0, 1) for column in columns]
    weights, length = [], len(columns[0])
    for rows in _ROWS:
        values = {b: np.resize(np.asarray(a, b.dtype), (rows,) + a.shape[1:]) for b, a in zip(inputs, first)}
        weights.append(float(_evaluate(scaling, values)) * rows / length)
    if not np.isclose(weights[0], weights[1], rtol=1e-5):
        raise NotASum(f"the likelihood {name!r} has no total_size")
    return weights[0]


def _evaluate(node, values):
    node = substitute(node, values)
    return compile_function([], node, mode=theano.Mode(linker="py", optimizer=None))()


def _stand_ins(parts):
    return [part._replace(node=substitute(part.node, {v: v.type() for v in part.inputs})) for part in parts]


def _check_sum(view, part):
    """Whether the terms of some rows, and of others, add up to those of all of them."""
    generator = np.random.Generator(np.random.SFC64(1))
    start = view.start()
    stand_ins = [v.type() for v in part.inputs]
    node = substitute(part.node, dict(zip(part.inputs, stand_ins)))
    function = compile_function(
        stand_ins + list(view.free), node, mode=theano.Mode(linker="py", optimizer="fast_compile")
    )
    count = sum(_ROWS)
    rows = np.sort(generator.integers(0, len(part.table), count))
    columns = [np.asarray(column.take(rows), v.dtype) for column, v in zip(part.table.columns, part.inputs)]
    for spread in (0.1, 0.0):
        point = [
            np.asarray(start[v.name] + spread * generator.standard_normal(v.dshape), dtype=v.dtype) for v in view.free
        ]
        try:
            with np.errstate(all="ignore"):
                pieces = [slice(0, _ROWS[0]), slice(_ROWS[0], count), slice(0, count)]
                first, second, both = (float(function(*[c[piece] for c in columns], *point)) for piece in pieces)
        except Exception as error:  # whatever an Op raises where the number of rows is not the one it was made for
            message = str(error).splitlines()[0]
            raise NotASum(f"{part.names[0]!r} cannot be computed for other numbers of rows: {message}") from None
        if np.isfinite([first, second, both]).all():
            if abs(first + second - both) > _ROUNDING * (abs(first) + abs(second) + abs(both)):
                raise NotASum(f"{part.names[0]!r} is no sum of terms of single rows")
            return
