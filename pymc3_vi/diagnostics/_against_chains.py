"""q against corrected draws: where means, standard deviations and quantiles differ, and what to do about it."""

from collections import namedtuple

import numpy as np

from ..approximations.gaussian import GaussianBlocks
from ._moments import CLOSE_MEAN, CLOSE_SD, Extreme
from ._verdict import CORRECT, USE, Verdict, steps_advice, without_correction

__all__ = ["ChainCheck", "Question", "differ", "judge_by_chains", "moments", "own_moments"]

#: Quantiles that are compared, and the density of a standard normal at them (for their errors).
QUANTILES, DENSITY = (0.05, 0.95), 0.1031
#: Standard errors beyond which moments differ though chains have not made all the draws they want; shape of the tails
#: of squares from which an sd of draws is none of the posterior.
BEYOND_DOUBT, HEAVIEST = 4.0, 0.5


class ChainCheck:
    """What ``approx.diagnose`` finds with corrected draws.

    Attributes
    ----------
    reliable : bool
        Whether the chains have converged everywhere.
    decides : bool
        Whether the verdict is by the chains: they are reliable, or agree with each other and q is not theirs beyond
        doubt.
    complaints : list of str
        Where they have not.
    nested_rhat : float
        The largest of all coordinates.
    mean, sd : ndarray (d,)
        Of the corrected draws, on the unconstrained scale.
    log_evidence, log_evidence_error : float
        By bridge sampling.
    mean_shift, sd_ratio, quantile_shift : Extreme
        Coordinate where q's mean (in sds of the corrected draws), sd (over theirs), or 5 or 95 % quantile (in their
        sds) is farthest from that of the corrected draws, beyond two standard errors of both.
    seconds : float
        What the chains took.

    Parameters
    ----------
    points : ChainDraws
    z : ndarray (s, d)
        Draws from q.
    own : Moments
        Of q on the unconstrained scale.
    evidence : (float, float)
    constrained : callable
        From points (..., d) to the constrained values (..., k) of transformed variables, with ``labels``: those users
        read, and an sd that is 10 % short may be 15 % short there.
    """

    def __init__(self, points, z, own, evidence, constrained):
        run = points.run
        self.reliable, self.complaints = points.reliable, points.complaints()
        self.decides = self.reliable or points.agree and differ(own, run.errors)
        self.nested_rhat, self.seconds = float(np.max(points.nested_rhat)), run.seconds
        self.log_evidence, self.log_evidence_error = evidence
        errors, sd, labels = run.errors, run.errors.sd, points.labels
        self.mean, self.sd = errors.mean, sd
        of_users = _differences(moments(constrained(z)), points.errors_of(constrained))
        shift, shift_error, ratio, ratio_error = (
            np.concatenate(pair) for pair in zip(_differences(own, errors), of_users)
        )
        self.mean_shift = _worst(labels + constrained.labels, shift, shift_error)
        self.sd_ratio = _worst(labels + constrained.labels, ratio, ratio_error, 1.0)
        theirs = run.draws.reshape(-1, run.draws.shape[-1])
        away = np.abs(np.quantile(z, QUANTILES, axis=0) - np.quantile(theirs, QUANTILES, axis=0)).max(axis=0) / sd
        worth = np.minimum((sd / errors.mean_error) ** 2, len(theirs))
        error = np.sqrt(QUANTILES[0] * QUANTILES[1] * (1 / len(z) + 1 / worth)) / DENSITY
        self.quantile_shift = _worst(labels, away, error)

    def rows(self):
        """Pairs of label and value for the report."""
        shift, ratio, tail = self.mean_shift, self.sd_ratio, self.quantile_shift
        return [
            ("corrected by chains", f"nested R-hat {self.nested_rhat:.3f}, {self.seconds:.1f} s"),
            ("log evidence, bridge", f"{self.log_evidence:.3f} +- {self.log_evidence_error:.3f}"),
            ("mean off by", f"{shift.value:.2f} +- {shift.error:.2f} sd ({shift.name})"),
            ("sd off by a factor of", f"{ratio.value:.2f} +- {ratio.error:.2f} ({ratio.name})"),
            ("5 or 95 % off by", f"{tail.value:.2f} +- {tail.error:.2f} sd ({tail.name})"),
        ]


class Moments(namedtuple("Moments", "mean, sd, mean_error, sd_error")):
    """Means and standard deviations, with standard errors."""

    __slots__ = ()


def moments(z):
    """:class:`Moments` of the draws `z` (s, d)."""
    mean = z.mean(axis=0)
    squares = (z - mean) ** 2
    sd = np.sqrt(np.maximum(squares.mean(axis=0), np.finfo("float64").tiny))
    return Moments(mean, sd, sd / np.sqrt(len(z)), squares.std(axis=0) / (2 * sd * np.sqrt(len(z))))


def own_moments(approx, z):
    """:class:`Moments` of q on the unconstrained scale: exact ones of a Gaussian, those of the draws `z` otherwise."""
    if not all(GaussianBlocks.fits(group) for group in approx.groups):
        return moments(z)
    mean, scale = GaussianBlocks(approx.groups).read()
    return Moments(mean, GaussianBlocks.std(scale), np.zeros_like(mean), np.zeros_like(mean))


def _differences(own, errors):
    """Distances of means in sds of the chains and their errors, ratios of sds and theirs; 1 where no sd is defined."""
    sd = errors.sd
    shift, ratio = np.abs(own.mean - errors.mean) / sd, own.sd / sd
    shift_error = np.hypot(own.mean_error, errors.mean_error) / sd
    ratio_error = ratio * np.hypot(own.sd_error / own.sd, errors.sd_error / sd)
    known = (errors.tails <= HEAVIEST) | (ratio < 1)  # few draws of heavy tails tell too small an sd
    return shift, shift_error, np.where(known, ratio, 1.0), np.where(known, ratio_error, 0.0)


def differ(own, errors):
    """Whether moments `own` are not those of chains with these `errors`, beyond doubt."""
    shift, shift_error, ratio, ratio_error = _differences(own, errors)
    away = shift - BEYOND_DOUBT * shift_error > CLOSE_MEAN
    return bool(np.any(away | (np.abs(ratio - 1) - BEYOND_DOUBT * ratio_error > CLOSE_SD)))


class Question:
    """Whether moments `own` are those of the draws that chains make, on the unconstrained scale."""

    def __init__(self, own):
        self.own = own

    def is_off(self, run):
        """Whether they are not, beyond doubt."""
        return differ(self.own, run.errors)

    def is_open(self, run):
        """Whether a moment is within a standard error of the limits of closeness, or beyond them."""
        shift, shift_error, ratio, ratio_error = _differences(self.own, run.errors)
        return bool(np.any(shift + shift_error > CLOSE_MEAN) or np.any(np.abs(ratio - 1) + ratio_error > CLOSE_SD))


def _worst(labels, values, errors, ideal=0.0):
    at = int(np.argmax(np.abs(values - ideal) - 2 * errors))
    return Extreme(labels[at], float(values[at]), float(errors[at]))


def judge_by_chains(facts):
    """Verdict from a :class:`ChainCheck` that can be relied on, in ``facts.chains``."""
    check, advice = facts.chains, steps_advice(facts)
    shift, ratio = check.mean_shift, check.sd_ratio
    done = "have converged" if check.reliable else "agree with each other, not with q"
    reasons = [f"chains that began at q {done} (nested R-hat {check.nested_rhat:.3f})"]
    if shift.value - 2 * shift.error > CLOSE_MEAN:
        reasons.append(f"the mean of {shift.name} is {shift.value:.2f} posterior sd away from theirs")
    if abs(ratio.value - 1) - 2 * ratio.error > CLOSE_SD:
        reasons.append(f"the sd of {ratio.name} is {ratio.value:.2f} times theirs")
    if len(reasons) == 1:
        reasons.append(f"no mean of q is off by {CLOSE_MEAN:g} posterior sd and no sd by {100 * CLOSE_SD:.0f} %")
        return Verdict(USE, "Use it as it is.", reasons, advice)
    advice += without_correction(facts)
    return Verdict(CORRECT, "Use the corrected draws: approx.sample(correct='hmc').", reasons, advice)
