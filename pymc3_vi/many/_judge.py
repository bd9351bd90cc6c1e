"""What each of many fits is worth: importance weights of heavy-tailed draws, corrected moments, a verdict."""

from collections import OrderedDict

import numpy as np
from scipy import special
from scipy.stats import qmc

from ..diagnostics import CORRECT, REJECT, USE, ImportanceWeights
from ..errors import VariationalInferenceError
from ._newton import log_det, std, stretch

__all__ = ["Judge", "VERDICTS"]

VERDICTS = (USE, CORRECT, REJECT)

#: Draws that a fit is judged by, and degrees of freedom of the distribution that they come from.
DRAWS, FREEDOM = 1024, 7.0
#: Means (in sds) and sds (relative) of q that are as good as corrected ones.
CLOSE = 0.1
_TINY = 2.0**-40


class Judge:
    r"""Compares fits with importance-weighted draws, and gives moments and draws of the variables as users see them.

    The weighted draws come from a multivariate t distribution around q, with the covariance of q or, for mean field,
    that of its linear response: its tails are heavier than those of most posteriors, so that few weights are large.
    The noise is a Sobol sequence, moved at random for each data set (Cranley and Patterson 1976).

    Parameters
    ----------
    density : BatchDensity
    seed : int
    keep : int
        Draws of every posterior that are kept.
    """

    def __init__(self, density, seed, keep):
        self.density, self.seed, self.keep = density, int(seed), keep
        self.count = max(DRAWS, 2 ** int(np.ceil(np.log2(max(keep, 1)))))
        generator = np.random.Generator(np.random.SFC64(self.seed))
        self.points = qmc.Sobol(density.d, scramble=True, seed=generator).random(self.count)
        levels = (generator.permutation(self.count) + 0.5) / self.count
        self.radii = np.sqrt(0.5 * FREEDOM / special.gammaincinv(0.5 * FREEDOM, levels))

    def judge(self, fitted, covariances, data, keys):
        """Dict of arrays (B, ...) of the fits of B data sets.

        Parameters
        ----------
        fitted : Fitted
        covariances : ndarray (B, d, d)
            Of what is drawn and weighted, and of ``response_sd``; NaN where those of q must do.
        data : DataSets of length B
        keys : list of list of int
            Names the random stream of each data set.
        """
        generators = [np.random.Generator(np.random.SFC64([self.seed, *key])) for key in keys]
        shifts = np.array([g.random(self.density.d) for g in generators])
        eps = special.ndtri(np.clip((self.points + shifts[:, None]) % 1.0, _TINY, 1 - _TINY))
        root, responds = _roots(fitted.scale, covariances)
        tailed = eps * self.radii[:, None]
        z = fitted.mu[:, None] + stretch(tailed, root)
        logp = self.density.slopes(z, data)[0]
        half = 0.5 * (FREEDOM + self.density.d)
        logq = -log_det(root)[:, None] - half * np.log1p(np.sum(tailed**2, axis=2) / FREEDOM) + self._constant()
        weights, picks, facts = self._weights(logp - logq, generators)
        facts["verdict"] = _verdicts(fitted, z, weights, facts)
        plain = self._seen(fitted.mu[:, None] + stretch(eps, fitted.scale), data)
        response = self._seen(fitted.mu[:, None] + stretch(eps, root), data)
        corrected = self._seen(z, data)
        facts["mean"], facts["sd"] = plain.mean(axis=1), plain.std(axis=1)
        facts["response_sd"] = np.where(responds[:, None], response.std(axis=1), np.nan)
        facts["corrected_mean"] = np.einsum("bs,bsk->bk", weights, corrected)
        apart = corrected - facts["corrected_mean"][:, None]
        facts["corrected_sd"] = np.sqrt(np.einsum("bs,bsk->bk", weights, apart**2))
        if self.keep:
            facts["draws"] = _picked(plain, [g.permutation(self.count)[: self.keep] for g in generators])
            facts["corrected_draws"] = _picked(corrected, picks)
        return facts

    def _constant(self):
        d = self.density.d
        return special.gammaln(0.5 * (FREEDOM + d)) - special.gammaln(0.5 * FREEDOM) - 0.5 * d * np.log(FREEDOM * np.pi)

    def _seen(self, z, data):
        """Values (B, s, k) of the variables as users see them, side by side."""
        with np.errstate(all="ignore"):
            parts = self.density.values(z, data)
        self.shapes = OrderedDict((name, part.shape[2:]) for name, part in parts.items())
        return np.concatenate([np.asarray(p, "float64").reshape(p.shape[:2] + (-1,)) for p in parts.values()], axis=2)

    def _weights(self, raw, generators):
        """Normalised weights (B, s), indices of draws picked by them, and what they say of the draws."""
        raw = np.where(np.isnan(raw), -np.inf, raw)
        weights, facts = np.full(raw.shape, 1.0 / raw.shape[1]), {}
        picks = [np.arange(self.keep)] * len(raw)
        for name, value in (("khat", np.inf), ("ess", 0.0), ("log_evidence", np.nan), ("reliable", False)):
            facts[name] = np.full(len(raw), value)
        for b, row in enumerate(raw):
            try:
                found = ImportanceWeights(row)
            except VariationalInferenceError:  # no draw at which log p is finite
                continue
            weights[b], facts["khat"][b], facts["ess"][b] = found.weights, found.khat, found.ess
            facts["log_evidence"][b], facts["reliable"][b] = found.log_z, found.reliable or found.nearly_equal
            picks[b] = found.resample(self.keep, generators[b])
        return weights, picks, facts


def _roots(scale, covariances):
    """Cholesky factors (B, d, d) of `covariances`, or scales of q where there are none, and which are which."""
    roots = scale.copy() if scale.ndim == 3 else scale[:, :, None] * np.eye(scale.shape[1])
    responds = np.isfinite(covariances).all(axis=(1, 2))
    if responds.any():
        roots[responds] = np.linalg.cholesky(covariances[responds])
    return roots, responds


def _verdicts(fitted, z, weights, facts):
    """Positions in `VERDICTS` (B,): whether q, or its weighted draws, can be used."""
    mean = np.einsum("bs,bsd->bd", weights, z)
    apart = z - mean[:, None]
    sd = np.sqrt(np.einsum("bs,bsd->bd", weights, apart**2))
    with np.errstate(all="ignore"):
        units = apart / sd[:, None]
        mean_error = np.sqrt(np.einsum("bs,bsd->bd", weights**2, units**2))
        sd_error = 0.5 * np.sqrt(np.einsum("bs,bsd->bd", weights**2, (units**2 - 1) ** 2))
        close = np.abs(fitted.mu - mean) / sd - 2 * mean_error < CLOSE
        close &= np.abs(std(fitted.scale) / sd - 1) - 2 * sd_error < CLOSE
    good = facts["reliable"] & fitted.solved
    return np.where(good, np.where(close.all(axis=1), 0, 1), 2)


def _picked(values, indices):
    return np.stack([rows[index] for rows, index in zip(values, indices)])
