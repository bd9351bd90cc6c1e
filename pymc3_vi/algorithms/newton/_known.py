"""How far the average of Newton steps may be from the optimum, as the steps themselves tell."""

from collections import namedtuple

import numpy as np
from scipy import stats

from ...errors import ConvergenceWarning
from ...validation import warn_user

__all__ = ["FEWEST_DRAWS", "Known", "Targets", "bound", "parts_of", "smallest_curvature"]

#: Distance (largest of means in sds and of log sds) at which a fit ends by itself, and the fewest steps of such a fit.
ENOUGH, LEAST_STEPS = 0.01, 1000

#: Fewest draws that tell an error; most parts of a batch that are looked at apart, and draws of each at least.
FEWEST_DRAWS, MOST_PARTS, PART = 512, 4, 32
#: Blocks of parts: the error is looked at from the first number of them on; at the second, two become one.
FEWEST_BLOCKS, MOST_BLOCKS = 8, 16
#: Chance that any of the values is farther away than the bound.
DOUBT = 0.05
#: Variance of an average with the weights of late iterates over that of the plain one.
LATE_VARIANCE = 1.8
#: Conjugate gradients that look for a curvature smaller than that of the steps, and the length of the differences that
#: they take.
ROUNDS, LENGTH = 10, 0.1
#: A smaller one is in doubt: what a few rounds find of a wide spectrum is not its end.
LEAST_CURVATURE = 0.1


def parts_of(draws):
    """Number of parts of a batch of draws, a power of two as that is."""
    return min(MOST_PARTS, max(draws // PART, 1))


class Targets(namedtuple("Targets", "rows, blocks, per, part, count")):
    """Where each part of a batch would have put the optimum, as sums over blocks of consecutive parts.

    Attributes
    ----------
    rows : int
        Parts so far.
    blocks : ndarray (m, p)
        Sums over complete blocks.
    per : int
        Parts of a block.
    part : ndarray (p,) or None
        Sum over the block that is not complete.
    count : int
        How many it has.
    """

    __slots__ = ()

    @classmethod
    def none(cls):
        """Before the first one."""
        return cls(0, np.empty((0, 0)), 1, None, 0)

    def and_(self, values):
        """With one more; the record itself stays."""
        part = values if self.part is None else self.part + values
        blocks, per, count = self.blocks, self.per, self.count + 1
        if count == per:
            blocks = np.concatenate([blocks.reshape(-1, len(part)), part[None]])
            part, count = None, 0
        if len(blocks) == MOST_BLOCKS:
            blocks, per = blocks[0::2] + blocks[1::2], 2 * per
        return Targets(self.rows + 1, blocks, per, part, count)

    @property
    def can_tell(self):
        """Whether a block has just been completed, and there are enough."""
        return self.count == 0 and len(self.blocks) >= FEWEST_BLOCKS

    def mean(self):
        """(p,)"""
        return self.blocks.sum(axis=0) / (self.per * len(self.blocks))

    def error(self):
        """Standard error of the mean (p,), as between independent blocks."""
        return self.blocks.std(axis=0, ddof=1) / (self.per * np.sqrt(len(self.blocks)))


def bound(targets, average, std):
    r"""How far `average` may be from the optimum, the largest of means in sds and of log sds.

    With :math:`t_b` the mean over block b of where its draws would have put the optimum by a Newton step, each
    value is within :math:`q\, \mathrm{sd}(t_b) / \sqrt m`, where q is the quantile of Student's t at which all values
    together hold with probability 0.95 (Bonferroni).  Blocks of a Sobol sequence cancel further in their sum, so that
    the bound is a generous one.

    Parameters
    ----------
    targets : Targets
        Of means and log sds, (2 d,).
    average : ndarray (2 d,)
        The same of the result.
    std : ndarray (d,)
        Standard deviations of q.

    References
    ----------
    Flegal, Jones: Batch means and spectral variance estimators in Markov chain Monte Carlo, Ann. Stat. 38(2), 2010.
    """
    with np.errstate(all="ignore"):
        quantile = stats.t.isf(DOUBT / (2 * len(average)), len(targets.blocks) - 1)
        off = np.maximum(quantile * np.sqrt(LATE_VARIANCE) * targets.error(), np.abs(targets.mean() - average))
        off[: len(std)] /= std
        worst = float(np.max(off))
    return worst if np.isfinite(worst) else np.inf


def smallest_curvature(slope, x, inverse, random):
    """Smallest eigenvalue of the Hessian at `x` in units of what `inverse` takes for it, as conjugate gradients see it.

    Where it is far below 1, steps are too short by its inverse, and so is any error that is measured by them.  0 where
    the Hessian is not positive.

    Parameters
    ----------
    slope : callable
        Gradient at coordinates, at fixed draws.
    x : ndarray
    inverse : InverseHessian
    random : numpy.random.Generator

    References
    ----------
    Golub, Van Loan: Matrix Computations, 2013, section 10.2 (the tridiagonal matrix of conjugate gradients).
    """
    at = slope(x)
    residual = random.standard_normal(len(x))
    direction = ahead = inverse.times(residual)
    square = begin = residual.dot(ahead)
    diagonal, beside, before, ratio = [], [], np.inf, 0.0
    for _ in range(min(ROUNDS, len(x))):
        length = LENGTH / np.linalg.norm(direction)
        bent = (slope(x + length * direction) - at) / length
        curvature = direction.dot(bent)
        if not curvature > 0:
            return 0.0
        step = square / curvature
        diagonal.append(1 / step + ratio / before)
        residual = residual - step * bent
        ahead = inverse.times(residual)
        new = residual.dot(ahead)
        if not new > 1e-12 * begin:
            break
        ratio, before, square = new / square, step, new
        beside.append(np.sqrt(ratio) / step)
        direction = ahead + ratio * direction
    matrix = np.diag(diagonal)
    entries = np.arange(len(diagonal) - 1)
    matrix[entries, entries + 1] = matrix[entries + 1, entries] = beside[: len(entries)]
    smallest = float(np.linalg.eigvalsh(matrix)[0])
    return smallest if np.isfinite(smallest) else 0.0


class Known(namedtuple("Known", "tolerance, default, targets, looked_at, curvature, distance")):
    """What is known of the distance between the result and the optimum; changes make another record.

    Attributes
    ----------
    tolerance : float or None
        Distance at which a fit ends; None when it makes all its steps.
    default : bool
        Whether nobody asked for this tolerance.
    targets : Targets
        Of the batches since the warm start.
    looked_at : int
        Their number at the last look.
    curvature : float or None
        :func:`smallest_curvature`, once it has been looked for.
    distance : float
        :func:`bound` over that curvature; infinite as long as it is in doubt.
    """

    __slots__ = ()

    def __new__(cls, tolerance=None, default=True, targets=None, looked_at=0, curvature=None, distance=np.inf):
        targets = Targets.none() if targets is None else targets
        return super().__new__(cls, tolerance, default, targets, looked_at, curvature, distance)

    def aimed_at(self, tolerance):
        """With another tolerance, 'auto' or None."""
        default = tolerance in (None, "auto")
        return self._replace(tolerance=ENOUGH if tolerance == "auto" else tolerance, default=default)

    def forgotten(self):
        """Before the first batch of another log density or warm start."""
        return Known(self.tolerance, self.default)

    # ---------------------------------------------------------------- looking
    def is_asked(self, planned):
        """Whether a fit of so many steps may end before."""
        return self.tolerance is not None and planned >= LEAST_STEPS

    def with_targets(self, values):
        """With the means and log sds of the Newton steps by the parts of one more batch."""
        targets = self.targets
        for row in values:
            targets = targets.and_(row)
        return self._replace(targets=targets)

    def is_due(self, planned):
        """Whether there is something new to look at."""
        return self.is_asked(planned) and self.targets.can_tell and self.targets.rows != self.looked_at

    def looked(self, values, slope, x, inverse, seed):
        """With a new distance.

        Parameters
        ----------
        values : ndarray (2 d,)
            Means and log sds of the result.
        slope : callable or None
            See :func:`smallest_curvature`; None where the steps cannot tell how far they are.
        x : ndarray
            Coordinates of the result.
        inverse : InverseHessian
        seed : int
        """
        distance, curvature = np.inf, self.curvature
        if slope is not None:
            distance = bound(self.targets, values, np.exp(values[len(values) // 2 :]))
            if curvature is None and distance <= self.tolerance:
                curvature = smallest_curvature(slope, x, inverse, np.random.Generator(np.random.SFC64(seed)))
        sure = curvature is not None and curvature >= LEAST_CURVATURE
        distance = distance / min(curvature, 1.0) if sure else np.inf
        return self._replace(looked_at=self.targets.rows, curvature=curvature, distance=distance)

    def is_enough(self, planned):
        """Whether a fit of so many steps ends here."""
        return self.is_asked(planned) and self.distance <= self.tolerance

    # ---------------------------------------------------------------- words
    @property
    def words(self):
        """The distance, for a description; empty where it is not known."""
        return f", within {_rounded(self.distance)} sd of the optimum" if np.isfinite(self.distance) else ""

    def ending(self, done, planned):
        """Why a fit ended after `done` of its steps; None if it is not by itself."""
        if not self.is_enough(planned):
            return None
        ways = "tol=None makes all steps" if self.default else f"tol={self.tolerance:g}"
        return f"the optimum is known to {_rounded(self.distance)} sd after {done:,} of {planned:,} steps ({ways})"

    def warn_if_far(self, planned):
        """Warn where a tolerance that was asked for has not been reached by all steps.

        Warns
        -----
        ConvergenceWarning
        """
        if self.default or self.distance <= self.tolerance:
            return
        state = f"known to {_rounded(self.distance)} sd" if np.isfinite(self.distance) else "not known how far it is"
        state = "too few steps to tell" if planned < LEAST_STEPS else state
        warn_user(
            f"The fit used all its steps without converging to tol={self.tolerance:g}: {state}. Call refine(n) for "
            "more steps, raise n or obj_n_mc, or accept a larger tol.",
            ConvergenceWarning,
        )

    # ---------------------------------------------------------------- state
    def snapshot(self):
        """As a dict of arrays, numbers and lists."""
        rows, blocks, per, part, count = self.targets
        numbers = [int(v) for v in (rows, per, count, self.looked_at)]
        distance = float(self.distance) if np.isfinite(self.distance) else None
        return dict(
            tolerance=self.tolerance, default=bool(self.default), numbers=numbers, blocks=blocks, part=part,
            curvature=self.curvature, distance=distance,
        )  # fmt: skip

    @classmethod
    def restored(cls, state, asked):
        """From a :meth:`snapshot`, with the tolerance of the record `asked`."""
        rows, per, count, looked_at = state["numbers"]
        targets = Targets(rows, np.asarray(state["blocks"]), per, state["part"], count)
        distance = np.inf if state["distance"] is None else state["distance"]
        return cls(asked.tolerance, asked.default, targets, looked_at, state["curvature"], distance)


def _rounded(distance):
    return "0.0001" if distance < 1e-4 else f"{distance:.1g}"
