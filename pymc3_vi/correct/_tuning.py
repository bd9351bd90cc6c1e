"""Step size and length of the trajectories, tuned on all chains at once."""

import numpy as np

from ._chains import LONGEST_STEP

__all__ = ["StepSize", "Length"]

#: Mean acceptance at which Hamiltonian Monte Carlo does best (Beskos et al. 2013 and, for harmonic means over chains,
#: Hoffman, Radul and Sountsov 2021), a little above the theoretical 0.65 because bad places matter more than cost.
TARGET = 0.8


class StepSize:
    """Step size whose harmonic mean acceptance over the chains is :data:`TARGET`.

    Parameters
    ----------
    start : float

    Attributes
    ----------
    stuck : float
        What a chain that does not move counts as accepting: the smaller, the more a few chains in a narrow place
        shorten the steps of all.
    """

    def __init__(self, start):
        self.stuck = 0.1
        self._log = self._average = float(np.log(start))
        self._count = 0

    def update(self, accept):
        """Learn from the acceptance probabilities (c,) of a sweep."""
        self._count += 1
        mean = 1.0 / np.mean(1.0 / np.maximum(accept, self.stuck))
        change = (mean - TARGET) * max(1.5 / np.sqrt(self._count), 0.25)
        self._log = min(self._log + change, float(np.log(LONGEST_STEP)))
        weight = max(1.0 / self._count, 0.15)
        self._average += weight * (self._log - self._average)

    def again(self):
        """The coordinates have changed: learn as fast as in the beginning."""
        self._count = min(self._count, 2)

    @property
    def now(self):
        """Step size for the next sweep of the warm-up."""
        return float(np.exp(self._log))

    @property
    def settled(self):
        """Average of the last ones, for sampling."""
        return float(np.exp(self._average))


class Length:
    r"""Time of integration with the fewest gradients per effective draw of the worst coordinate.

    Along a trajectory that starts at z and would be accepted with probability a(t) at time t, the autocorrelations
    that trajectories of length t have are

    .. math:: \rho(t) = \operatorname{E}\left[a(t) f(z) f(z_t) + (1 - a(t)) f(z)^2\right] / \operatorname{E} f(z)^2

    for every coordinate's :math:`f = z - \bar z` and :math:`f = |z - \bar z| - \overline{|z - \bar z|}`.  Averages go
    over chains and sweeps, so one trajectory tells of all times that it passes.  Chosen is the T that minimises
    :math:`\max_f (1 + \bar\rho) / (1 - \bar\rho)` times the number of steps, with :math:`\bar\rho` over the times
    between T / 2 and T that jittered trajectories end at.

    References
    ----------
    Hoffman, Radul, Sountsov: An Adaptive MCMC Scheme for Setting Trajectory Lengths in Hamiltonian Monte Carlo, AISTATS
    2021: the idea of a criterion (ChEES, of the mean square) over many chains, which ascends its gradient in one T.
    """

    #: Points of the grid of times in a doubling, first time, and number of points.
    PER_OCTAVE, FIRST, POINTS = 4, 0.01, 80
    #: Weight of what was measured before a sweep.
    MEMORY = 0.8

    def __init__(self, d, start=1.6):
        self.now = start
        self._times = self.FIRST * 2.0 ** (np.arange(self.POINTS) / self.PER_OCTAVE)
        self._sums, self._weights = np.zeros((self.POINTS, 2 * d)), np.zeros(self.POINTS)

    def _index(self, time):
        return int(round(np.log2(time / self.FIRST) * self.PER_OCTAVE))

    def watch(self, chains, step, steps):
        """What :meth:`Chains.sweep` is to call at which steps, one for every point of the grid."""
        target = chains.target
        start = target.points(chains.x)
        centre = start.mean(axis=0)
        first = self._features(start, centre)
        middle = first.mean(axis=0)
        first = first - middle
        square = np.mean(first**2, axis=0)
        self._sums *= self.MEMORY
        self._weights *= self.MEMORY

        def record(index, x, accept):
            then = self._features(target.points(x), centre) - middle
            kept = np.einsum("cf,c->f", first**2, 1.0 - accept) / len(first)
            with np.errstate(all="ignore"):
                moved = np.einsum("cf,cf,c->f", first, then, accept) / len(first)
                rho = (kept + moved) / square
            self._sums[index] += np.clip(np.where(np.isfinite(rho), rho, 1.0), -1.0, 1.0)
            self._weights[index] += 1.0

        known = {}
        for k in range(1, steps + 1):
            index = self._index(k * step)
            if 0 <= index < self.POINTS and index not in known:
                known[index] = k
        return {k: lambda x, accept, index=index: record(index, x, accept) for index, k in known.items()}

    @staticmethod
    def _features(z, centre):
        away = z - centre
        return np.concatenate([away, np.abs(away)], axis=1)

    def update(self, step):
        """Choose the length from what has been seen, at most twice the present one."""
        seen = self._weights > 0.05
        rho = np.where(seen[:, None], self._sums / np.maximum(self._weights, 1e-3)[:, None], 1.0)
        best = None
        for last in np.flatnonzero(seen):
            inside = slice(max(last - self.PER_OCTAVE, 0), last + 1)
            if not seen[inside].any():
                continue
            mean = np.clip(rho[inside][seen[inside]].mean(axis=0), 0.0, 0.9999)
            worst = mean.max()
            score = (1 + worst) / (1 - worst) * (1 + 0.75 * self._times[last] / step)
            if best is None or score < best[0]:
                best = score, self._times[last]
        if best is not None:
            self.now = float(np.clip(best[1], self.now / 1.5, 2.0 * self.now))
