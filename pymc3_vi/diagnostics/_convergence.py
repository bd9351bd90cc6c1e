"""Whether the loss of a fit had stopped falling when the fit ended."""

from collections import namedtuple

import numpy as np

__all__ = ["LossTrend", "loss_trend", "batch_means_error"]

#: Fewer losses say nothing about a trend.
MIN_STEPS = 200

#: A fall of the loss over the window that no conclusion depends on, in nats.
NEGLIGIBLE = 0.1


class LossTrend(namedtuple("LossTrend", "steps, window, level, level_error, change, change_error")):
    """The end of a loss history.

    Attributes
    ----------
    steps : int
        Length of the history.
    window : int
        Number of losses at its end that were looked at.
    level, level_error : float
        Mean loss of the second half of the window, and its standard error.
    change, change_error : float
        Mean of the second half minus mean of the first half, and its standard error; negative while the fit improves.
    """

    __slots__ = ()

    @property
    def falling(self):
        """Whether the loss was still falling: significantly, and by more than a tenth of a nat."""
        return self.change < -NEGLIGIBLE and self.change < -3 * self.change_error

    @property
    def rising(self):
        """Whether the loss was rising: the fit diverges or its steps are too large."""
        return self.change > NEGLIGIBLE and self.change > 3 * self.change_error


def loss_trend(hist):
    """:class:`LossTrend` of a loss history, or None when it is too short.

    Looks at the last fifth of the steps, at least `MIN_STEPS`.

    Parameters
    ----------
    hist : array (steps,)
    """
    hist = np.asarray(hist, dtype="float64")
    if len(hist) < MIN_STEPS or not np.isfinite(hist[-MIN_STEPS:]).all():
        return None
    window = max(MIN_STEPS, len(hist) // 5)
    tail = hist[-window:]
    first, second = tail[: window // 2], tail[window // 2 :]
    errors = batch_means_error(first), batch_means_error(second)
    return LossTrend(
        len(hist),
        window,
        float(second.mean()),
        errors[1],
        float(second.mean() - first.mean()),
        float(np.hypot(*errors)),
    )


def batch_means_error(values):
    r"""Standard error of the mean of a correlated sequence by non-overlapping batch means.

    With :math:`b = \lfloor\sqrt n\rfloor` values a batch; its expectation is right up to the correlation between
    batches.

    References
    ----------
    Flegal, Jones: Batch Means and Spectral Variance Estimators in Markov Chain Monte Carlo, Annals of Statistics
    38(2), 2010, eq. 6.
    """
    values = np.asarray(values, dtype="float64")
    size = int(np.sqrt(len(values)))
    count = len(values) // size
    if count < 2:
        return float("nan")
    means = values[-count * size :].reshape(count, size).mean(axis=1)
    return float(means.std(ddof=1) / np.sqrt(count))
