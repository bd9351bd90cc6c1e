"""q against corrected draws: where means, standard deviations and quantiles differ, and what to do about it."""

import numpy as np

from ._moments import CLOSE_MEAN, CLOSE_SD, Extreme
from ._verdict import CORRECT, USE, Verdict, steps_advice, without_correction

__all__ = ["ChainCheck", "judge_by_chains"]

#: Quantiles that are compared, and the density of a standard normal at them (for their errors).
QUANTILES, DENSITY = (0.05, 0.95), 0.1031


class ChainCheck:
    """What ``approx.diagnose`` finds with corrected draws.

    Attributes
    ----------
    reliable : bool
        Whether the chains have converged everywhere.
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
    """

    def __init__(self, points, z, evidence):
        run = points.run
        self.reliable, self.complaints = points.reliable, points.complaints()
        self.nested_rhat, self.seconds = float(np.max(points.nested_rhat)), run.seconds
        self.log_evidence, self.log_evidence_error = evidence
        errors, sd, labels = run.errors, run.errors.sd, points.labels
        self.mean, self.sd = errors.mean, sd
        shift, shift_error = np.abs(z.mean(axis=0) - errors.mean) / sd, z.std(axis=0) / sd
        self.mean_shift = _worst(labels, shift, np.hypot(shift_error / np.sqrt(len(z)), errors.mean_error / sd))
        ratio = z.std(axis=0) / sd
        ratio_error = ratio * np.hypot(1 / np.sqrt(2 * len(z)), errors.sd_error / sd)
        self.sd_ratio = _worst(labels, ratio, ratio_error, 1.0)
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


def _worst(labels, values, errors, ideal=0.0):
    at = int(np.argmax(np.abs(values - ideal) - 2 * errors))
    return Extreme(labels[at], float(values[at]), float(errors[at]))


def judge_by_chains(facts):
    """Verdict from a :class:`ChainCheck` that can be relied on, in ``facts.chains``."""
    check, advice = facts.chains, steps_advice(facts)
    shift, ratio = check.mean_shift, check.sd_ratio
    reasons = [f"chains that began at q have converged (nested R-hat {check.nested_rhat:.3f})"]
    if shift.value - 2 * shift.error > CLOSE_MEAN:
        reasons.append(f"the mean of {shift.name} is {shift.value:.2f} posterior sd away from theirs")
    if abs(ratio.value - 1) - 2 * ratio.error > CLOSE_SD:
        reasons.append(f"the sd of {ratio.name} is {ratio.value:.2f} times theirs")
    if len(reasons) == 1:
        reasons.append(f"no mean of q is off by {CLOSE_MEAN:g} posterior sd and no sd by {100 * CLOSE_SD:.0f} %")
        return Verdict(USE, "Use it as it is.", reasons, advice)
    advice += without_correction(facts)
    return Verdict(CORRECT, "Use the corrected draws: approx.sample(correct='hmc').", reasons, advice)
