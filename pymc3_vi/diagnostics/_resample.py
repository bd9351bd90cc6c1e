"""``sample(correct='psis')``: draws picked by their importance weights."""

from ..core import CORRECTIONS
from ..errors import AEVBInferenceError, UnreliableWeightsWarning
from ..validation import warn_user
from ._judged_draws import DRAWS, draws_with_judgement

__all__ = ["psis_noise", "psis_resample", "warn_if_unreliable"]

#: Draws from q for each corrected draw: with fewer, the same few draws would be picked again and again.
PROPOSALS = 10


def psis_noise(approx, draws, generator):
    """Base noise of `draws` draws from q, picked with probability equal to their Pareto-smoothed importance weights.

    Parameters
    ----------
    approx : Approximation
    draws : int
    generator : numpy.random.Generator

    Returns
    -------
    list of ndarray, one per group

    Warns
    -----
    UnreliableWeightsWarning
        When the weights cannot be relied on: by the last ``diagnose()`` on the same parameters, else by these draws.
    """
    return psis_resample(approx, draws, generator)[0]


def psis_resample(approx, draws, generator):
    """Noise of :func:`psis_noise`, and the :class:`ImportanceWeights` of the draws that it was picked from."""
    if approx.has_local:
        raise AEVBInferenceError(
            "sample(correct='psis') is not defined for amortised (local) groups, whose draws belong to one minibatch. "
            "Use expectation(node), which reads the whole data."
        )
    proposals = draws_with_judgement(approx, generator, at_least=max(PROPOSALS * draws, DRAWS))
    warn_if_unreliable(proposals.judgement(), "the corrected draws")
    picked = proposals.weights.resample(draws, generator)
    return proposals.source.pick_noise(picked), proposals.weights


def warn_if_unreliable(judgement, what):
    """Warn with an UnreliableWeightsWarning when weights cannot be relied on.

    Parameters
    ----------
    judgement : Judgement or Diagnosis
    what : str
        What is then not reliable.
    """
    if not judgement.reliable:
        warn_user(
            f"k-hat is {judgement.khat:.2f}, above {judgement.threshold:.2f}: {what} are not reliable. "
            "approx.diagnose() says what to try.",
            UnreliableWeightsWarning,
        )


CORRECTIONS.register("psis", psis_noise)
