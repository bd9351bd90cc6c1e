"""What is said at the end of a fit about draws that had no finite log density or gradient."""

import numpy as np

from ..algorithms import TermsAtDraws, culprits, undefined
from ..compiler import UNDEFINED
from ..errors import NonFiniteDrawsWarning
from ..validation import warn_user

__all__ = ["warn_of_left_out"]

#: Draws left out in this last part of a fit belong to its result, not to its way there.
TAIL = 0.4
#: Fresh draws among which an example is looked for: one of them is left out where one step in 400 leaves one out.
EXAMPLES = 2000
#: Draws that are looked at where steps compute no loss.
LOOKS = 20


def warn_of_left_out(approx, step, begin):
    """Warn where draws were left out in the last part of the steps of `step` since number `begin`.

    Warns
    -----
    NonFiniteDrawsWarning
        Names the terms that are not finite at the last such draw.
    """
    done = step.steps_done - begin
    if done and not step.sees_density:
        _look_without_loss(approx)
    count = step.left_out.since(step.steps_done - int(np.ceil(TAIL * done)))
    if not done or not count:
        return
    details = _example(approx, step.left_out.last)
    where = f" For example: {details}" if details else ""
    warn_user(
        f"{count:,} draws of q in the last {TAIL:.0%} of the steps have no finite log density or gradient and were "
        f"left out.{where} If q gives such points any probability the ELBO is not finite, and neither a smaller "
        "learning rate nor another start changes that: bound the variables by their distributions, so that the "
        "unconstrained scale has no forbidden region, or write the term so that it is finite everywhere.",
        NonFiniteDrawsWarning,
    )


def _look_without_loss(approx):
    """Steps that compute no loss do not see where the density is infinite and its gradient is not: a look at q."""
    if approx.has_local:
        return
    generator = approx.groups[0].seeds.generator("draws without a loss")
    try:
        look, noise = TermsAtDraws(approx, slopes=False), [g.noise_array(LOOKS, generator) for g in approx.groups]
        found = [_terms_of(look, draw) for draw in zip(*noise)]
    except Exception:  # looking must never be what ends a fit
        return
    bad = [words for words in found if words]
    if bad:
        warn_user(
            f"{len(bad)} of {LOOKS} draws of q after the fit have no finite log density, and without a loss steps use "
            f"their gradients: {bad[0]}. Fit with score=True, which leaves such draws out.",
            NonFiniteDrawsWarning,
        )


def _terms_of(look, draw):
    """Which term is not finite at a draw, in words; '' where all are."""
    try:
        values = look(draw)[0]
    except UNDEFINED as error:
        return undefined(error)
    wrong = [(t, v) for t, v in zip(look.terms, values) if not np.isfinite(v)]
    return f"the {wrong[0][0].kind} term of variable {wrong[0][0].name!r} is {float(wrong[0][1])}" if wrong else ""


def _example(approx, noise):
    """What is not finite at such a draw, in words; '' where none is found."""
    if approx.has_local:
        return ""
    generator = approx.groups[0].seeds.generator("draws that were left out")
    fresh = zip(*[group.noise_array(EXAMPLES, generator) for group in approx.groups])
    try:  # the parameters have moved since, and all may be well at the draws that were left out
        return " ".join(culprits(approx, ([] if noise is None else list(zip(*noise))) + list(fresh))[1])
    except Exception:  # looking must never be what ends a fit
        return ""
