"""README's code, run from top to bottom on data of its form."""

import pymc3_vi

import numpy as np
import pytest

from .pages import run_page


@pytest.mark.slow
def test_it_runs_as_written(capsys):
    rng = np.random.RandomState(1)
    x = rng.normal(size=2000)
    y = 2.0 * x + rng.normal(size=2000)
    try:
        names = run_page("../README.md", x=x, y=y, new=np.array([0.0, 3.0]))
    finally:
        pymc3_vi.uninstall()
    assert "Use it as it is" in capsys.readouterr().out
    slope = (x * y).mean() / (x * x).mean()  # both intercepts are within 0.03 of zero
    for draws in (names["trace"], names["exact"], names["minibatched"].sample(1000, random_seed=1)):
        assert abs(draws["b"].mean() - slope) < 0.01 and draws["b"].std() == pytest.approx(2000**-0.5, rel=0.15)
    predicted = names["idata"].posterior_predictive["y"].values[0]
    np.testing.assert_allclose(predicted.mean(axis=0), [0.0, 3 * slope], atol=0.15)  # 1,000 draws of noise of sd 1
