"""The page for users of PyMC3, run from top to bottom."""

import pymc3_vi

import numpy as np
import pytest

from .pages import run_page

X = np.random.RandomState(3).normal(size=(200, 2))


@pytest.mark.slow
def test_every_task_is_done_as_written():
    try:
        names = run_page("coming_from_pymc3.md")
    finally:
        pymc3_vi.uninstall()
    truth = np.linalg.lstsq(np.column_stack([np.ones(200), X]), names["y"], rcond=None)[0]
    b = names["approx"].sample(2000, random_seed=2)["b"]
    assert np.all(np.abs(b.mean(axis=0) - truth[1:]) < 0.3 * b.std(axis=0))
    assert len(names["short"].hist) <= 10_000 and names["verdict"].verdict == "use"
    assert names["predicted"].shape == (500, 200) and names["draws_of_mean"].shape == (100, 200)
    expected = truth[0] + names["new"] @ truth[1:]
    for draws in (names["predicted"], names["draws_of_mean"]):
        # 500 and 100 draws of noise or of means with sds of about 1 and 0.1
        assert np.abs(draws.mean(axis=0) - expected).mean() < 0.2
    assert {"posterior", "log_likelihood"} <= set(names["idata"].groups())
    assert "pass" in str(names["streamed"].report)
