"""The two figures of the demo."""
import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

__all__ = ["plot_elbo", "plot_posterior"]

ADVI, NUTS, LIGHT = "#1f5fa8", "#d1495b", "#a9c6e6"
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
    "legend.frameon": False,
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
    tail = elbo[len(elbo) // 2:]
    final = tail.mean()

    with rc_context(STYLE):
        figure = Figure(figsize=(11, 4.2), constrained_layout=True)
        whole, late = figure.subplots(1, 2)
        for axes in (whole, late):
            axes.plot(steps, elbo, color=LIGHT, linewidth=0.5, rasterized=True, label="one draw each step")
            axes.plot(steps[window - 1:], mean, color=ADVI, linewidth=1.8, label=f"mean of {window} steps")
            axes.set_xlabel("step")
            axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
            axes.xaxis.set_major_locator(MaxNLocator(6))
        # The first steps are thousands of nats below the rest: keep them from flattening it.
        whole.set_ylim(min(np.quantile(elbo, 0.02), final - 8 * tail.std()), final + 6 * tail.std())
        whole.set_ylabel("ELBO (nats)")
        whole.set_title("Whole run")
        whole.legend(loc="lower right")
        late.set_xlim(len(elbo) // 2, len(elbo))
        late.set_ylim(np.quantile(tail, 0.005), np.quantile(tail, 0.9999))
        late.axhline(final, color="0.25", linewidth=1, linestyle="--", label=f"mean {final:,.1f}")
        late.set_title("Second half")
        late.legend(loc="lower right")
        figure.suptitle("ADVI on the radon model", fontsize=13)
        figure.savefig(path)
    return path


def _density(draws, points):
    """Gaussian kernel estimate of the density of `draws` at `points` (Silverman's bandwidth)."""
    width = 1.06 * draws.std() * len(draws) ** -0.2
    z = (points[:, None] - draws[None, :]) / width
    return np.exp(-0.5 * z**2).sum(axis=1) / (len(draws) * width * np.sqrt(2 * np.pi))


def _plot_scalar(axes, draws, stored, label):
    low = min(stored["mean"] - 4 * stored["sd"], draws.min())
    high = max(stored["mean"] + 4 * stored["sd"], draws.max())
    points = np.linspace(low, high, 200)
    density = _density(draws, points)
    axes.fill_between(points, density, color=LIGHT, alpha=0.6, linewidth=0)
    axes.plot(points, density, color=ADVI, linewidth=1.8)
    # Under the curve: the two 90 % intervals and medians.
    rows = {ADVI: (-0.10, np.quantile(draws, [0.05, 0.5, 0.95])), NUTS: (-0.22, [stored[q] for q in ("q05", "q50", "q95")])}
    for colour, (height, (q05, q50, q95)) in rows.items():
        y = height * density.max()
        axes.plot([q05, q95], [y, y], color=colour, linewidth=2.5, solid_capstyle="round")
        axes.plot([q50], [y], "o", color=colour, markersize=6)
    axes.set_ylim(-0.32 * density.max(), 1.08 * density.max())
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_title(label)


def _plot_counties(axes, draws, reference, data):
    """County levels over their uranium, as in figure 12.6 of Gelman and Hill."""
    stored = reference["county"]
    u = data.log_uranium
    offset = 0.004
    quantiles = np.quantile(draws["county"], [0.05, 0.5, 0.95], axis=0)
    series = [
        (u - offset, quantiles, ADVI, "ADVI: median and 90 % interval"),
        (u + offset, np.array([stored[q] for q in ("q05", "q50", "q95")]), NUTS, "NUTS: median and 90 % interval"),
    ]
    for x, (q05, q50, q95), colour, label in series:
        axes.errorbar(x, q50, yerr=[q50 - q05, q95 - q50], fmt="o", color=colour, ecolor=colour, markersize=3.2,
                      elinewidth=1, alpha=0.75, label=label)
    line = np.linspace(u.min() - 0.05, u.max() + 0.05, 2)
    axes.plot(line, draws["intercept"].mean() + draws["uranium"].mean() * line, color="0.3", linewidth=1, linestyle="--",
              label="regression on uranium (ADVI)")
    axes.set_xlabel("log uranium of the county's soil")
    axes.set_ylabel("county level (log pCi/L, basement)")
    axes.set_title(f"Levels of the {len(u)} counties")
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
