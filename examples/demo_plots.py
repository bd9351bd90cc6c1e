"""The two figures of the demo."""

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

__all__ = ["plot_elbo", "plot_posterior"]

ADVI, NUTS, LIGHT = "#1f5fa8", "#d1495b", "#a9c6e6"
QUANTILES = [0.05, 0.5, 0.95]
LABELS = {
    "intercept": "intercept (log pCi/L)",
    "uranium": "slope on log uranium",
    "floor": "first floor against basement",
    "county_sd": "sd between counties",
    "sigma": "sd between homes",
}
STYLE = {
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "0.9",
    "axes.axisbelow": True,
    "legend.framealpha": 0.9,
    "legend.edgecolor": "0.9",
    "figure.dpi": 120,
}


def _running_mean(values, window):
    """Mean of each `window` consecutive values; entry k belongs to step ``k + window``."""
    sums = np.cumsum(np.concatenate([[0.0], values]))
    return (sums[window:] - sums[:-window]) / window


def plot_elbo(hist, path):
    """Draw the ELBO of every step with its running mean; `hist` holds the negative ELBO.  Returns `path`."""
    elbo = -np.asarray(hist, dtype=float)
    steps = np.arange(1, len(elbo) + 1)
    window = max(1, len(elbo) // 100)
    mean = _running_mean(elbo, window)
    settled = len(elbo) * 2 // 3
    tail = elbo[settled:]
    final = tail.mean()

    with rc_context(STYLE):
        figure = Figure(figsize=(11, 4.2), constrained_layout=True)
        whole, late = figure.subplots(1, 2)
        for axes in (whole, late):
            axes.plot(steps, elbo, color=LIGHT, linewidth=0.5, rasterized=True, label="one draw each step")
            axes.plot(steps[window - 1 :], mean, color=ADVI, linewidth=1.8, label=f"mean of {window} steps")
            axes.set_xlabel("step")
            axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
            axes.xaxis.set_major_locator(MaxNLocator(6))
        # The first steps are thousands of nats below the rest: keep them from flattening it.
        whole.set_ylim(min(np.quantile(elbo, 0.02), final - 8 * tail.std()), final + 6 * tail.std())
        whole.set_ylabel("ELBO (nats)")
        whole.set_title("Whole run")
        for line in whole.legend(loc="lower right").get_lines():
            line.set_linewidth(2)
        late.set_xlim(settled, len(elbo))
        late.set_ylim(*np.quantile(tail, [0.02, 0.995]))
        late.axhline(final, color="0.25", linewidth=1, linestyle="--")
        late.set_title(f"Last third: mean {final:,.1f}")
        figure.suptitle("ADVI on the radon model", fontsize=13)
        figure.savefig(path)
    return path


def _density(draws, points):
    """Gaussian kernel estimate of the density of `draws` at `points` (Silverman's bandwidth)."""
    width = 1.06 * draws.std() * len(draws) ** -0.2
    z = (points[:, None] - draws[None, :]) / width
    return np.exp(-0.5 * z**2).sum(axis=1) / (len(draws) * width * np.sqrt(2 * np.pi))


def _stored_quantiles(stored):
    return np.array([stored[key] for key in ("q05", "q50", "q95")])


def _plot_scalar(axes, draws, stored, label):
    quantiles = _stored_quantiles(stored)
    margin = 0.4 * (quantiles[2] - quantiles[0])
    low, high = min(draws.min(), quantiles[0] - margin), max(draws.max(), quantiles[2] + margin)
    points = np.linspace(low, high, 200)
    density = _density(draws, points)
    axes.fill_between(points, density, color=LIGHT, alpha=0.6, linewidth=0)
    axes.plot(points, density, color=ADVI, linewidth=1.8)
    # Under the curve: the two 90 % intervals and medians.
    rows = [(ADVI, -0.10, np.quantile(draws, QUANTILES)), (NUTS, -0.22, quantiles)]
    for colour, height, (q05, q50, q95) in rows:
        y = height * density.max()
        axes.plot([q05, q95], [y, y], color=colour, linewidth=2.5, solid_capstyle="round")
        axes.plot([q50], [y], "o", color=colour, markersize=6)
    axes.set_ylim(-0.32 * density.max(), 1.08 * density.max())
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_title(label)


def _plot_counties(axes, draws, reference, data):
    """County levels in the order of their uranium, with the regression that they are shrunk towards."""
    order = np.argsort(data.log_uranium)
    place = np.arange(len(order))
    level = draws["intercept"].mean() + draws["uranium"].mean() * data.log_uranium[order]
    axes.plot(place, level, color="0.3", linewidth=1.2, linestyle="--", label="regression on uranium (ADVI)")
    series = [
        (place - 0.17, np.quantile(draws["county"], QUANTILES, axis=0), ADVI, "ADVI: median and 90 % interval"),
        (place + 0.17, _stored_quantiles(reference["county"]), NUTS, "NUTS: median and 90 % interval"),
    ]
    for x, quantiles, colour, label in series:
        q05, q50, q95 = quantiles[:, order]
        axes.errorbar(
            x, q50, yerr=[q50 - q05, q95 - q50], fmt="o", color=colour, markersize=3.4, elinewidth=1.3, label=label
        )
    axes.set_xlim(-1.5, len(order) + 0.5)
    ticks = place[::7]
    names = [f"{data.county_names[order[k]].title()}\n{data.log_uranium[order[k]]:+.2f}" for k in ticks]
    axes.set_xticks(ticks)
    axes.set_xticklabels(names, fontsize=8.5)
    axes.grid(axis="x", visible=False)
    axes.set_xlabel("county, in the order of its soil's log uranium")
    axes.set_ylabel("level in the basement (log pCi/L)")
    axes.set_title(f"Levels of the {len(order)} counties")
    axes.legend(loc="upper left")


def plot_posterior(draws, reference, data, scalars, path):
    """Draw ADVI's densities and county levels beside the NUTS run's quantiles.  Returns `path`."""
    with rc_context(STYLE):
        figure = Figure(figsize=(13, 8.5), constrained_layout=True)
        grid = figure.add_gridspec(2, len(scalars), height_ratios=[1, 1.7])
        for column, name in enumerate(scalars):
            _plot_scalar(figure.add_subplot(grid[0, column]), draws[name], reference[name], LABELS.get(name, name))
        _plot_counties(figure.add_subplot(grid[1, :]), draws, reference, data)
        figure.suptitle("Posterior of the radon model: mean-field ADVI (blue) and long NUTS run (red)", fontsize=13)
        figure.savefig(path)
    return path
