"""What the plots draw: their lines and titles against the numbers that they stand for."""

import pymc3_vi
from pymc3_vi import plots
from pymc3_vi.diagnostics import ImportanceWeights, batch_means_error
from pymc3_vi.errors import ExplicitInferenceError, MissingExtraError, UnknownNameError
from pymc3_vi.plots import _axes

import arviz as az
import numpy as np
import pytest
import theano
from matplotlib import pyplot as plt

from tests.diagnostics.conftest import Conjugate


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def conjugate():
    return Conjugate(np.random.RandomState(1).normal(0.5, 1.0, (10, 2)))


def _line(ax, label):
    """x and y of the line with this label."""
    return next(line for line in ax.get_lines() if line.get_label().startswith(label)).get_data()


# ---------------------------------------------------------------- ELBO
def test_elbo_shows_steps_block_means_and_window(rng):
    hist = 30 + 5 * np.exp(-np.arange(2000) / 50) + rng.normal(size=2000)
    ax = plots.plot_elbo(hist)
    steps, elbo = _line(ax, "each step")
    np.testing.assert_array_equal(steps, np.arange(1, 2001))
    np.testing.assert_array_equal(elbo, -hist)
    middles, means = _line(ax, "means of 20 steps")
    np.testing.assert_allclose(means, -hist.reshape(100, 20).mean(1))
    np.testing.assert_allclose(middles, np.arange(1, 2001).reshape(100, 20).mean(1))
    x, y = _line(ax, "last 400 steps")
    assert list(x) == [1601, 2000] and y[0] == y[1] == pytest.approx(-hist[1600:].mean())
    label = ax.get_legend_handles_labels()[1][-1]
    assert label == f"last 400 steps: {-hist[1600:].mean():.2f} ± {batch_means_error(hist[1600:]):.2g}"
    low, high = ax.get_ylim()
    assert low < -hist[-400:].max() + 1 and high > -hist[-400:].min() - 1 and low > -40


def test_elbo_of_a_fit_on_given_axes(conjugate, rng):
    approx = conjugate.gaussian()
    approx.hist = 100 + rng.normal(size=50)
    ax = plt.subplots()[1]
    assert plots.plot_elbo(approx, window=10, ax=ax) is ax
    assert _line(ax, "last 10 steps")[1][0] == pytest.approx(-approx.hist[-10:].mean())
    assert ax.get_ylabel() == "ELBO (nats)" and ax.get_xlabel() == "step"


def test_elbo_needs_losses():
    with pytest.raises(ValueError, match="'fit' parameter of plot_elbo must be a fit with at least two finite losses"):
        plots.plot_elbo(np.empty(0))
    with pytest.raises(ValueError, match="'window' parameter of plot_elbo must be an integer of at least 1"):
        plots.plot_elbo(np.ones(10), window=0)


# ---------------------------------------------------------------- tracks
def test_tracks_have_one_panel_a_statistic_and_one_line_a_component(rng):
    few, many = rng.normal(size=(30, 3)), rng.normal(size=(30, 2, 4))
    tracker = pymc3_vi.Tracker(few=lambda a, h, i: few[i - 1], many=lambda a, h, i: many[i - 1], step=lambda a, h, i: i)
    for i in range(1, 31):
        tracker(None, None, i)
    axes = plots.plot_tracks(tracker)
    assert [ax.get_title() for ax in axes] == ["few", "many (8 components)", "step"]
    assert [len(ax.get_lines()) for ax in axes] == [3, 8, 1]
    np.testing.assert_array_equal(axes[0].get_lines()[2].get_ydata(), few[:, 2])
    np.testing.assert_array_equal(axes[1].get_lines()[5].get_ydata(), many[:, 1, 1])
    only = plots.plot_tracks({"few": few, "many": many}, "few", every=10)
    assert len(only) == 1 and list(only[0].get_lines()[0].get_xdata()[:2]) == [10, 20]


def test_tracks_of_what_is_not_there():
    with pytest.raises(UnknownNameError, match="no statistic 'mena'. Did you mean 'mean'"):
        plots.plot_tracks({"mean": [1.0, 2.0]}, "mena")
    with pytest.raises(ValueError, match="'text' of plot_tracks must be numbers"):
        plots.plot_tracks({"text": ["a", "b"]})
    with pytest.raises(ValueError, match="'tracker' parameter of plot_tracks"):
        plots.plot_tracks(pymc3_vi.Tracker())
    with pytest.raises(ValueError, match="'axes' parameter of plot_tracks must be 2 axes"):
        plots.plot_tracks({"a": [1.0], "b": [2.0]}, axes=[plt.subplots()[1]])


# ---------------------------------------------------------------- posterior
def test_posterior_beside_other_draws(conjugate, rng):
    approx = conjugate.gaussian(scale=0.5)
    exact = conjugate.mean + conjugate.sd * rng.normal(size=(3000, 2))
    axes = plots.plot_posterior(
        approx,
        [{"mu": exact}, az.from_dict(posterior={"mu": exact[None]})],
        labels=["q", "p", "p again"],
        random_seed=1,
    )
    assert [ax.get_title() for ax in axes] == ["mu[0]", "mu[1]"]
    for column, ax in enumerate(axes):
        grid, narrow = _line(ax, "q")
        points, wide = _line(ax, "p")
        sd = conjugate.sd[column]
        assert narrow.max() == pytest.approx(1 / (0.5 * sd * np.sqrt(2 * np.pi)), rel=0.12)
        assert wide.max() == pytest.approx(1 / (sd * np.sqrt(2 * np.pi)), rel=0.12)
        np.testing.assert_array_equal(_line(ax, "p again")[1], wide)
        intervals = [line.get_xdata() for line in ax.get_lines() if line.get_linewidth() == 2.2]
        widths = [float(np.ptp(interval)) for interval in intervals]
        np.testing.assert_allclose(widths, 2 * 1.881 * sd * np.array([0.5, 1, 1]), rtol=0.08)
        assert ax.get_xlim()[0] < points.min() + sd
    assert [text.get_text() for text in axes[0].get_legend().get_texts()] == ["q", "p", "p again"]


def test_posterior_chooses_components(conjugate):
    fit = {"mu": np.random.RandomState(1).normal(size=(50, 2)), "tau": np.arange(50.0)}
    assert [ax.get_title() for ax in plots.plot_posterior(fit, var_names=["tau", "mu[1]"])] == ["tau", "mu[1]"]
    assert len(plots.plot_posterior({"x": np.random.RandomState(1).normal(size=(50, 40))})) == 12
    assert [ax.get_title() for ax in plots.plot_posterior(fit, {"tau": np.arange(9.0), "b": np.arange(9.0)})] == ["tau"]
    with pytest.raises(UnknownNameError, match="no variable of all fits 'tua'. Did you mean 'tau'"):
        plots.plot_posterior(fit, var_names="tua")
    with pytest.raises(TypeError, match="'fit' parameter of plot_posterior must be an Approximation, MultiTrace"):
        plots.plot_posterior(3)
    with pytest.raises(ValueError, match="'labels' parameter of plot_posterior must be 1 names"):
        plots.plot_posterior(fit, labels=["a", "b"])


def test_posterior_of_a_trace(conjugate):
    approx = conjugate.gaussian()
    trace = approx.sample(200, random_seed=3)
    axes = plots.plot_posterior(trace, approx, draws=200, random_seed=3)
    np.testing.assert_allclose(_line(axes[0], "MultiTrace")[1], _line(axes[0], "MeanField")[1], rtol=1e-6)


# ---------------------------------------------------------------- k-hat
def test_khat_shows_the_tail_and_the_limit(conjugate):
    report = conjugate.gaussian(scale=[0.6, 1.0]).diagnose(5000, random_seed=1, correct=None)
    tail, growth = plots.plot_khat(report)
    weights = ImportanceWeights(report.log_weights)
    x, y = _line(tail, "fitted Pareto tail")
    np.testing.assert_allclose(x, np.sort(weights.weights)[::-1][:1000] * 5000)
    np.testing.assert_allclose(y, (np.arange(1000) + 0.5) / 5000)
    assert growth.get_title() == f"k-hat {report.khat:.2f}, limit {report.threshold:.2f}"
    sizes, limits = _line(growth, "limit")
    assert sizes[0] == 100 and sizes[-1] == 5000 and limits[0] == 0.5 and limits[-1] == pytest.approx(report.threshold)
    good, bad = _line(growth, "k-hat, reliable"), _line(growth, "k-hat, not reliable")
    assert len(good[0]) + len(bad[0]) == len(sizes)
    assert np.all(good[1] < limits[np.isin(sizes, good[0])]) and np.all(bad[1] >= limits[np.isin(sizes, bad[0])])


def test_khat_of_an_approximation_and_of_the_posterior_itself(conjugate):
    axes = plots.plot_khat(conjugate.gaussian(), draws=200, random_seed=1)
    assert len(axes) == 2 and axes[1].get_title().startswith("k-hat")


def test_particles_have_no_khat(conjugate, rng):
    values = rng.normal(size=(20, 2)).astype(theano.config.floatX)
    with pytest.raises(ExplicitInferenceError, match="plot_khat needs importance weights"):
        plots.plot_khat(pymc3_vi.Empirical(trace={"mu": values}, model=conjugate.model))


@pytest.mark.parametrize(
    "plot",
    [
        lambda: plots.plot_elbo(np.ones(10)),
        lambda: plots.plot_tracks({"a": [1.0]}),
        lambda: plots.plot_posterior({"a": np.arange(9.0)}),
    ],
    ids=["elbo", "tracks", "posterior"],
)
def test_without_matplotlib(plot, monkeypatch):
    monkeypatch.setattr(_axes, "plt", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'pymc3_vi\[plots\]'"):
        plot()
