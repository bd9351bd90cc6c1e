"""``sample(correct='psis')``: draws picked by their importance weights."""

import warnings

from ..core import CORRECTIONS
from ..errors import AEVBInferenceError, UnreliableWeightsWarning
from ._draws import DensityDraws
from ._importance import ImportanceWeights

__all__ = ["psis_noise", "psis_resample", "warn_if_unreliable"]

#: Draws from q for each corrected draw, and at least: with fewer, the same few draws would be picked again and again.
PROPOSALS = 10
MIN_PROPOSALS = 10_000


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
        When k-hat is above its threshold.
    """
    return psis_resample(approx, draws, generator, stacklevel=6)[0]


def psis_resample(approx, draws, generator, stacklevel=5):
    """Noise of :func:`psis_noise`, and the :class:`ImportanceWeights` of the draws that it was picked from."""
    if approx.has_local:
        raise AEVBInferenceError(
            "sample(correct='psis') is not defined for amortised (local) groups, whose draws belong to one minibatch. "
            "Use expectation(node), which reads the whole data."
        )
    proposals = DensityDraws(approx, max(PROPOSALS * draws, MIN_PROPOSALS), generator)
    weights = ImportanceWeights(proposals.log_weights)
    warn_if_unreliable(weights, "the corrected draws", stacklevel)
    return proposals.pick_noise(weights.resample(draws, generator)), weights


def warn_if_unreliable(weights, what, stacklevel=5):
    """Warn with an UnreliableWeightsWarning when k-hat of `weights` is too large."""
    if not weights.reliable:
        warnings.warn(
            f"k-hat is {weights.khat:.2f}, above {weights.threshold:.2f}: {what} are not reliable. "
            "approx.diagnose() says what to try.",
            UnreliableWeightsWarning,
            stacklevel=stacklevel,
        )


CORRECTIONS.register("psis", psis_noise)
