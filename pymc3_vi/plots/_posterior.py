"""Marginal posteriors of one fit beside those of others."""

import arviz as az
import numpy as np

from ..core import Approximation
from ..parameters import checked
from ..validation import require, unknown_name
from ._axes import COLOURS, finish, grid_of_axes

__all__ = ["plot_posterior"]

#: Panels without being asked for by name.
MAX_PANELS = 12


@checked
def plot_posterior(
    fit, other=None, var_names=None, labels=None, draws=4000, hdi_prob=0.94, correct=None, axes=None, random_seed=None
):
    """Plot marginal densities, with medians and intervals below, of a fit and of others to compare it with.

    Parameters
    ----------
    fit : Approximation, MultiTrace, InferenceData or dict of arrays (draws, ...)
    other : one of these or a list of them, optional
        E.g. the trace of ``pm.sample``.
    var_names : str or list of str, optional
        Variables in order, or single components such as ``'theta[0]'``.  Default: all variables that the fits have in
        common, the first twelve components.
    labels : list of str, optional
        Names of the fits in the legend.
    draws : int
        Draws from approximations.
    hdi_prob : float
        Probability of the highest-density intervals.
    correct : {None, 'psis'}
        Importance-corrected draws from `fit`, if it is an approximation.
    axes : array of matplotlib.axes.Axes, optional
        One for each component.
    random_seed : int, optional

    Returns
    -------
    ndarray of matplotlib.axes.Axes

    Raises
    ------
    UnknownNameError
        If a fit does not have a variable.
    TypeError
        If something is not a fit.
    MissingExtraError
        Without Matplotlib.
    """
    fits = [fit] + ([] if other is None else list(other) if isinstance(other, (list, tuple)) else [other])
    tables = [_draws(f, draws, correct if i == 0 else None, random_seed) for i, f in enumerate(fits)]
    labels = _labels(fits, labels)
    panels = _panels(tables, var_names)
    require(panels, ValueError, "fit", "plot_posterior", "fits with a variable in common", [list(t) for t in tables])
    axes = grid_of_axes(axes, len(panels), "plot_posterior")
    for ax, name in zip(axes, panels):
        _panel(ax, [table[name] for table in tables], labels, hdi_prob)
        finish(ax, title=name)
    if len(fits) > 1:
        axes[0].legend(fontsize=8, framealpha=0.9, edgecolor="0.9", loc="best")
    return axes


def _draws(fit, draws, correct, random_seed):
    """Dict component -> draws (s,)."""
    if isinstance(fit, Approximation):
        arrays = fit.sample_arrays(draws, include_transformed=False, random_seed=random_seed, correct=correct)
    elif hasattr(fit, "posterior"):
        arrays = {name: np.asarray(values).reshape((-1,) + values.shape[2:]) for name, values in fit.posterior.items()}
    elif hasattr(fit, "get_values"):
        arrays = {name: fit.get_values(name) for name in fit.varnames if not name.endswith("__")}
    else:
        require(
            isinstance(fit, dict),
            TypeError,
            "fit",
            "plot_posterior",
            "an Approximation, MultiTrace, InferenceData or dict of arrays",
            fit,
        )
        arrays = {name: np.asarray(values) for name, values in fit.items()}
    return {
        name + (f"[{', '.join(map(str, index))}]" if index else ""): np.asarray(values[(slice(None),) + index], float)
        for name, values in arrays.items()
        for index in np.ndindex(*values.shape[1:])
    }


def _labels(fits, labels):
    if labels is None:
        labels = [type(fit).__name__ for fit in fits]
        return [label if labels.count(label) == 1 else f"{label} {i + 1}" for i, label in enumerate(labels)]
    labels = [labels] if isinstance(labels, str) else list(labels)
    require(len(labels) == len(fits), ValueError, "labels", "plot_posterior", f"{len(fits)} names, one a fit", labels)
    return labels


def _panels(tables, var_names):
    """Components to plot."""
    common = [name for name in tables[0] if all(name in table for table in tables)]
    if var_names is None:
        return common[:MAX_PANELS]
    panels = []
    for name in [var_names] if isinstance(var_names, str) else var_names:
        found = [c for c in common if c == name or c.startswith(f"{name}[")]
        if not found:
            variables = sorted({c.split("[")[0] for c in common})
            raise unknown_name(name, variables, "var_names", "plot_posterior", "variable of all fits")
        panels.extend(found)
    return panels


def _panel(ax, draws, labels, hdi_prob):
    curves = [az.kde(values) for values in draws]
    height = max(density.max() for _, density in curves)
    for i, ((grid, density), values, label) in enumerate(zip(curves, draws, labels)):
        colour = COLOURS[i % len(COLOURS)]
        if i == 0:
            ax.fill_between(grid, density, color=colour, alpha=0.25, linewidth=0)
        ax.plot(grid, density, color=colour, linewidth=1.6, label=label)
        low, high = az.hdi(values, hdi_prob=hdi_prob)
        y = -height * (0.07 + 0.11 * i)
        ax.plot([low, high], [y, y], color=colour, linewidth=2.2, solid_capstyle="round")
        ax.plot([np.median(values)], [y], "o", color=colour, markersize=5)
    # Far tails of one fit must not squeeze the others.
    spread = np.array([np.quantile(values, [0.002, 0.998]) for values in draws])
    margin = 0.08 * (spread[:, 1].max() - spread[:, 0].min())
    ax.set_xlim(spread[:, 0].min() - margin, spread[:, 1].max() + margin)
    ax.set_ylim(-height * (0.07 + 0.11 * len(draws)), 1.08 * height)
    ax.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
