"""The tail of the importance weights, which k-hat describes."""

import numpy as np

from ..diagnostics import Diagnosis, ImportanceWeights, diagnose, khat_threshold
from ..errors import ExplicitInferenceError
from ..parameters import checked
from ._axes import COLOURS, GREY, finish, grid_of_axes

__all__ = ["plot_khat"]

#: Numbers of draws at which k-hat is shown.
POINTS = 12


@checked
def plot_khat(fit, draws=10_000, axes=None, random_seed=None):
    """Plot the largest importance weights with their fitted tail, and k-hat against the number of draws.

    Left: share of the draws whose weight, relative to the mean weight, is larger; both axes are logarithmic, so that
    a Pareto tail is a straight line of slope -1 / k-hat.  Right: k-hat of the first draws, with the limit below which
    weights can be relied on.  A k-hat that keeps rising hides mass that the draws have not met yet.

    Parameters
    ----------
    fit : Approximation or Diagnosis
        With a density.
    draws : int
        Draws from an approximation.
    axes : two matplotlib.axes.Axes, optional
    random_seed : int, optional

    Returns
    -------
    ndarray of matplotlib.axes.Axes
        Two.

    Raises
    ------
    ExplicitInferenceError
        For particles, which have no importance weights.
    MissingExtraError
        Without Matplotlib.

    References
    ----------
    Vehtari et al.: Pareto Smoothed Importance Sampling, JMLR 25(72), 2024, section 3.2.
    """
    report = fit if isinstance(fit, Diagnosis) else diagnose(fit, draws, random_seed, correct=None)
    if report.log_weights is None:
        raise ExplicitInferenceError(
            f"plot_khat needs importance weights, but {report.approximation} consists of particles, which have no "
            "log q. approx.diagnose() judges them by their Stein discrepancy."
        )
    axes = grid_of_axes(axes, 2, "plot_khat", columns=2, panel=(4.6, 3.6))
    _plot_tail(axes[0], report.log_weights)
    _plot_growth(axes[1], report.log_weights)
    return axes


def _plot_tail(ax, log_weights):
    weights = ImportanceWeights(log_weights)
    count = len(log_weights)
    shown = min(count, max(50, count // 5))
    share = (np.arange(1, count + 1) - 0.5) / count
    raw = np.sort(np.exp(weights.raw - weights.log_z))[::-1]
    smooth = np.sort(weights.weights * count)[::-1]
    ax.loglog(raw[:shown], share[:shown], "o", markersize=3, color=COLOURS[0], alpha=0.6, label="weights")
    ax.loglog(smooth[:shown], share[:shown], color=COLOURS[1], linewidth=1.6, label="fitted Pareto tail")
    ax.grid(color="0.92", which="major")
    ax.legend(fontsize=9, framealpha=0.9, edgecolor="0.9", loc="lower left")
    ax.tick_params(colors=GREY)
    finish(ax, f"Largest weights of {count:,} draws", "weight / mean weight", "share of draws with a larger one")


def _plot_growth(ax, log_weights):
    count = len(log_weights)
    sizes = np.unique(np.geomspace(min(100, count), count, POINTS).astype(int))
    khats = np.array([_khat(log_weights[:size]) for size in sizes])
    limits = np.array([khat_threshold(size) for size in sizes])
    good = khats < limits
    top = max(1.0, np.max(khats[np.isfinite(khats)], initial=0.0) + 0.1)
    low = min(0.0, np.min(khats[np.isfinite(khats)], initial=0.0) - 0.1)
    ax.fill_between(sizes, low, limits, color=COLOURS[2], alpha=0.12, linewidth=0)
    ax.plot(sizes, limits, color=COLOURS[2], linestyle="--", linewidth=1.4, label="limit")
    ax.plot(sizes, khats, color=GREY, linewidth=1.0, zorder=2)
    ax.plot(sizes[good], khats[good], "o", color=COLOURS[0], markersize=5.5, label="k-hat, reliable")
    ax.plot(sizes[~good], khats[~good], "s", color=COLOURS[1], markersize=5.5, label="k-hat, not reliable")
    ax.set_xscale("log")
    ax.set_ylim(low, top)
    ax.grid(axis="y", color="0.92")
    ax.legend(fontsize=9, framealpha=0.9, edgecolor="0.9", loc="lower right")
    ax.tick_params(colors=GREY)
    final = f"k-hat {khats[-1]:.2f}, limit {limits[-1]:.2f}"
    finish(ax, final, "number of draws", "k-hat")


def _khat(log_weights):
    return ImportanceWeights(log_weights).khat if np.isfinite(log_weights).any() else np.nan
