"""The forms in which many data sets come, made one: pairs of a label and a dict of arrays."""

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping

import numpy as np
from theano.graph.basic import Variable

from ..errors import DataError
from ..validation import did_you_mean, require, unknown_name

__all__ = ["DataSets", "as_arrays", "key_of", "labelled"]

FORMS = (
    "a dict of stacked arrays or of lists of arrays, a dict from labels to data sets, a data frame together with by=, "
    "or an iterable of dicts"
)


class DataSets:
    """Arrays of B data sets of any shapes, those of one shape in one stack.

    ``data_sets[rows]`` are some of them, in the order of the integer array `rows` (or a slice), without a copy.

    Parameters
    ----------
    stacks : list of dict of str to ndarray (n, ...)
    stack, row : ndarray (B,) of int
        Where each data set is.
    """

    def __init__(self, stacks, stack, row):
        self._stacks, self._stack, self._row = stacks, stack, row

    @classmethod
    def of(cls, data_sets):
        """Of a list of dicts of str to ndarray, all with the same names."""
        members = OrderedDict()
        for b, data_set in enumerate(data_sets):
            members.setdefault(tuple(array.shape for array in data_set.values()), []).append(b)
        stack, row = np.empty((2, len(data_sets)), dtype=int)
        for k, where in enumerate(members.values()):
            stack[where], row[where] = k, np.arange(len(where))
        stacks = [{n: np.stack([data_sets[b][n] for b in where]) for n in data_sets[0]} for where in members.values()]
        return cls(stacks, stack, row)

    @classmethod
    def stacked(cls, arrays):
        """Of a dict of str to ndarray (B, ...)."""
        count = len(next(iter(arrays.values())))
        return cls([arrays], np.zeros(count, dtype=int), np.arange(count))

    def __len__(self):
        return len(self._stack)

    def __getitem__(self, rows):
        return DataSets(self._stacks, self._stack[rows], self._row[rows])

    def arrays(self, b):
        """Dict of str to ndarray of data set `b`."""
        return {name: array[self._row[b]] for name, array in self._stacks[self._stack[b]].items()}

    def of_one_shape(self):
        """List of (positions, dict of str to ndarray (n, ...)), one for each shape."""
        return [
            (where, {name: array[self._row[where]] for name, array in self._stacks[k].items()})
            for k in np.unique(self._stack)
            for where in [np.flatnonzero(self._stack == k)]
        ]


def labelled(data, names, by=None, caller="fit_many"):
    """Iterator over (label, dict of name to values).

    Parameters
    ----------
    data : dict, DataFrame or iterable
        See :func:`pymc3_vi.fit_many`.
    names : list of str
        What a data set may hold.
    by : str, optional
        Column of a data frame that tells the data sets apart.
    """
    if hasattr(data, "groupby"):
        require(by in list(data.columns), ValueError, "by", caller, "a column of the data frame", by)
        columns = [name for name in data.columns if name != by]
        _check_names(columns, names, caller, "column")
        return ((label, {n: rows[n].to_numpy() for n in columns}) for label, rows in data.groupby(by, sort=False))
    require(by is None, ValueError, "by", caller, "None, unless 'data' is a data frame", by)
    if isinstance(data, Mapping):
        if data and all(isinstance(value, Mapping) for value in data.values()):
            return iter(data.items())
        return _unstacked(data, names, caller)
    is_many = isinstance(data, Iterable) and not isinstance(data, (str, Variable))
    require(is_many, TypeError, "data", caller, FORMS, data)
    return enumerate(data)


def _check_names(found, names, caller, what):
    for name in found:
        if name not in names:
            raise unknown_name(name, names, "data", caller, what)
    require(len(found) > 0, ValueError, "data", caller, f"data for at least one of {', '.join(names)}", found)


def _unstacked(data, names, caller):
    _check_names(list(data), names, caller, "data container")
    for values in data.values():
        is_stack = isinstance(values, (list, tuple)) or np.ndim(values) > 0
        require(is_stack, TypeError, "data", caller, "made of arrays with an axis of data sets, or lists", values)
    counts = {name: len(values) for name, values in data.items()}
    require(
        len(set(counts.values())) == 1, ValueError, "data", caller, "of one length, the number of data sets", counts
    )
    return enumerate(dict(zip(data, values)) for values in zip(*data.values()))


def key_of(label):
    """Four integers that stand for a label, the same in every process."""
    digest = hashlib.sha256(repr(label.item() if isinstance(label, np.generic) else label).encode()).digest()
    return [int(n) for n in np.frombuffer(digest[:16], "<u4")]


def as_arrays(data_set, inputs, names):
    """The values of one data set as arrays of the dtypes of `inputs`, in the order of `names`.

    Raises
    ------
    DataError
        For a name too many or too few, another number of dimensions, and values that the dtype cannot hold.
    """
    if not isinstance(data_set, Mapping):
        raise DataError(f"A data set must be a dict from names to arrays. Got {type(data_set).__name__} instead.")
    for name in data_set:
        if name not in names:
            raise DataError(
                f"The data set has {name!r}, which the others do not have.{did_you_mean(name, names)} Each must have "
                f"{', '.join(names)}."
            )
    return {name: _array(name, data_set, inputs[name]) for name in names}


def _array(name, data_set, variable):
    if name not in data_set:
        raise DataError(f"The data set has no {name!r}, which the others have.")
    try:
        values = np.asarray(data_set[name])
        with np.errstate(all="ignore"):
            array = values.astype(variable.dtype)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name!r} cannot be made an array of {variable.dtype}: {error}") from None
    if array.ndim != variable.ndim:
        raise DataError(
            f"{name!r} has {array.ndim} dimensions (shape {array.shape}), in the model it has {variable.ndim}."
        )
    if array.dtype.kind in "iu" and values.dtype.kind == "f" and not np.array_equal(array, values):
        raise DataError(f"{name!r} must hold whole numbers, as in the model. Got values such as {_odd(values, array)}.")
    return array


def _odd(values, array):
    return values[values != array].flat[0]
