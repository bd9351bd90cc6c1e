"""The ELBO over the steps of a fit."""

import numpy as np

from ..diagnostics import batch_means_error, loss_trend
from ..parameters import checked
from ..validation import require
from ._axes import COLOURS, GREY, LIGHT, finish, single_axes

__all__ = ["plot_elbo"]

#: Blocks whose means are drawn.
BLOCKS = 100


@checked
def plot_elbo(fit, window=None, ax=None):
    """Plot the ELBO of every step, means of blocks of steps, and the window at the end with its mean and error.

    Parameters
    ----------
    fit : Approximation, Inference or array (steps,)
        Its ``hist``, or an array of losses (negative ELBO).
    window : int, optional
        Number of last steps to average; by default those that ``approx.diagnose()`` looks at, the last fifth.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If there are fewer than two losses (Stein methods have none), or no finite ones.
    MissingExtraError
        Without Matplotlib.

    Notes
    -----
    The light line has one Monte Carlo draw (or ``obj_n_mc``) a step.  The dark line joins the means of a hundred
    blocks; around the mean of the window lies a band of two standard errors, by batch means.
    """
    elbo = -np.asarray(getattr(fit, "hist", fit), dtype="float64").ravel()
    require(
        np.isfinite(elbo).sum() > 1,
        ValueError,
        "fit",
        "plot_elbo",
        "a fit with at least two finite losses",
        f"{len(elbo)} losses",
    )
    window = _window(window, elbo)
    ax = single_axes(ax)
    steps = np.arange(1, len(elbo) + 1)
    tail = elbo[-window:]
    size = max(1, len(elbo) // BLOCKS)
    middles, means = _block_means(elbo, size)
    ax.plot(steps, elbo, color=LIGHT, linewidth=0.5, rasterized=True, label="each step")
    ax.plot(middles, means, color=COLOURS[0], linewidth=1.8, label=f"means of {size:,} steps" if size > 1 else None)
    mean, error = np.nanmean(tail), batch_means_error(tail[np.isfinite(tail)])
    ax.axvspan(len(elbo) - window + 1, len(elbo), color="0.93", linewidth=0, zorder=0)
    span = [len(elbo) - window + 1, len(elbo)]
    text = f"last {window:,} steps: {mean:,.2f}"
    if np.isfinite(error):
        text += f" ± {error:.2g}"
        ax.fill_between(span, mean - 2 * error, mean + 2 * error, color=COLOURS[1], alpha=0.3, linewidth=0)
    ax.plot(span, [mean, mean], color=COLOURS[1], linewidth=1.5, label=text)
    ax.set_ylim(*_limits(elbo, tail, means))
    ax.set_xlim(1, len(elbo))
    ax.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
    legend = ax.legend(loc="lower right", fontsize=9, framealpha=0.95, edgecolor="0.9")
    for line in legend.get_lines():
        line.set_linewidth(2)
    ax.grid(axis="y", color="0.9")
    ax.tick_params(colors=GREY)
    return finish(ax, xlabel="step", ylabel="ELBO (nats)")


def _window(window, elbo):
    if window is not None:
        return min(window, len(elbo))
    trend = loss_trend(-elbo)
    return trend.window if trend is not None else max(1, len(elbo) // 5)


def _block_means(values, size):
    """Middle step and mean of consecutive blocks of `size` values, the last of which ends at the end."""
    count = len(values) // size
    blocks = values[len(values) - count * size :].reshape(count, size)
    first = len(values) - count * size + (size + 1) / 2
    return first + size * np.arange(count), blocks.mean(axis=1)


def _limits(elbo, tail, means):
    """The first steps can be thousands of nats below the rest: what they do must not flatten it."""
    tail, means = tail[np.isfinite(tail)], means[np.isfinite(means)]
    spread = max(tail.std(), 1e-3 * abs(tail.mean()), 1e-8)
    low = min(np.quantile(means, 0.1) - 2 * spread, tail.mean() - 4 * spread)
    return max(low, tail.mean() - 40 * spread, np.nanmin(elbo[np.isfinite(elbo)]) - spread), tail.mean() + 4 * spread
