"""Draws of the observed variables given draws of the unobserved ones."""

import types
from contextlib import contextmanager

import numpy as np
import pymc3 as pm
import theano
from theano.graph.basic import Variable, ancestors

from ..compiler import fast_build
from ..data import RowsArray
from ..errors import ParametrizationError
from ..graph import substitute
from ..progress import Progress
from ._data import full_data, is_streamed, observed_tensors, row_columns
from ._random_state import kept_random_state
from ._trace import trace_from_arrays

__all__ = ["predictive_draws"]

#: Values of minibatched data, and of draws, that are in memory at a time.
BLOCK, LARGEST_RESULT = 2**20, 2**24


def predictive_draws(view, arrays, random_seed, rows=None, progressbar=None):
    """One draw of the observed variables for every draw of the unobserved ones; all rows of minibatches.

    Parameters
    ----------
    view : ModelView
    arrays : dict
        Name -> draws (s, ...) of the untransformed free variables and deterministics.
    random_seed : int
        NumPy's global generator, which PyMC3 draws from, is put back afterwards.
    rows : int array, optional
        Ascending numbers of the rows of minibatches that are wanted; default: all.
    progressbar : bool, optional
        Default: a bar that comes after three seconds, for the rows of minibatches.

    Returns
    -------
    dict
        Name of an observed variable -> draws (s, ...), in a temporary file where they are large.

    Raises
    ------
    ParametrizationError
        If the observed values come from a generator, whose rows nobody knows, if minibatches differ in their number
        of rows, or if a ``DensityDist`` was made without `random`.
    """
    if is_streamed(view):
        raise ParametrizationError(
            "Posterior predictive draws need rows of data, but some come from a Python generator, which has given only "
            "batches. Build the model with all data and take the draws there: "
            "pm.sample_posterior_predictive(approx.sample(), model=model)."
        )
    _check_random(view)
    with kept_random_state(), _in_python():
        np.random.seed(int(random_seed))
        columns = row_columns(view)
        if columns:
            return _in_blocks(view, arrays, columns, rows, progressbar)
        return pm.sample_posterior_predictive(trace_from_arrays(view, arrays), model=view.model, progressbar=False)


def _check_random(view):
    for variable in view.observed:
        distribution = variable.distribution
        if isinstance(distribution, pm.DensityDist) and distribution.rand is None:
            raise ParametrizationError(
                f"Posterior predictive draws of {variable.name!r} are not defined: it is a pm.DensityDist, which knows "
                "a density alone. Give it random=..., a function of point and size."
            )


@contextmanager
def _in_python():
    """PyMC3 compiles small functions for the distributions' parameters, which are not worth a compiler.

    Without one, fused expressions would run entry by entry, so the default mode fuses none.  Theano keeps that mode
    from the first function on, whatever its flags say.
    """
    default = theano.compile.mode.instantiated_default_mode
    try:
        with fast_build():
            theano.compile.mode.instantiated_default_mode = theano.Mode(linker="vm", optimizer="fast_compile")
            yield
    finally:
        theano.compile.mode.instantiated_default_mode = default


def _in_blocks(view, arrays, columns, rows, progressbar):
    """Draws with the rows of minibatches in place, block after block."""
    total = _number_of_rows(columns)
    rows = np.arange(total) if rows is None else rows
    width = sum(np.prod(column.shape[1:], dtype=int) for column in columns.values())
    size = max(1, min(BLOCK // max(1, width), LARGEST_RESULT // len(next(iter(arrays.values())))))
    try:
        return _drawn(view, arrays, columns, total, rows, min(size, len(rows)), progressbar)
    except (ValueError, TypeError):
        # Some distributions (mixtures of listed ones) remember the number of rows that they were made with.
        made_with = {np.shape(getattr(m.tag, "test_value", None))[:1] for m in columns}
        if len(made_with) != 1 or made_with in ({()}, {(size,)}):
            raise
        return _drawn(view, arrays, columns, total, rows, made_with.pop()[0], progressbar)


def _drawn(view, arrays, columns, total, rows, size, progressbar):
    """Draws in blocks of exactly `size` rows; the last one repeats its last row."""
    blocks = {m: theano.shared(np.zeros((size,) + c.shape[1:], m.dtype), name=m.name) for m, c in columns.items()}
    free = [view.untransformed_name(v.name) for v in view.free]
    batched = {view.untransformed_name(v.name) for v in view.free if _is_batched(view, v, arrays, total)}
    draws = len(arrays[free[0]])
    depends = {v.name: _depends_on(v, columns) for v in view.observed}
    found, distributions, progress = {}, None, Progress(len(rows), progressbar)
    for begin in range(0, len(rows), size):
        take = rows[np.minimum(np.arange(begin, begin + size), len(rows) - 1)]
        for m, block in blocks.items():
            block.set_value(np.asarray(columns[m].take(take), m.dtype))
        if distributions is None:
            whole = {v.name: blocks if depends[v.name] else full_data(view, [v.logpt]) for v in view.observed}
            distributions = {v.name: _distribution(v, whole[v.name]) for v in view.observed}
        count = min(size, len(rows) - begin)
        for name, distribution in distributions.items():
            if begin and not depends[name]:
                continue
            values = []
            for s in range(draws):
                point = {n: arrays[n][s][take] if n in batched and depends[name] else arrays[n][s] for n in free}
                value = np.asarray(distribution.random(point=point))
                values.append(value[:count] if depends[name] else value)
            values = np.stack(values)
            if not depends[name]:
                found[name] = values
                continue
            if name not in found:
                found[name] = RowsArray(draws, len(rows), values.shape[2:], values.dtype)
            found[name].put(begin, values)
        progress.update(begin + count, "rows with predictive draws")
    return {name: getattr(values, "array", values) for name, values in found.items()}


def _distribution(variable, data):
    """The variable's distribution on other data, with the shape of its values there."""
    distribution = _on(variable.distribution, data, {})
    tensor = next(iter(observed_tensors(variable).values()))
    distribution.shape = tuple(int(n) for n in substitute(tensor.shape, data).eval())
    return distribution


def _number_of_rows(columns):
    rows = sorted((len(column), str(m.name)) for m, column in columns.items())
    if rows[0][0] != rows[-1][0]:
        words = ", ".join(f"{name} {n}" for n, name in rows)
        raise ParametrizationError(
            f"Posterior predictive draws need minibatches that are cut from equally many rows. Got {words}."
        )
    return rows[0][0]


def _is_batched(view, variable, arrays, rows):
    """Whether a free variable has an entry for every row of the batch, and its draws one for every row of the data."""
    drawn = arrays[view.untransformed_name(variable.name)].shape[1:]
    return bool(len(variable.dshape)) and drawn[:1] == (rows,) and int(variable.dshape[0]) != rows


def _depends_on(variable, minibatches):
    return any(node in minibatches for node in ancestors(list(observed_tensors(variable).values())))


def _on(value, replacements, known):
    """Copy of a distribution whose parameters read other data; of lists, dicts and functions of parameters as well."""
    if id(value) in known:
        return known[id(value)]
    if isinstance(value, pm.Distribution):
        known[id(value)] = made = object.__new__(type(value))  # copy.copy would pickle a DensityDist
        vars(made).update({name: _on(part, replacements, known) for name, part in vars(value).items()})
        return made
    if isinstance(value, Variable):
        touched = any(node in replacements for node in ancestors([value]))
        known[id(value)] = substitute(value, replacements) if touched else value
        return known[id(value)]
    if type(value) in (list, tuple):
        return type(value)(_on(part, replacements, known) for part in value)
    if type(value) is dict:
        return {name: _on(part, replacements, known) for name, part in value.items()}
    if isinstance(value, types.MethodType) and isinstance(value.__self__, pm.Distribution):
        return types.MethodType(value.__func__, _on(value.__self__, replacements, known))
    if isinstance(value, types.FunctionType):
        return _function_on(value, replacements, known)
    return value


def _function_on(function, replacements, known):
    """A function that draws, with other data in what it has around it: its closure, and names of its module."""
    known[id(function)] = function
    around = [cell.cell_contents for cell in function.__closure__ or ()]
    cells = [_on(part, replacements, known) for part in around]
    named = {name: function.__globals__[name] for name in function.__code__.co_names if name in function.__globals__}
    named = {name: part for name, part in named.items() if isinstance(part, (Variable, pm.Distribution))}
    names = {name: _on(part, replacements, known) for name, part in named.items()}
    if all(a is b for a, b in zip(cells, around)) and all(names[name] is part for name, part in named.items()):
        return function
    made = types.FunctionType(
        function.__code__,
        {**function.__globals__, **names},
        function.__name__,
        function.__defaults__,
        tuple(types.CellType(part) for part in cells),
    )
    made.__kwdefaults__ = function.__kwdefaults__
    known[id(function)] = made
    return made
