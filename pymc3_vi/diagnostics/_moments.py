"""How far importance weights move the moments of an approximation."""

from collections import namedtuple

import numpy as np

__all__ = ["CLOSE_MEAN", "CLOSE_SD", "Extreme", "MomentChanges", "moment_changes", "coordinate_labels"]

#: Largest distance between moments of q and of the weighted draws that counts as agreement: means in posterior
#: standard deviations, standard deviations relative.
CLOSE_MEAN, CLOSE_SD = 0.1, 0.1


class Extreme(namedtuple("Extreme", "name, value, error")):
    """A quantity at the coordinate where it is largest: its name, the value and its Monte Carlo error."""

    __slots__ = ()


class MomentChanges(namedtuple("MomentChanges", "mean_shift, sd_ratio, small")):
    r"""Largest changes of moments by weighting.

    Attributes
    ----------
    mean_shift : Extreme
        :math:`|\bar z_w - \bar z| / s_w`: distance of the means in weighted standard deviations.
    sd_ratio : Extreme
        Standard deviation of the draws over that of the weighted draws.
    small : bool
        Whether every mean and every standard deviation is shown to agree: changes with two standard errors added are
        below ``CLOSE_MEAN`` and ``CLOSE_SD``.
    """

    __slots__ = ()


def coordinate_labels(approx):
    """Names of the unconstrained coordinates, groups side by side: ``mu``, ``theta[0]``, ``tau_log__``."""
    labels = []
    for group in approx.groups:
        entry = group.ordering.vmap[0]
        if group.local:  # the number of rows is not fixed; the same names stand for every row
            labels.extend(f"{entry.var}[:{',' if group.ddim > 1 else ''}{i}]" for i in range(group.ddim))
        else:
            labels.extend(group.ordering.labels())
    return labels


def moment_changes(source, weights, labels):
    r"""Largest change of a mean and of a standard deviation from the draws to the weighted draws.

    Parameters
    ----------
    source : DensityDraws
    weights : ndarray (s,)
        Importance weights with sum 1.
    labels : list of str
        Names of the coordinates; repeated when there are more coordinates (rows of amortised groups).

    Returns
    -------
    MomentChanges

    Notes
    -----
    'Largest' is after taking off two standard errors, which come from the empirical influence functions.
    """
    equal = np.full(source.draws, 1.0 / source.draws)
    mean, weighted_mean = _average(source, equal, weights, lambda z: z)
    variance = _average(source, equal, weights, lambda z: (z - mean) ** 2)[0]
    weighted_variance = _average(source, equal, weights, lambda z: (z - weighted_mean) ** 2)[1]
    tiny = np.finfo("float64").tiny
    variance, weighted_variance = np.maximum(variance, tiny), np.maximum(weighted_variance, tiny)
    sd = np.sqrt(weighted_variance)
    shift, ratio = (weighted_mean - mean) / sd, np.sqrt(variance) / sd
    shift_error = ratio_error = 0.0
    for rows, z in source.chunks():
        a, b = equal[rows, None], weights[rows, None]
        in_sd = _sd_influence(a, z - mean, variance)
        in_weighted_sd = _sd_influence(b, z - weighted_mean, weighted_variance)
        in_shift = (b * (z - weighted_mean) - a * (z - mean)) / sd - shift * in_weighted_sd
        shift_error = shift_error + np.sum(in_shift**2, axis=0)
        ratio_error = ratio_error + np.sum((ratio * (in_sd - in_weighted_sd)) ** 2, axis=0)
    shift, shift_error, ratio_error = np.abs(shift), np.sqrt(shift_error), np.sqrt(ratio_error)
    change = np.abs(ratio - 1)
    return MomentChanges(
        _largest(labels, shift, shift_error, shift - 2 * shift_error),
        _largest(labels, ratio, ratio_error, change - 2 * ratio_error),
        bool(np.all(shift + 2 * shift_error < CLOSE_MEAN) and np.all(change + 2 * ratio_error < CLOSE_SD)),
    )


def _sd_influence(weights, centered, variance):
    """Relative change of a standard deviation that each draw is responsible for."""
    return weights * (centered**2 / variance - 1) / 2


def _average(source, first, second, function):
    """Averages of ``function(z)`` under two sets of weights."""
    totals = [0.0, 0.0]
    for rows, z in source.chunks():
        values = function(np.asarray(z, dtype="float64"))
        totals = [totals[0] + first[rows] @ values, totals[1] + second[rows] @ values]
    return totals


def _largest(labels, values, errors, score):
    at = int(np.argmax(score))
    return Extreme(labels[at] if at < len(labels) else labels[at % len(labels)], float(values[at]), float(errors[at]))
