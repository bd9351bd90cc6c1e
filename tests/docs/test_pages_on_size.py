"""The pages on many rows and many models, run from top to bottom on data of their form, at a small size."""

from concurrent.futures import ThreadPoolExecutor

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from .pages import run_page

pytestmark = pytest.mark.slow


def test_large_data(tmp_path, monkeypatch, unoptimized, capsys):
    rng = np.random.RandomState(1)
    x, new_x = rng.normal(size=(8000, 20)), rng.normal(size=(2000, 20))
    b = np.linspace(-1, 1, 20)
    y, new_y = (1.0 * (rng.uniform(size=len(rows)) < 1 / (1 + np.exp(-rows @ b))) for rows in (x, new_x))
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", x)
    approx = run_page("large_data.md", y=y, new_x=new_x, new_y=new_y)["approx"]
    assert "passes over 8,000 rows" in capsys.readouterr().out
    # with 10,000 rows the likelihood is nearly normal: the posterior is where a fit by Newton's steps of all rows is
    design = np.column_stack([np.concatenate([x, new_x]), np.ones(10_000)])
    at = np.zeros(21)
    for _ in range(20):
        p = 1 / (1 + np.exp(-design @ at))
        hessian = (design * (p * (1 - p))[:, None]).T @ design + np.eye(21) / 100
        at = at + np.linalg.solve(hessian, design.T @ (np.concatenate([y, new_y]) - p) - at / 100)
    means = approx.sample(4000, random_seed=1)
    found = np.append(means["b"].mean(axis=0), means["a"].mean())
    assert np.max(np.abs(found - at) * np.sqrt(np.diag(hessian))) < 0.25


def test_many_models(unoptimized):
    rng = np.random.RandomState(1)
    x = rng.uniform(size=(4, 50))
    slopes = pd.Series([-2.0, 0.0, 1.0, 3.0], index=list("abcd"))
    frame = pd.DataFrame({"shop": np.repeat(slopes.index, 50), "x": x.ravel()})
    frame["y"] = np.repeat(slopes.values, 50) * frame["x"] + 0.1 * rng.normal(size=200)
    data = {"x": x, "y": frame["y"].values.reshape(4, 50)}
    smaller = [("n=1000", "n=40"), ("n=200", "n=20"), ("k=10", "k=5"), ("from dask.distributed import Client", "")]
    with ThreadPoolExecutor(2) as workers:  # any executor stands for a client; that of Dask has tests of its own
        page = run_page("many_models.md", smaller, frame=frame, data=data, Client=lambda address: workers)
    plt.close("all")
    squares = ((x - x.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    resampled = page["fits"].table["mean"]["slope"]
    assert len(resampled) == 20 and abs(resampled.mean() - slopes["a"]) < 4 * 0.1 / squares[0] ** 0.5
    assert 0.5 < resampled.std() * squares[0] ** 0.5 / 0.1 < 2.0  # the error of least squares
    assert page["found"].miscalibrated(corrected=True) == [] and len(page["found"].fits) == 40
