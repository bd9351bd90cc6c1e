"""Ranks of simulation-based calibration."""

import numpy as np
from scipy import stats

from ..parameters import checked
from ._axes import COLOURS, GREY, finish, grid_of_axes

__all__ = ["plot_ranks"]


@checked
def plot_ranks(calibration, corrected=None, axes=None):
    r"""How far the ranks of a calibration are from uniform ones, for each value of each variable.

    Drawn is the distribution function of the ranks less that of uniform ones.  The band contains the whole line of a
    calibrated posterior with probability 99 % (Kolmogorov-Smirnov).  A line like an N is that of a posterior too
    narrow, one like its mirror image of a posterior too wide; an arch above the band: posteriors lie too high.

    Parameters
    ----------
    calibration : Calibration
        From :func:`pymc3_vi.sbc`.
    corrected : bool, optional
        Whether to draw corrected draws, or q.  Default: both.
    axes : array of matplotlib.axes.Axes, optional
        One for each value.

    Returns
    -------
    ndarray of matplotlib.axes.Axes

    Raises
    ------
    MissingExtraError
        Without Matplotlib.

    References
    ----------
    Säilynoja, Bürkner, Vehtari: Graphical test for discrete uniformity and its applications in goodness-of-fit
    evaluation and multiple sample comparison, Statistics and Computing 32, 2022.
    """
    names = calibration.fits.coordinates
    axes = grid_of_axes(axes, len(names), "plot_ranks")
    kinds = [("q", False), ("corrected draws", True)]
    for colour, (word, weighted) in zip(COLOURS, kinds):
        if corrected in (None, weighted):
            levels = np.sort(calibration.levels(weighted), axis=0)
            share = (np.arange(len(levels)) + 0.5) / max(len(levels), 1)
            for ax, values in zip(axes, levels.T):
                ax.plot(values, share - values, color=colour, linewidth=1.4, label=word)
    limit = stats.kstwo.ppf(0.99, max(len(calibration.levels()), 1))
    for ax, name in zip(axes, names):
        ax.fill_between([0, 1], -limit, limit, color=GREY, alpha=0.12, linewidth=0)
        finish(ax, name, "rank / draws", "share below, less uniform")
    axes[0].legend(fontsize=9, framealpha=0.9, edgecolor="0.9")
    return axes
