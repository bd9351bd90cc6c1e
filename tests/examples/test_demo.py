import numpy as np
import pytest

from examples import demo, radon
from examples.demo_plots import plot_elbo, plot_posterior
from examples.references import load_reference


@pytest.fixture
def normal_draws(rng):
    """Draws with exactly the reference's means and standard deviations."""
    reference = load_reference("radon")

    def like(stored, n=500):
        eps = rng.standard_normal((n,) + stored["mean"].shape)
        eps = (eps - eps.mean(axis=0)) / eps.std(axis=0, ddof=1)
        return stored["mean"] + stored["sd"] * eps

    return {name: like(reference[name]) for name in demo.SCALARS + ["county"]}, reference


def test_summary_of_draws_like_the_reference_shows_no_difference(normal_draws):
    lines = list(demo.summary_lines(*normal_draws, counties=[(69, "St Louis")]))
    rows = [line.split() for line in lines if line.startswith(tuple(demo.SCALARS))]
    assert [row[0] for row in rows] == demo.SCALARS
    for row in rows:
        assert row[1:3] == row[3:5] and float(row[5]) == 0 and float(row[6]) == 1
    assert sum(line.startswith("county St Louis") for line in lines) == 1
    assert any("differs by 0.00 sd at most" in line for line in lines)


def test_summary_shows_a_shift_and_a_ratio(normal_draws):
    draws, reference = normal_draws
    mean, sd = reference["floor"]["mean"], reference["floor"]["sd"]
    draws["floor"] = mean + sd + 0.5 * (draws["floor"] - mean)
    row = next(line for line in demo.summary_lines(draws, reference) if line.startswith("floor")).split()
    assert row[-2:] == ["+1.00", "0.50"]


def test_figures_are_png_files(normal_draws, tmp_path, rng):
    hist = 1000 + 5000 * np.exp(-np.arange(3000) / 100) + rng.standard_normal(3000)
    draws, reference = normal_draws
    for path in (
        plot_elbo(hist, tmp_path / "elbo.png"),
        plot_posterior(draws, reference, radon.load_data(), demo.SCALARS, tmp_path / "posterior.png"),
    ):
        assert path.read_bytes().startswith(b"\x89PNG\r\n")
        assert path.stat().st_size > 10000


@pytest.mark.slow
def test_demo_agrees_with_nuts(tmp_path, capsys):
    """The whole demo; mean field finds the means, and its sds lie below those of the correlated parameters."""
    demo.main(["--output", str(tmp_path)])
    printed = capsys.readouterr().out
    rows = {line.split()[0]: line.split() for line in printed.splitlines() if line.startswith(tuple(demo.SCALARS))}
    assert set(rows) == set(demo.SCALARS)
    for name, row in rows.items():
        shift, ratio = float(row[5]), float(row[6])
        assert abs(shift) < 0.5, name
        assert 0.4 < ratio < 1.1, name
    response = printed.split("Over those of NUTS:\n")[1].splitlines()[0]
    ratios = [float(part.split()[1]) for part in response.split(",")]
    assert len(ratios) == len(demo.SCALARS) and all(0.9 < ratio < 1.15 for ratio in ratios)
    assert {path.name for path in tmp_path.iterdir()} == {"elbo.png", "posterior.png"}
