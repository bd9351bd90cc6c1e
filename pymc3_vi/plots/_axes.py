"""Axes and colours that all plots share."""

import numpy as np

from ..errors import MissingExtraError
from ..validation import require

try:
    from matplotlib import pyplot as plt
except ImportError:  # the plots are an extra
    plt = None

__all__ = ["COLOURS", "GREY", "LIGHT", "finish", "grid_of_axes", "single_axes"]

#: Colours of fits, in order: blue, red, green, orange, violet; distinguishable in grey and with poor colour vision.
COLOURS = ["#1f5fa8", "#d1495b", "#2e8b6f", "#e09f3e", "#7a5195"]
LIGHT, GREY = "#a9c6e6", "0.35"


def _pyplot():
    if plt is None:
        raise MissingExtraError("pymc3_vi.plots needs Matplotlib. Install it with: pip install 'pymc3_vi[plots]'")
    return plt


def single_axes(ax, figsize=(7.0, 4.0)):
    """`ax`, or axes in a new figure."""
    pyplot = _pyplot()
    return pyplot.subplots(figsize=figsize, constrained_layout=True)[1] if ax is None else ax


def grid_of_axes(axes, count, caller, columns=3, panel=(3.6, 2.7)):
    """Array of `count` axes: those given, or a grid in a new figure.

    Raises
    ------
    ValueError
        If too few are given.
    """
    pyplot = _pyplot()
    if axes is not None:
        axes = np.atleast_1d(np.asarray(axes, dtype=object)).ravel()
        require(len(axes) >= count, ValueError, "axes", caller, f"{count} axes, one for each panel", len(axes))
        return axes[:count]
    columns = min(columns, count)
    rows = -(-count // columns)
    grid = pyplot.subplots(
        rows, columns, figsize=(panel[0] * columns, panel[1] * rows), squeeze=False, constrained_layout=True
    )[1].ravel()
    for ax in grid[count:]:
        ax.set_visible(False)
    return grid[:count]


def finish(ax, title=None, xlabel=None, ylabel=None):
    """Remove what is not needed and label the rest."""
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    ax.set_axisbelow(True)
    if title:
        ax.set_title(title, fontsize=11)
    if xlabel:
        ax.set_xlabel(xlabel)
    if ylabel:
        ax.set_ylabel(ylabel)
    return ax
