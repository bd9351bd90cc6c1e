"""Draws from q with their importance weights, and one judgement on what the weights are worth."""

from collections import namedtuple

from ..core import parameter_digest
from ..graph import cache_of
from ..model import data_size
from ._draws import DensityDraws
from ._importance import ImportanceWeights
from ._moments import coordinate_labels, moment_changes

__all__ = ["DRAWS", "Judgement", "JudgedDraws", "draws_with_judgement", "first_draws", "without_doubt"]

#: Draws with which a judgement begins, and those on which it rests where the first ones leave it in doubt.
DRAWS, MORE_DRAWS = 4_000, 40_000

#: Fewest draws of a judgement, and numbers that its draws may read (values of data, entries of covariances): seconds.
FEWEST_DRAWS, BUDGET = 1_000, 10**10

#: Share of effective draws below which the first draws leave no doubt that a k-hat above its threshold tells the truth.
HOPELESS = 0.25

#: Multiple of the mean weight up to which a large k-hat can be noise.
LARGEST_RATIO = 10


class Judgement(namedtuple("Judgement", "reliable, khat, threshold, draws")):
    """Whether importance weights can be relied on, and what that rests on."""

    __slots__ = ()


class JudgedDraws:
    """Draws with densities, weights and what weighting does to moments.

    Attributes
    ----------
    source : DensityDraws
    weights : ImportanceWeights
    mean_shift, sd_ratio : Extreme
        As :func:`moment_changes` gives them.
    """

    def __init__(self, approx, draws, generator):
        self.approx = approx
        self.draws = draws
        self.labels = coordinate_labels(approx)
        self.source = DensityDraws(approx, draws, generator)
        self.weights = ImportanceWeights(self.source.log_weights)
        self._changes = None

    @property
    def changes(self):
        """:class:`MomentChanges`, measured when first asked for."""
        if self._changes is None:
            self._changes = moment_changes(self.source, self.weights.weights, self.labels)
        return self._changes

    @property
    def harmless(self):
        """Whether weighting is shown to change nothing: nearly equal weights under which no moment moves."""
        return self.weights.nearly_equal and self.changes.small

    @property
    def reliable(self):
        """Whether weighted averages, and q itself where weighting changes nothing, can be relied on.

        k-hat knows no scale: of weights that hardly differ it describes noise.  A draw that weighs many times more
        than it should is no noise.
        """
        even = self.weights.weights.max() * self.draws <= LARGEST_RATIO
        return self.weights.reliable or (self.harmless and even)

    @property
    def doubtful(self):
        """Whether more draws may well judge otherwise."""
        weights = self.weights
        margin = 2 * weights.khat_error
        if weights.khat + margin < weights.threshold:
            return False
        return weights.khat - margin < weights.threshold or weights.ess > HOPELESS * self.draws

    def judge(self):
        """The :class:`Judgement` by these draws, which stands until the parameters change."""
        weights = self.weights
        judgement = Judgement(self.reliable, weights.khat, weights.threshold, self.draws)
        cache_of(self.approx)["judgement"] = (parameter_digest(self.approx), judgement)
        return judgement

    def judgement(self):
        """The :class:`Judgement` that stands on these parameters, else the one by these draws.

        So that a fit is not called good by one function and bad by the next, whose draws are others.
        """
        state, standing = cache_of(self.approx).get("judgement", (None, None))
        return standing if standing is not None and state == parameter_digest(self.approx) else self.judge()


def draws_with_judgement(approx, generator, draws=None, at_least=0):
    """:class:`JudgedDraws` in a number that a judgement needs.

    Parameters
    ----------
    approx : Approximation
    generator : numpy.random.Generator
    draws : int, optional
        Number of draws; more are taken only where they leave it in doubt whether a large k-hat is noise.  Default: as
        many as data of this size allow in seconds, and ten times as many where the first leave the judgement in doubt.
    at_least : int
        Draws that are needed for something else.
    """
    return without_doubt(first_draws(approx, generator, draws, at_least), generator, draws)


def first_draws(approx, generator, draws=None, at_least=0):
    """The :class:`JudgedDraws` that :func:`draws_with_judgement` begins with."""
    first = draws if draws is not None else max(at_least, min(DRAWS, _affordable(approx)))
    return JudgedDraws(approx, first, generator)


def without_doubt(found, generator, draws=None):
    """`found`, or more draws where those leave the judgement in doubt."""
    more = found.draws < MORE_DRAWS <= _affordable(found.approx)
    if more and found.doubtful and (draws is None or not found.weights.reliable):
        return JudgedDraws(found.approx, MORE_DRAWS, generator)
    return found


def _affordable(approx):
    return max(BUDGET // (data_size(approx.view) + int(approx.ddim) ** 2 + 1), FEWEST_DRAWS)
