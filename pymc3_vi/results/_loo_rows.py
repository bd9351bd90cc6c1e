"""Leave-one-out cross-validation of many rows, from a sample of them."""

import arviz as az
import numpy as np
from scipy.special import logsumexp

from ..data import spread_rows
from ..errors import ParametrizationError
from ..progress import Progress
from ..validation import unknown_name
from ._wanted_rows import row_likelihood

__all__ = ["RowScores", "scores_of"]

#: Rows of the first sample and of the largest, draws of the approximation of the other rows, numbers at once.
SAMPLE, LARGEST_SAMPLE, FEW_DRAWS, AT_ONCE = 4000, 64_000, 32, 2**22
#: The sample grows until its standard error is this part of that of the estimate itself.
ENOUGH = 0.1


def scores_of(log_weights, likelihood):
    """Leave-one-out scores, scores of the whole data, k-hats and smoothed weights of observations (..., s)."""
    smoothed, khat = az.psislw(log_weights - likelihood)
    scores = logsumexp(np.asarray(smoothed) + likelihood, axis=-1)
    return scores, np.asarray(khat), np.asarray(smoothed)


class RowScores:
    r"""Scores of all rows: exact ones of a sample, and for the others an approximation that the sample corrects.

    With :math:`\tilde\pi_i` the importance-sampling score of row i at a few draws, and :math:`\pi_i` that of all draws
    with smoothed weights,

    .. math:: \widehat{\mathrm{elpd}} = \sum_{i=1}^N \tilde\pi_i
              + \frac Nm \sum_{i \in S} (\pi_i - \tilde\pi_i),

    whose standard error from the sample, :math:`N \sqrt{(1 - m/N)\, s^2 / m}` with s the standard deviation of the
    differences, is small where few draws say nearly what all do.

    Parameters
    ----------
    approx : Approximation
    model : RowModel
    name : str or None
        Observed variable.
    z : ndarray (s, d)
        Draws.
    log_weights : ndarray (s,)
        log p - log q at them.
    subsample : int or None
        Rows of the sample; by default as many as make its error small beside the other one.
    harmless : callable
        ``(log_weights, likelihood) -> mask``, see :func:`pymc3_vi.loo`.
    progressbar : bool, optional

    Attributes
    ----------
    scores : ndarray (N,)
        Their sum is the estimate.
    khat : ndarray (N,)
        NaN outside of the sample.
    p_loo, error : float
        Effective number of parameters; standard error that the sample leaves.
    rows : ndarray (m,)
    unreliable : int
        Sampled rows whose weights cannot be trusted.

    References
    ----------
    Magnusson, Andersen, Jonasson, Vehtari: Leave-One-Out Cross-Validation for Bayesian Model Comparison in Large Data,
    AISTATS 2020, equations 6 to 8.
    """

    def __init__(self, approx, model, name, z, log_weights, subsample, harmless, progressbar=None):
        self.likelihood = row_likelihood(approx, model)
        self.name = self._only(name)
        self.z, self.log_weights, self.harmless, self.progressbar = z, log_weights, harmless, progressbar
        self.whole = log_weights - logsumexp(log_weights)
        self.length = len(self.likelihood.tables[self.name])
        rough = self._rough()
        count = min(SAMPLE if subsample is None else subsample, self.length)
        while True:
            self._sample(count, rough)
            spread = np.sqrt(self.length) * np.std(self.scores)
            if subsample is not None or self.error <= ENOUGH * spread or 4 * count > min(LARGEST_SAMPLE, self.length):
                return
            count *= 4

    def _only(self, name):
        names = [n for n, table in self.likelihood.tables.items() if table is not None]
        if name is None and len(self.likelihood.tables) == 1:
            return names[0]
        if name not in self.likelihood.tables:
            raise unknown_name(name, list(self.likelihood.tables), "var_name", "loo", "log-likelihood")
        if name not in names:
            raise ParametrizationError(f"The observed variable {name!r} reads no rows of minibatches to sample.")
        return name

    def _rough(self):
        """Approximate score of every row, at a few draws with large weights' equals."""
        generator = np.random.Generator(np.random.SFC64(1))
        weights = np.exp(self.whole)
        few = generator.choice(len(self.z), FEW_DRAWS, p=weights / weights.sum())
        found, progress = np.empty(self.length), Progress(self.length, self.progressbar)
        for first, values in self.likelihood.blocks(self.name, self.z[few]):
            values = values.reshape(values.shape[:2] + (-1,)).sum(axis=-1)
            found[first : first + values.shape[1]] = np.log(FEW_DRAWS) - logsumexp(-values, axis=0)
            progress.update(first + values.shape[1], "scores at few draws")
        return found

    def _sample(self, count, rough):
        rows = spread_rows(count, self.length, 2) if count < self.length else np.arange(self.length)
        size = max(AT_ONCE // len(self.z), 1)
        scores, inside, khat, self.unreliable = [], [], [], 0
        progress = Progress(count, self.progressbar)
        for begin in range(0, count, size):
            values = self.likelihood.values(self.name, self.z, rows[begin : begin + size])
            values = values.reshape(values.shape[:2] + (-1,)).sum(axis=-1).T.astype("float64")
            found, k, smoothed = scores_of(self.log_weights, values)
            self.unreliable += int(np.sum(self.harmless(k, smoothed, values)))
            scores.append(found)
            khat.append(k)
            inside.append(logsumexp(self.whole + values, axis=-1))
            progress.update(min(begin + size, count), "scores at all draws")
        scores, inside = np.concatenate(scores), np.concatenate(inside)
        away = scores - rough[rows]
        self.rows, self.scores = rows, rough + away.mean()
        self.scores[rows] = scores
        self.khat = np.full(self.length, np.nan)
        self.khat[rows] = np.concatenate(khat)
        self.p_loo = float(self.length * np.mean(inside - scores))
        left = max(1.0 - count / self.length, 0.0)
        self.error = float(self.length * np.sqrt(left * np.var(away, ddof=1) / count)) if count > 1 else np.inf
