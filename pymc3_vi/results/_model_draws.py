"""Draws of all unobserved variables with log p, log q and the log-likelihood of every observation."""

from collections import OrderedDict

import numpy as np
import theano.tensor as tt

from ..compiler import compile_function, without_test_values
from ..core import CORRECTIONS, find_correction
from ..data import RowsArray
from ..diagnostics import (
    ImportanceWeights,
    RowValues,
    changed_data,
    check_data,
    draws_in_memory,
    noise_of,
    psis_resample,
    row_density,
)
from ..errors import ExplicitInferenceError, VariationalInferenceError
from ..graph import made_once, substitute
from ..model import full_data, is_streamed, pointwise_logp, reads_rows
from ..validation import check_positive_int, warn_user
from ._wanted_rows import WantedRows

__all__ = ["ModelDraws"]


class ModelDraws:
    """Draws from an approximation, evaluated in one batched graph; the whole data stand in for minibatches.

    Parameters
    ----------
    approx : Approximation
    draws : int
    caller : str
        Whose parameters error messages speak of.
    log_likelihood : bool, 'subsample' or None
        With 'subsample', of some rows of minibatches; None is True, or where that would be large, 'subsample'.
    correct : {None, 'psis', 'hmc'} or correction
    random_seed : int, optional
    rows : int array, optional
        Ascending numbers of the rows of minibatches whose log-likelihood is wanted.
    to_predict : bool
        Whether the draws are for predictions, and nothing is missed where data are not those of the fit.
    densities : bool
        Whether log p and log q of draws of q are wanted: they read all data for each.

    Attributes
    ----------
    values : dict
        Name of a free (untransformed) variable or deterministic -> draws (s, ...).
    log_likelihood : dict
        Name of an observed variable -> log-likelihood of its values, (s, ...), not scaled by ``total_size``.
    logp, logq : ndarray (s,)
        None where they are not wanted; `logq` also where the approximation does not define it, and for draws of chains.
    weights : ImportanceWeights or None
        Of the draws from q; with ``correct='psis'`` those of the draws that these were picked from.
    z : ndarray (s, d)
        The draws on the unconstrained scale; None for a model of few rows.
    all_rows : int or None
        Number of the rows of a model of many rows.
    sampled_rows : int array or None
        Rows whose log-likelihood there is, where nobody named any and they are not all.
    other_data : bool
        Whether the data are not those of the fit: there are then no densities, weights and log-likelihoods.
    points : CorrectedPoints or None
        Where the draws are neither q's nor picked from them.
    generator : numpy.random.Generator
        Where the draws came from, for what else is random.
    """

    def __init__(
        self,
        approx,
        draws,
        caller,
        log_likelihood=False,
        correct=None,
        random_seed=None,
        rows=None,
        progressbar=None,
        to_predict=False,
        densities=True,
    ):
        self.draws = check_positive_int(draws, "draws", caller)
        correction = find_correction(correct, caller, approx)
        self.corrected = correction is not None
        self.points = None
        self.title = approx.title
        self.generator = approx.generator(random_seed)
        self.other_data = other_data = _other_data(approx, self.corrected, to_predict)
        with_densities = densities and not other_data
        with_data = log_likelihood is not False and not other_data and not _unavailable(approx)
        names = [v.name for v in approx.view.unobserved(include_transformed=False)]
        observed = [v.name for v in approx.view.observed] if with_data else []
        picked, self.weights = None, None
        if correction is CORRECTIONS.get("psis"):
            picked, self.weights = psis_resample(approx, self.draws, self.generator)
        elif self.corrected:
            self.points = correction(approx, self.draws, self.generator)
            self.points.warn("the corrected results", stacklevel=4)
            picked = self.points.parts(approx)
        density = None if other_data else row_density(approx)
        wanted = WantedRows(approx, density, self.draws, caller, log_likelihood, rows) if with_data else None
        self.sampled_rows = None if wanted is None else wanted.sampled
        self.all_rows = None if density is None else density.model.rows
        if wanted is not None and wanted.likelihood is not None:
            density, with_data = wanted.density, False
        in_rows = density is not None
        function = _result_function(approx, tuple(names), with_data, with_densities, self.points is None, in_rows)
        size = approx.draws_per_call(draws, [approx.view.model.named_vars[name] for name in names])
        if with_densities:
            size = self.draws if in_rows and not with_data else draws_in_memory(approx, draws)
        self._function, self._size, self._names = function, size, names
        parts = (function(*eps) for eps in _chunks(approx, self.draws, size, self.generator, picked))
        arrays = _joined(parts, self.draws, len(observed) if with_data else 0)
        self.logp = self.logq = self.z = None
        if with_densities:
            self.logp = np.asarray(arrays.pop(0), dtype="float64")
            if in_rows:  # in place of log p there are the draws
                self.z = self.logp
                self.logp = RowValues(density, approx, self.draws)(self.z)
        if with_densities and approx.has_logq and self.points is None:
            self.logq = np.asarray(arrays.pop(0), dtype="float64")
        self.values = OrderedDict(zip(names, arrays))
        if wanted is not None and wanted.likelihood is not None:
            self.log_likelihood = wanted.values(self.z, progressbar)
        else:
            self.log_likelihood = OrderedDict(zip(observed, arrays[len(names) :]))
        if self.logq is not None and not self.corrected:
            self.weights = _weights(self.logp - self.logq)

    def values_at(self, noise):
        """Like `values`, at other base noise, an array (s, ddim) a group; not for corrected draws."""
        chunks = (slice(k, k + self._size) for k in range(0, len(noise[0]), self._size))
        parts = [self._function(*[array[rows] for array in noise])[-len(self._names) :] for rows in chunks]
        return OrderedDict(zip(self._names, [np.concatenate(p) for p in zip(*parts)]))

    @property
    def khat(self):
        """k-hat of the importance weights; NaN where there are none."""
        return float("nan") if self.weights is None else self.weights.khat

    def require_weights(self, caller):
        """The importance weights; raises where there are none."""
        if self.logq is None:
            raise ExplicitInferenceError(
                f"{caller}(correct='psis') needs importance weights, which need log q, but {self.title} does not "
                "define it. Leave out 'correct'."
            )
        if self.weights is None:
            raise VariationalInferenceError(
                f"{caller}(correct='psis') found no draw with finite log p: {self.title} lies where the model has no "
                "density. Fit again from another start."
            )
        return self.weights

    @property
    def normalized_weights(self):
        """Smoothed importance weights of the draws (s,), with sum 1; equal ones for corrected draws and particles."""
        if self.weights is None or self.corrected:
            return np.full(self.draws, 1.0 / self.draws)
        return self.weights.weights


def _other_data(approx, corrected, to_predict):
    """Whether data have changed since the fit, with a warning if that is missed; for corrected draws an error."""
    changes = changed_data(approx)
    if changes and corrected:
        check_data(approx)
    if changes and not to_predict:
        warn_user(
            f"The model's data are not those of the fit: {', '.join(changes)} changed since. Draws and predictions are "
            "for the new data; log densities, importance weights and log-likelihoods are left out.",
            UserWarning,
        )
    return bool(changes)


def _unavailable(approx):
    """Whether there is no log-likelihood of single observations, with a warning."""
    if not is_streamed(approx.view):
        return False
    warn_user(
        "Data come from a Python generator, so there is no log-likelihood of all observations; it is left out.",
        UserWarning,
    )
    return True


def _weights(log_weights):
    try:
        return ImportanceWeights(np.where(np.isnan(log_weights), -np.inf, log_weights))
    except VariationalInferenceError:  # no draw is possible under p: the draws are still worth looking at
        return None


def _chunks(approx, draws, size, generator, picked):
    """Base noise in parts of `size` draws, which fit into memory: fresh, or that of `picked` draws."""
    replacements = full_data(approx.view) if approx.has_local else {}
    for begin in range(0, draws, size):
        if picked is None:
            yield noise_of(approx, min(size, draws - begin), generator, replacements)
        else:
            yield [array[begin : begin + size] for array in picked]


def _joined(parts, draws, stored):
    """Arrays of all parts, one after the other, the last `stored` of them in a file where they are large."""
    kept, files, begin = [], [], 0
    for part in parts:
        small, large = part[: len(part) - stored], part[len(part) - stored :]
        files = files or [RowsArray(1, draws, array.shape[1:], array.dtype) for array in large]
        for file, array in zip(files, large):
            file.put(begin, array[None])
        begin += len(part[0])
        kept.append(small)
    return [arrays[0] if len(arrays) == 1 else np.concatenate(arrays) for arrays in zip(*kept)] + [
        file.array[0] for file in files
    ]


def _result_function(approx, names, with_data, with_densities, of_noise, in_rows):
    """Compiled function noise (or z) -> log p, log q, variables, log-likelihoods; compiled once per approximation."""
    key = (names, with_data, with_densities, of_noise, in_rows)
    return made_once(approx, "result_function", lambda: _compile(approx, *key), key)


@without_test_values
def _compile(approx, names, with_data, with_densities, of_noise, in_rows):
    named = [approx.view.model.named_vars[name] for name in names]
    # Rows that no variable reads are not asked for: they may not fit into memory.
    replacements = full_data(approx.view) if with_data or not in_rows or reads_rows(named, approx.view.replaced) else {}
    eps = [group.symbolic_initial.type("eps") for group in approx.groups]
    if of_noise:
        terms = approx.terms(eps, batched=True, replacements=replacements)
        z, densities = terms.z, [terms.sized_varlogp + terms.sized_datalogp]
        if approx.has_logq:
            densities.append(terms.sized_logq)
    else:
        logp = substitute(approx.view.logp(), replacements)
        z, densities = eps, [tt.add(*approx.evaluate(logp, eps, batched=True))]
    nodes = list(named)
    if in_rows:
        densities[0] = tt.concatenate(list(z), axis=1)
    if with_data:
        nodes += list(pointwise_logp(approx.view).values())
    if not with_densities:
        densities = []
    nodes = approx.evaluate(substitute(nodes, replacements), z, batched=True)
    return compile_function(eps, densities + nodes, name="results")
