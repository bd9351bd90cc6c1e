"""Batches of data sets: how they are cut, fitted, and kept on disk."""

import hashlib
import json
from collections import OrderedDict, namedtuple
from itertools import islice
from pathlib import Path

import numpy as np

from ..approximations.gaussian import response_covariances, response_noise
from ..compiler import small_algebra
from ..errors import DataError, FileFormatError, NonFiniteError, UnwritablePathError, VariationalInferenceError
from ..model import ModelView
from ..results import read_container, write_container
from ._collection import error_of, words_of
from ._data_sets import DataSets, as_arrays, key_of
from ._density import BatchDensity
from ._judge import Judge
from ._newton import NewtonForMany, stretch

__all__ = ["Fitter", "Part", "PartFiles", "batches", "opened"]

#: What became of a batch: `arrays` with a row for each data set that was fitted ('positions' among them; None if there
#: is none), `errors`, pairs (position, error) of the others, and `shapes` of the variables by name.
Part = namedtuple("Part", "arrays, errors, shapes")

#: Data sets that are read before they are sorted by shape; data sets of a batch; numbers in the points of a batch.
WINDOW, LARGEST_BATCH, LARGEST_POINTS = 4096, 256, 2**22
#: What an Op raises where the data are not of the sizes or kinds that the model is made for.
UNFIT = (ValueError, IndexError, TypeError, AssertionError, RuntimeError)


def batches(data_sets, inputs, names, largest):
    """Iterator over lists of (position, label, arrays or error), those of one shape side by side.

    Parameters
    ----------
    data_sets : iterator of (label, dict)
    inputs : dict of str to variable
    names : list of str
        What every data set must have.
    largest : int
        Data sets in a list.
    """
    position = 0
    while True:
        window, buckets = list(islice(data_sets, WINDOW)), OrderedDict()
        if not window:
            return
        for label, data_set in window:
            try:
                found = as_arrays(data_set, inputs, names)
                shape = tuple(array.shape for array in found.values())
            except DataError as error:
                found, shape = error, None
            buckets.setdefault(shape, []).append((position, label, found))
            position += 1
        members = [member for bucket in buckets.values() for member in bucket]
        for begin in range(0, len(members), largest):
            yield members[begin : begin + largest]


class Fitter:
    """Fits batches of data sets with what is compiled once.

    Parameters
    ----------
    model : pymc3.Model
    inputs : dict of str to variable
    names : list of str, optional
        Variables of the table.
    diagonal : bool
        Mean field (True) or full rank.
    seed : int
    keep : int
        Draws of every posterior that are kept.
    start : ndarray (d,)
    """

    def __init__(self, model, inputs, names, diagonal, seed, keep, start):
        self.density = density = BatchDensity(ModelView(model), inputs, names)
        self.diagonal, self.start = diagonal, start
        self.newton = NewtonForMany(density, diagonal, seed)
        self.judge = Judge(density, seed, keep)
        self.response_noise = response_noise(density.d, seed)
        self.largest = int(np.clip(LARGEST_POINTS // (self.judge.count * density.d), 1, LARGEST_BATCH))

    def fit(self, batch):
        """:class:`Part` of a batch, as :func:`batches` gives it."""
        errors = [(position, found) for position, _, found in batch if isinstance(found, Exception)]
        batch = [member for member in batch if not isinstance(member[2], Exception)]
        if not batch:
            return Part(None, errors, {})
        positions, labels, arrays = zip(*batch)
        data = DataSets.of(arrays)
        self.density.compile()  # what goes wrong here is no fault of the data
        try:
            with small_algebra(self.density.d):
                return self._fitted(np.array(positions), labels, data, errors)
        except UNFIT as error:
            if isinstance(error, VariationalInferenceError):
                raise
            if len(batch) == 1:
                return Part(None, errors + [(positions[0], _unfit(error, arrays[0]))], {})
        # Only its own data can be blamed on a data set, so each half is tried alone.
        half = len(batch) // 2
        parts = [self.fit(batch[:half]), self.fit(batch[half:])]
        errors = errors + parts[0].errors + parts[1].errors
        parts = [part for part in parts if part.arrays is not None]
        if not parts:
            return Part(None, errors, {})
        return Part({n: np.concatenate([p.arrays[n] for p in parts]) for n in parts[0].arrays}, errors, parts[0].shapes)

    def _fitted(self, positions, labels, data, errors):
        fitted = self.newton.fit(data, self.start)
        there = np.isfinite(fitted.elbo)
        for b in np.flatnonzero(~there):
            errors = errors + [(int(positions[b]), _not_finite(data.arrays(b)))]
        if not there.any():
            return Part(None, errors, {})
        fitted = type(fitted)(*[values[there] for values in fitted])
        data = data[there]
        covariances = np.full((len(fitted.mu), self.density.d, self.density.d), np.nan)
        if self.diagonal:
            z = fitted.mu[:, None] + stretch(self.response_noise, fitted.scale)
            covariances = response_covariances(self.density.slopes(z, data)[1], fitted.scale, self.response_noise)
        keys = [key_of(label) for label, kept in zip(labels, there) if kept]
        facts = self.judge.judge(fitted, covariances, data, keys)
        facts.pop("reliable")
        own = dict(mu=fitted.mu, scale=fitted.scale, elbo=fitted.elbo + self._entropy(), error=fitted.error)
        arrays = dict(facts, positions=positions[there], steps=fitted.steps, n_draws=fitted.draws, **own)
        return Part(arrays, errors, self.judge.shapes)

    def _entropy(self):
        """What log det S lacks of the entropy of q."""
        return 0.5 * self.density.d * (1 + np.log(2 * np.pi))


def _not_finite(data):
    odd = {name: int(np.sum(~np.isfinite(array))) for name, array in data.items() if array.dtype.kind == "f"}
    odd = {name: n for name, n in odd.items() if n}
    words = ", ".join(f"{name!r} has {n} of {data[name].size} values that are not finite" for name, n in odd.items())
    return NonFiniteError(
        "The log density is not finite around the start point, however small the scale of q. "
        + (f"In the data {words}." if words else "Check that the data lie in the support of their distribution."),
        variables=list(odd),
    )


def _unfit(error, data):
    shapes = ", ".join(f"{name!r} {array.shape}" for name, array in data.items())
    return DataError(
        f"The model cannot be evaluated with these data: {str(error).splitlines()[0]} Their shapes: {shapes}. Arrays "
        "of one data set must fit together, and what the model fixes (shapes of variables, numbers of groups) stays."
    )


class PartFiles:
    """A folder in which every fitted batch is a file that is named after what was fitted, and how.

    Parameters
    ----------
    folder : path or None
        None keeps nothing.
    settings : dict
        All that the numbers depend on beside the data, as JSON.
    """

    def __init__(self, folder, settings):
        self.folder = None if folder is None else Path(folder)
        self.settings = json.dumps(settings, sort_keys=True, default=str)

    def path(self, batch):
        """Where the fits of a batch are, or will be."""
        digest = hashlib.sha256(self.settings.encode())
        for position, label, found in batch:
            digest.update(repr((position, key_of(label))).encode())
            for name, array in (found if isinstance(found, dict) else {}).items():
                digest.update(f"{name} {array.dtype} {array.shape}".encode())
                digest.update(np.ascontiguousarray(array).tobytes())
        return self.folder / f"part-{digest.hexdigest()[:32]}.npz"

    def read(self, batch):
        """:class:`Part` that an earlier run has left, or None."""
        if self.folder is None or not self.path(batch).exists():
            return None
        try:
            header, arrays = read_container(self.path(batch))
        except FileFormatError:  # damaged: it is fitted again
            return None
        errors = [(k, error_of(*words)) for k, words in header["errors"]]
        return Part(arrays or None, errors, {name: tuple(shape) for name, shape in header["shapes"]})

    def write(self, batch, part):
        """Keep the :class:`Part` of a batch."""
        if self.folder is None:
            return
        errors = [[int(k), words_of(error)] for k, error in part.errors]
        shapes = [[name, list(shape)] for name, shape in part.shapes.items()]
        header = {"kind": "part of many fits", "errors": errors, "shapes": shapes}
        write_container(self.path(batch), header, part.arrays or {})


def opened(path, seed):
    """`seed`, or the one of the run that the folder `path` was made by; the folder is made where it is missing."""
    if path is None:
        return _fresh() if seed is None else seed
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnwritablePathError(f"{path} cannot be made a folder: {error}. Choose another path.") from error
    if seed is not None:
        return seed
    kept = folder / "seed.npz"
    if not kept.exists():
        write_container(kept, {"kind": "seed of many fits", "seed": _fresh()}, {})
    return read_container(kept)[0]["seed"]


def _fresh():
    return int(np.random.SeedSequence().generate_state(1)[0] >> 1)
