"""Parameters and other statistics over the steps of a fit."""

import numpy as np

from ..callbacks import Tracker
from ..errors import ParameterValueError
from ..parameters import checked
from ..validation import require, unknown_name
from ._axes import COLOURS, finish, grid_of_axes

__all__ = ["plot_tracks"]

#: Lines of one panel that get a colour and a label of their own.
LABELLED = len(COLOURS)


@checked
def plot_tracks(tracker, names=None, every=1, axes=None):
    """Plot what a :class:`~pymc3_vi.callbacks.Tracker` recorded, one panel a statistic, one line a component.

    Parameters
    ----------
    tracker : Tracker or dict
        Name -> values of every step, each a number or an array of one shape.
    names : str or list of str, optional
        Statistics to plot; default all.
    every : int
        Steps between two records, for the axis.
    axes : array of matplotlib.axes.Axes, optional
        One for each statistic.

    Returns
    -------
    ndarray of matplotlib.axes.Axes

    Raises
    ------
    UnknownNameError
        If a name was not recorded.
    ValueError
        If a statistic is not numeric or changes its shape, or nothing was recorded.
    MissingExtraError
        Without Matplotlib.
    """
    recorded = tracker.hist if isinstance(tracker, Tracker) else dict(tracker)
    names = list(recorded) if names is None else [names] if isinstance(names, str) else list(names)
    require(names, ValueError, "tracker", "plot_tracks", "one that has recorded something", tracker)
    tracks = [_track(recorded, name) for name in names]
    axes = grid_of_axes(axes, len(names), "plot_tracks")
    for ax, name, values in zip(axes, names, tracks):
        steps = every * np.arange(1, len(values) + 1)
        many = values.shape[1] > LABELLED
        for column in range(values.shape[1]):
            style = (
                dict(color=COLOURS[0], alpha=max(0.15, 3 / values.shape[1]), linewidth=0.9)
                if many
                else dict(color=COLOURS[column], linewidth=1.4, label=f"[{column}]")
            )
            ax.plot(steps, values[:, column], **style)
        if 1 < values.shape[1] <= LABELLED:
            ax.legend(fontsize=8, framealpha=0.9, edgecolor="0.9", loc="best")
        if len(steps) > 1:
            ax.set_xlim(steps[0], steps[-1])
        ax.grid(axis="y", color="0.9")
        ax.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
        count = f" ({values.shape[1]} components)" if many else ""
        finish(ax, title=f"{name}{count}", xlabel="step")
    return axes


def _track(recorded, name):
    """Values (steps, components)."""
    if name not in recorded:
        raise unknown_name(name, recorded, "names", "plot_tracks", "statistic")
    try:
        values = np.asarray([np.asarray(value, dtype="float64") for value in recorded[name]], dtype="float64")
    except (TypeError, ValueError):
        raise ParameterValueError(
            f"The statistic {name!r} of plot_tracks must be numbers or arrays of one shape at every step. "
            "In 'tracker' it is not. Name those that are with 'names'."
        ) from None
    require(len(values), ValueError, name, "plot_tracks", "recorded at least once", recorded[name])
    return values.reshape(len(values), -1)
