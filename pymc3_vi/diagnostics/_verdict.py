"""From measured facts to a verdict in plain words."""

from collections import namedtuple

from ._moments import CLOSE_MEAN, CLOSE_SD

__all__ = [
    "USE",
    "CORRECT",
    "REJECT",
    "Verdict",
    "judge_density",
    "judge_particles",
    "steps_advice",
    "without_correction",
]

USE, CORRECT, REJECT = "use", "correct", "reject"

#: k-hat below which q itself is close enough to p, if its moments agree: the weights then have a finite variance.
CLOSE_KHAT = 0.5

#: Effective draws below which weighted averages are too noisy to be of use.
MIN_ESS = 100

#: From this dimension on, k-hat of the joint says little about single marginals.
MANY_DIMENSIONS = 30

#: Spread and discrepancy of particles that can be used.
SPREAD = (0.8, 1.25)
LARGE_KSD_RATIO = 5.0
LARGE_OFFSET = 0.3

#: What to try next, by class name of the approximation's only group.
_RICHER = {
    "MeanFieldGroup": "a richer family: method='fullrank_advi' or 'nfvi'",
    "FullRankGroup": "a richer family: method='nfvi=planar*8'",
    "NormalizingFlowGroup": "a longer flow",
}

#: For mean fields, whose means are often right where their standard deviations are not.
LINEAR_RESPONSE = "for covariances and standard deviations that mean field cannot hold: approx.lrvb_cov()"


class Verdict(namedtuple("Verdict", "name, sentence, reasons, advice")):
    """What to do with a fit.

    Attributes
    ----------
    name : {'use', 'correct', 'reject'}
    sentence : str
    reasons : list of str
        The facts that led there.
    advice : list of str
        What to try, most promising first.
    """

    __slots__ = ()


def judge_density(facts):
    """Verdict on an approximation with a density.

    Parameters
    ----------
    facts : Diagnosis
        With its weights and moments measured.
    """
    reasons, advice = [_khat_reason(facts)], steps_advice(facts)
    if facts.undefined:
        reasons.append(f"log p is not a number at {facts.undefined} of {facts.draws} draws")
    if not facts.reliable:
        return Verdict(
            REJECT,
            "Do not use it: the approximation misses part of the posterior.",
            reasons,
            advice + _repairs(facts, reasons),
        )
    agreement = _agreement(facts)
    if facts.harmless or facts.khat < CLOSE_KHAT and not agreement:
        return Verdict(USE, "Use it as it is.", reasons, advice)
    reasons.extend(agreement)
    if facts.ess < MIN_ESS:
        needed = int(facts.draws * MIN_ESS / facts.ess)
        advice.append(f"many draws: these are worth {facts.ess:.0f}, so correct {needed:,} or more")
    return Verdict(
        CORRECT,
        "Use the importance-corrected draws: approx.sample(correct='psis').",
        reasons,
        advice + without_correction(facts),
    )


def steps_advice(facts):
    """Advice from the end of the loss history."""
    if facts.trend is not None and facts.trend.falling:
        return [f"more steps: the loss was still falling at step {facts.trend.steps}"]
    if facts.trend is not None and facts.trend.rising:
        return [f"a smaller learning rate: the loss was rising at step {facts.trend.steps}"]
    return []


def without_correction(facts):
    """Advice for who wants no correction of single draws."""
    advice = [_RICHER[facts.family] + ", if no correction is wanted"] if facts.family in _RICHER else []
    return advice + ([LINEAR_RESPONSE] if facts.has_linear_response else [])


def _khat_reason(facts):
    relation = "above" if facts.khat >= facts.threshold else "below"
    reason = f"k-hat is {facts.khat:.2f}, {relation} the {facts.threshold:.2f} up to which importance weights work"
    if facts.reliable and facts.harmless and facts.khat >= CLOSE_KHAT:
        reason += (
            f"; but the weights are nearly equal (the largest is {facts.largest_weight:.1%}) and change no mean by "
            f"{CLOSE_MEAN:g} posterior sd and no sd by {100 * CLOSE_SD:.0f} %, so their tail does not matter"
        )
    return reason


def _agreement(facts):
    """Where q and the weighted draws differ, in sentences; empty when they agree up to Monte Carlo error."""
    found = []
    if facts.mean_shift is not None and facts.mean_shift.value - 2 * facts.mean_shift.error > CLOSE_MEAN:
        found.append(
            f"correcting moves the mean of {facts.mean_shift.name} by {facts.mean_shift.value:.2f} posterior sd"
        )
    if facts.sd_ratio is not None and abs(facts.sd_ratio.value - 1) - 2 * facts.sd_ratio.error > CLOSE_SD:
        found.append(f"the sd of {facts.sd_ratio.name} is {facts.sd_ratio.value:.2f} times that of the corrected draws")
    return found


def _repairs(facts, reasons):
    """Advice for a fit that cannot be corrected."""
    if facts.d >= MANY_DIMENSIONS:
        reasons.append(
            f"in {facts.d} dimensions k-hat rises even where every single marginal is fair, so means may still be "
            "useful for exploration; compare some with NUTS before relying on them"
        )
    repairs = [
        "reparameterise: non-centred hierarchies, standardised predictors, other scales for what is far from Gaussian"
    ]
    if facts.has_linear_response:
        repairs.append(LINEAR_RESPONSE)
    if facts.family in _RICHER:
        repairs.append(_RICHER[facts.family])
    return repairs + ["short chains that begin at the fit: approx.sample(correct='hmc')", "NUTS: pm.sample()"]


def judge_particles(facts):
    """Verdict on particles, from a :class:`ParticleCheck` in ``facts.particles``."""
    check = facts.particles
    spread, offset = check.variance_ratios, check.offsets
    reasons, advice = [], []
    mean_ratio = float(spread.mean())
    if offset.max() > LARGE_OFFSET or check.ksd_ratio > LARGE_KSD_RATIO:
        name = facts.labels[int(offset.argmax())]
        reasons.append(
            f"the mean of {name} is about {offset.max():.2f} posterior sd off, and the Stein discrepancy (squared) is "
            f"{check.ksd_ratio:.1f} times that of {check.n} independent draws"
        )
        advice.append("more steps, or a larger learning rate: the particles have not arrived")
    if not SPREAD[0] <= mean_ratio <= SPREAD[1]:
        word = "collapsed to" if mean_ratio < 1 else "inflated to"
        where = f" (mean over {check.d} dimensions)" if check.d > 1 else ""
        reasons.append(f"the particles' variance has {word} {mean_ratio:.2f} of the posterior's{where}")
        if mean_ratio < 1:
            advice.append(f"more particles (well above 5 per dimension, here {5 * check.d}), or a higher temperature")
        advice.append("for the spread: method='advi', 'fullrank_advi' or NUTS")
    if reasons:
        return Verdict(REJECT, "Do not use the particles as posterior draws.", reasons, advice)
    reasons.append(
        f"means are within {offset.max():.2f} posterior sd and variances {mean_ratio:.2f} of the posterior's, by "
        "Stein's identity"
    )
    return Verdict(USE, "Use them as they are.", reasons, advice)
