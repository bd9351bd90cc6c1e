"""The fits of one model to many data sets: one row each."""

import html
from collections import OrderedDict

import arviz as az
import numpy as np
import pandas as pd

from .. import errors
from ..diagnostics import REJECT
from ..errors import VariationalInferenceError
from ..parameters import checked
from ..results import read_file, reading, write_container
from ._judge import VERDICTS

__all__ = ["FitCollection", "error_of", "joined", "words_of"]

KIND = "many fits"
#: Arrays with a row for every data set, and those with a column for every value of the variables.
_SCALARS = ("verdict", "khat", "ess", "log_evidence", "elbo", "error", "steps", "n_draws")
_MOMENTS = ("mean", "sd", "response_sd", "corrected_mean", "corrected_sd")
_DRAWS = ("draws", "corrected_draws")


class FitCollection:
    """Fits of one model to many data sets, in the order in which the data came.

    Attributes
    ----------
    labels : list
        What tells the data sets apart: group labels, keys, or positions.
    failed : dict
        Label -> the error of a data set that could not be fitted.
    table : DataFrame
        A row a data set: ``verdict`` ('use', 'correct' or 'reject'), ``khat``, ``ess``, ``log_evidence``, ``elbo``,
        ``error`` (movement of the means with the last draws, in sds), ``steps``, ``n_draws``, ``failure`` (in words),
        and under ``mean``, ``sd``, ``response_sd``, ``corrected_mean`` and ``corrected_sd`` a column for each value
        of each variable.
    mu, scale : ndarray
        Parameters of the approximations on the unconstrained scale: means (n, d), standard deviations (n, d) or
        Cholesky factors (n, d, d).
    compiled : int
        Functions that were compiled; 0 for what comes from a file.
    """

    def __init__(self, labels, shapes, arrays, failed, method, seed):
        self.labels, self.shapes, self.arrays = list(labels), OrderedDict(shapes), dict(arrays)
        self.failed, self.method, self.random_seed = dict(failed), method, seed
        self.compiled = 0

    mu = property(lambda self: self.arrays["mu"])
    scale = property(lambda self: self.arrays["scale"])

    def __len__(self):
        return len(self.labels)

    @property
    def coordinates(self):
        """Names of the values of the variables: ``mu``, ``theta[0]``."""
        found = []
        for name, shape in self.shapes.items():
            found += [f"{name}[{','.join(map(str, i))}]" for i in np.ndindex(*shape)] if shape else [name]
        return found

    @property
    def table(self):
        """See the class."""
        columns = OrderedDict()
        fitted = ~np.isin(np.arange(len(self)), [k for k, label in enumerate(self.labels) if label in self.failed])
        for name in _SCALARS:
            values = self.arrays[name]
            if name == "verdict":
                values = np.where(fitted, np.array(VERDICTS, dtype=object)[values], None)
            columns[name, ""] = values
        words = {label: f"{type(error).__name__}: {error}" for label, error in self.failed.items()}
        columns["failure", ""] = [words.get(label) for label in self.labels]
        for name in _MOMENTS:
            for k, coordinate in enumerate(self.coordinates):
                columns[name, coordinate] = self.arrays[name][:, k]
        frame = pd.DataFrame(columns, index=pd.Index(self.labels, name="data_set", tupleize_cols=False))
        frame.columns = pd.MultiIndex.from_tuples(columns)
        return frame

    def __repr__(self):
        counts = [f"{np.sum(self.table['verdict'] == name):,} {name}" for name in VERDICTS]
        return f"<{len(self):,} fits of {self.method}: {', '.join(counts)}, {len(self.failed):,} failed>"

    def _repr_html_(self):
        return f"<p>{html.escape(repr(self))}</p>{self.table._repr_html_()}"

    @checked
    def draws(self, corrected=False):
        """Dict variable -> kept draws (n, s, ...) of all data sets; NaN for those that failed.

        Parameters
        ----------
        corrected : bool
            Whether the draws are those resampled by importance weights.
        """
        name = _DRAWS[int(bool(corrected))]
        if name not in self.arrays:
            raise VariationalInferenceError("No draws were kept. Fit with draws=100, say.")
        values, found, at = self.arrays[name], OrderedDict(), 0
        for variable, shape in self.shapes.items():
            size = int(np.prod(shape, dtype=int))
            found[variable] = values[:, :, at : at + size].reshape(values.shape[:2] + tuple(shape))
            at += size
        return found

    @checked
    def to_inference_data(self, corrected=False):
        """The kept draws as ``InferenceData``, with a dimension ``data_set`` after chain and draw.

        Parameters
        ----------
        corrected : bool
            Whether the draws are those resampled by importance weights.
        """
        posterior = {n: np.moveaxis(v, 0, 1)[None] for n, v in self.draws(corrected).items()}
        labels = [label if isinstance(label, (int, float, str)) else str(label) for label in self.labels]
        dims = {n: ["data_set", *[f"{n}_dim_{k}" for k in range(len(s))]] for n, s in self.shapes.items()}
        return az.from_dict(posterior=posterior, coords={"data_set": labels}, dims=dims)

    @checked
    def save(self, path):
        """Write all fits to one file, in one stroke."""
        write_container(path, self.header(), self.arrays)

    def header(self):
        """What a file holds beside the arrays, as JSON."""
        return {
            "kind": KIND,
            "labels": [_plain(label) for label in self.labels],
            "shapes": [[name, list(shape)] for name, shape in self.shapes.items()],
            "failed": [[k, *words_of(self.failed[x])] for k, x in enumerate(self.labels) if x in self.failed],
            "method": self.method,
            "random_seed": self.random_seed,
        }

    @classmethod
    @checked
    def load(cls, path):
        """Fits from a file that :meth:`save` wrote."""
        header, arrays = read_file(path, (KIND,))
        with reading(path):
            labels = header["labels"]
            failed = {labels[k]: error_of(name, words) for k, name, words in header["failed"]}
            shapes = [(name, tuple(shape)) for name, shape in header["shapes"]]
            return cls(labels, shapes, arrays, failed, header["method"], header["random_seed"])


def joined(parts, labels, shapes, failed, method, seed, d):
    """:class:`FitCollection` of pairs (positions, arrays); the rows of what failed are NaN.

    Parameters
    ----------
    parts : list of (int array, dict of arrays)
    d : int
        Dimensions, for where nothing was fitted.
    """
    count, width = len(labels), int(sum(np.prod(shape, dtype=int) for shape in shapes.values()))
    shaped = {name: () for name in _SCALARS}
    shaped.update((name, (width,)) for name in _MOMENTS)
    shaped.update(mu=(d,), scale=(d,))
    for _, part in parts[:1]:
        shaped.update((name, values.shape[1:]) for name, values in part.items() if name != "positions")
    arrays = {name: np.full((count,) + shape, np.nan) for name, shape in shaped.items()}
    arrays.update((name, np.zeros(count, dtype=int)) for name in ("steps", "n_draws"))
    arrays["verdict"] = np.full(count, VERDICTS.index(REJECT))
    for positions, part in parts:
        for name in arrays:
            arrays[name][positions] = part[name]
    return FitCollection(labels, shapes, arrays, failed, method, seed)


def _plain(label):
    """A label as JSON has it."""
    label = label.item() if isinstance(label, np.generic) else label
    return label if isinstance(label, (bool, int, float, str)) else str(label)


def words_of(error):
    """Type and message of an error, as text."""
    return [type(error).__name__, str(error)]


def error_of(name, message):
    """The error of :func:`words_of`."""
    return getattr(errors, name, VariationalInferenceError)(message)
