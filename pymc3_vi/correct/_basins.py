"""Other modes: maxima that the chains cannot reach, what share of the mass is around them, and all of them together."""

import itertools

import numpy as np
from scipy import linalg, special

from ..errors import StartError, VariationalInferenceError
from ..model import prior_points
from ._climb import climb, curvature_root
from ._convergence import Errors
from ._evidence import log_evidence
from ._hmc import LARGE_ERRORS, run_chains, superchains
from ._starts import Start

__all__ = ["Basin", "Basins", "find_basins"]

#: Starts drawn from the prior, and around the chains, and how many sds wide the latter are, from least to most.
PRIOR_STARTS, WIDE_STARTS, WIDER = 24, 64, (2.0, 32.0)
#: Largest dimension in which other modes are looked for: maxima say little about mass in more.
LARGEST = 100
#: Share of the mass, by Laplace's approximation and then by evidence, from which a basin counts.
LEAST_SHARE, COUNTS = 1e-3, 0.005
#: How far outside of all draws (their largest distance is 1) a maximum must be to be another one.
OUTSIDE = 1.2
#: Most other maxima that are looked into.
MOST = 5
#: Largest number of components whose exchange is recognised.
COMPONENTS = 6

UNMEASURED = "another maximum of the density was found whose share of the mass could not be measured"


class Basin:
    """A part of the posterior that chains from elsewhere do not reach.

    Attributes
    ----------
    run : Run
    log_evidence, error : float
        Of this part alone.
    share : float
        Of the mass.
    exchanged : list of str
        Variables whose components are exchanged against the first basin (label switching); empty for other modes.
    """

    def __init__(self, run, evidence, exchanged=()):
        self.run, self.exchanged = run, list(exchanged)
        self.log_evidence, self.error = evidence
        self.share = 1.0
        self.reach = Reach(run)


class Reach:
    """What the draws of a run have seen: an ellipsoid by their covariance that holds all of them."""

    def __init__(self, run):
        flat = run.draws.reshape(-1, run.draws.shape[-1])
        self._mean, self._sd = run.errors.mean, run.errors.sd
        away = (flat - self._mean) / self._sd
        cov = np.cov(away.T).reshape(len(self._sd), len(self._sd)) + 1e-9 * np.eye(len(self._sd))
        self._root = linalg.cholesky(cov, lower=True)
        self._farthest = OUTSIDE * self._distances(flat).max()

    def _distances(self, z):
        """Mahalanobis distances of `z` (s, d)."""
        away = (z - self._mean) / self._sd
        return np.linalg.norm(linalg.solve_triangular(self._root, away.T, lower=True), axis=0)

    def holds(self, z):
        """Which of `z` (s, d) are no farther than the draws."""
        return self._distances(z) < self._farthest


class Basins:
    """All basins as one :class:`Run`: chains are taken from each in proportion to its share.

    Attributes
    ----------
    basins : list of Basin
    strata : ndarray (c,) of int
        Basin that each chain is in.
    draws, logp, nested_rhat, errors, tolerance, ended, seconds
        As those of :class:`Run`.
    """

    def __init__(self, basins, generator):
        self.basins = basins
        logs = np.array([b.log_evidence for b in basins])
        shares = special.softmax(logs)
        for basin, share in zip(basins, shares):
            basin.share = float(share)
        runs = [b.run for b in basins]
        first = runs[0]
        sweeps, chains = min(len(r.draws) for r in runs), first.draws.shape[1]
        counts = np.floor(np.cumsum(shares) * chains + 0.5).astype(int)
        counts = np.diff(counts, prepend=0)
        picked = [generator.permutation(r.draws.shape[1])[:k] for r, k in zip(runs, counts)]
        self.draws = np.concatenate([r.draws[-sweeps:][:, p] for r, p in zip(runs, picked)], axis=1)
        self.logp = np.concatenate([r.logp[-sweeps:][:, p] for r, p in zip(runs, picked)], axis=1)
        self.strata = np.repeat(np.arange(len(runs)), counts)
        self.nested_rhat = np.max([r.nested_rhat for r in runs], axis=0)
        self.errors = self._errors(shares, np.array([b.error for b in basins]), [r.errors for r in runs])
        self.tolerance, self.ended = first.tolerance, first.ended
        self.seconds = sum(r.seconds for r in runs)

    @staticmethod
    def _errors(shares, errors, parts):
        """Moments of the mixture, with the errors of the parts and of their shares."""
        share, known = shares[:, None], errors[:, None]
        means, sds = np.array([p.mean for p in parts]), np.array([p.sd for p in parts])
        mean = np.sum(share * means, axis=0)
        away = means - mean
        second = sds**2 + away**2
        sd = np.sqrt(np.sum(share * second, axis=0))
        own, spread = np.array([p.mean_error for p in parts]), np.array([p.sd_error for p in parts])
        mean_error = np.sqrt(np.sum(share**2 * (own**2 + (known * away) ** 2), axis=0))
        inside = (2 * sds * spread) ** 2 + (2 * away * own) ** 2 + (known * (second - sd**2)) ** 2
        sd_error = np.sqrt(np.sum(share**2 * inside, axis=0)) / (2 * sd)
        names = ("drift", "drift_score", "tails")
        return Errors(mean, sd, mean_error, sd_error, *(np.max([getattr(p, n) for p in parts], axis=0) for n in names))

    @property
    def agree(self):
        """As :attr:`Run.agree`, in every basin."""
        return all(basin.run.agree for basin in self.basins)

    def flaws(self):
        """As :meth:`Run.flaws`: what is wrong in any basin, with the errors of the whole."""
        found = {}
        for basin in self.basins:
            for why, where in basin.run.flaws().items():
                found[why] = np.union1d(found.get(why, []), where).astype(int)
        found.pop(LARGE_ERRORS, None)
        large = np.maximum(self.errors.mean_error, self.errors.sd_error) > self.tolerance * self.errors.sd
        if large.any():
            found[LARGE_ERRORS] = np.flatnonzero(large)
        return found

    @property
    def evidence(self):
        """Log evidence of all basins and its standard error."""
        shares, errors = np.array([b.share for b in self.basins]), np.array([b.error for b in self.basins])
        total = special.logsumexp([b.log_evidence for b in self.basins])
        return float(total), float(np.sqrt(np.sum((shares * errors) ** 2)))

    def words(self):
        """The basins in a sentence."""
        parts = []
        for number, basin in enumerate(self.basins):
            how = f", the first with components of {', '.join(basin.exchanged)} exchanged" if basin.exchanged else ""
            parts.append(f"{100 * basin.share:.1f} % ({'that of q' if number == 0 else 'another mode'}{how})")
        return f"The posterior has {len(parts)} separate parts: {'; '.join(parts)}."


def find_basins(approx, run, slopes, generator, *options):
    """:class:`Basins` of the posterior when there are several, else `run`; and complaints.

    From dispersed starts log p is climbed in one batch.  Maxima outside of everything that the chains have seen, with a
    share of the mass that Laplace's approximation thinks is not negligible, get chains of their own, with the `options`
    of :func:`run_chains` from the tolerance on.
    """
    if run.draws.shape[-1] > LARGEST or run.ended not in ("converged", "decided"):
        return run, []
    target, candidates = _other_maxima(approx, run, generator)
    if not candidates:
        return run, []
    basins, complaints = [Basin(run, log_evidence(run, slopes, generator))], []
    for laplace, x, root in sorted(candidates, key=lambda c: -c[0])[:MOST]:
        negligible = laplace - basins[0].log_evidence < np.log(LEAST_SHARE)
        if negligible or any(b.reach.holds(target.points(x[None]))[0] for b in basins):
            continue
        local = target.stretched(x, root)
        places = generator.standard_normal((superchains(run.draws.shape[1]), len(x)))
        start = Start(local.points(places), local.location, local.scale)
        try:
            found = run_chains(start, slopes, 1, generator, *options)
        except VariationalInferenceError:
            continue
        if any(np.any(b.reach.holds(found.draws[-1])) for b in basins):
            continue  # the chains have gone over: no basin of its own
        if not found.finished():
            complaints.append(UNMEASURED)
            continue
        basin = Basin(found, log_evidence(found, slopes, generator))
        basin.exchanged = _exchanged(approx, run, found)
        basins.append(basin)
    whole = Basins(basins, generator)
    basins = [b for k, b in enumerate(basins) if k == 0 or b.share >= COUNTS]
    if len(basins) == 1:
        return run, complaints
    return (whole if len(basins) == len(whole.basins) else Basins(basins, generator)), complaints


def _other_maxima(approx, run, generator):
    """Target in the chains' coordinates, and (log of Laplace's evidence, x, root) of maxima outside of the draws."""
    target = run.target
    d = target.d
    width = np.geomspace(*WIDER, WIDE_STARTS)[:, None]
    wide = run.errors.mean + width * run.errors.sd * generator.standard_normal((WIDE_STARTS, d))
    starts = [target.coordinates(wide)]
    seed = int(generator.integers(2**31 - 1))
    try:
        points = [approx.ordering.flatten(p) for p in prior_points(approx.view, PRIOR_STARTS, seed)]
        starts.append(target.coordinates(np.array(points, dtype="float64")))
    except StartError:  # e.g. flat priors, which nothing can be drawn from
        pass
    starts = np.concatenate(starts)
    x, logp, arrived = climb(target, starts[np.isfinite(starts).all(axis=1)])
    fine = np.flatnonzero(arrived & np.isfinite(logp))
    outside = fine[~Reach(run).holds(target.points(x[fine]))]
    candidates = []
    log_scale = np.linalg.slogdet(target.scale)[1] if target.is_dense else np.sum(np.log(np.abs(target.scale)))
    for i in sorted(outside, key=lambda i: -logp[i]):
        if any(np.linalg.norm(np.linalg.solve(root, x[i] - other)) < 1.0 for _, other, root in candidates):
            continue
        root = curvature_root(target, x[i])
        if root is None:
            continue
        laplace = logp[i] + 0.5 * d * np.log(2 * np.pi) + np.linalg.slogdet(root)[1] + log_scale
        candidates.append((laplace, x[i], root))
    return target, candidates


def _exchanged(approx, first, other):
    """Names of vector variables whose permutation maps the first basin's means to the other's."""
    means = [dict(approx.ordering.unflatten(r.errors.mean)) for r in (first, other)]
    sds = dict(approx.ordering.unflatten(first.errors.sd + other.errors.sd))
    by_length = {}
    for name, value in means[0].items():
        if np.ndim(value) and 2 <= len(value) <= COMPONENTS:
            by_length.setdefault(len(value), []).append(name)
    for length, names in by_length.items():
        for order in itertools.permutations(range(length)):
            order = list(order)
            same = [np.all(np.abs(means[0][n][order] - means[1][n]) < 0.5 * sds[n]) for n in names]
            if order != sorted(order) and all(same):
                return names
    return []
