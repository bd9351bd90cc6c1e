"""How far importance weights move the moments of an approximation."""

from collections import namedtuple

import numpy as np

__all__ = ["CLOSE_MEAN", "CLOSE_SD", "Extreme", "MomentChanges", "moment_changes", "coordinate_labels"]

#: Largest distance between moments of q and of the weighted draws that counts as agreement: means in posterior
#: standard deviations, standard deviations relative.
CLOSE_MEAN, CLOSE_SD = 0.1, 0.1
#: Of standardised draws; its inverse squared is still a number.
SMALLEST_VARIANCE = 1e-60


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
    'Largest' is after taking off two standard errors, which come from the empirical influence functions: a draw's are
    polynomials in z, so all sums are weighted power sums, and draws too large to be kept are made only once more.
    """
    equal = np.full(source.draws, 1.0 / source.draws)
    sums = _PowerSums(source, np.stack([equal, weights]))
    centers, squares = sums.moments()
    variances = np.maximum(squares - centers**2, SMALLEST_VARIANCE)
    mean, weighted_mean = centers
    variance, weighted_variance = variances
    sd = np.sqrt(weighted_variance)
    shift, ratio = (weighted_mean - mean) / sd, np.sqrt(variance) / sd
    # What each draw changes, by its weights, as coefficients of 1, z and z^2: means in sds, and logs of the sds.
    in_mean, in_weighted_mean = (np.stack([-center / sd, 1 / sd, 0 * sd]) for center in centers)
    in_sd, in_weighted_sd = (
        np.stack([center**2 / v - 1, -2 * center / v, 1 / v]) / 2 for center, v in zip(centers, variances)
    )
    shift_error = np.sqrt(sums.of_squares(in_mean, in_weighted_mean - shift * in_weighted_sd))
    ratio_error = ratio * np.sqrt(sums.of_squares(in_sd, in_weighted_sd))
    shift, change = np.abs(shift), np.abs(ratio - 1)
    return MomentChanges(
        _largest(labels, shift, shift_error, shift - 2 * shift_error),
        _largest(labels, ratio, ratio_error, change - 2 * ratio_error),
        bool(np.all(shift + 2 * shift_error < CLOSE_MEAN) and np.all(change + 2 * ratio_error < CLOSE_SD)),
    )


class _PowerSums:
    r"""Sums of :math:`w_s z_s^k` for k up to 4 and for w the two weights of each draw, their squares and their product.

    z is counted from the draw that weighs most, so that nothing cancels where all weight is on it, and in sds of the
    first draws, which changes no ratio.
    """

    def __init__(self, source, weights):
        first, second = weights
        self._weights = np.stack([first, second, first**2, first * second, second**2])
        location = np.asarray(source.heaviest, dtype="float64")
        self._sums, scale = np.zeros((5, 5, len(location))), None  # (weights, powers, d)
        for rows, z in source.chunks():
            if scale is None:
                spread = z.std(axis=0, dtype="float64")
                scale = np.where(spread > 0, spread, np.where(location != 0, np.abs(location), 1.0))
            z = (z - location) / scale
            square = z * z
            for k, power in enumerate((np.ones_like(z[:, :1]), z, square, square * z, square * square)):
                self._sums[:, k] += self._weights[:, rows] @ power

    def moments(self):
        """First and second moments under both weights, each (2, d)."""
        return self._sums[:2, 1], self._sums[:2, 2]

    def of_squares(self, first, second):
        """Sum over draws of :math:`(w_1 p(z) - w_2 q(z))^2` for polynomials with coefficients (3, d)."""
        pairs = ((2, first, first, 1), (3, first, second, -2), (4, second, second, 1))
        total = sum(
            sign * p[i] * q[j] * self._sums[which, i + j]
            for which, p, q, sign in pairs
            for i in range(3)
            for j in range(3)
        )
        return np.maximum(total, 0.0)


def _largest(labels, values, errors, score):
    at = int(np.argmax(score))
    return Extreme(labels[at] if at < len(labels) else labels[at % len(labels)], float(values[at]), float(errors[at]))
