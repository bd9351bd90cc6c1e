"""Data of the benchmarks: one definition for all packages, in NumPy alone.

Every function returns a dict of arrays; the same seed gives the same numbers under every version of NumPy, because
`RandomState` is frozen.
"""

import csv
from pathlib import Path

import numpy as np

__all__ = ["DATA", "data_of"]

RADON = Path(__file__).resolve().parents[1] / "examples" / "data" / "radon.csv"


def _random():
    return np.random.RandomState(20210304)


def normal(n):
    return {"y": _random().normal(2.0, 1.5, size=n)}


def schools():
    """Eight schools (Rubin 1981): effects of coaching and their standard errors."""
    return {
        "y": np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0]),
        "se": np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0]),
    }


def radon():
    """Homes in counties, from the demo's file."""
    with open(RADON, newline="") as file:
        rows = list(csv.DictReader(file))
    county = np.array([int(row["county"]) - 1 for row in rows])
    _, first = np.unique(county, return_index=True)
    return {
        "county": county,
        "floor": np.array([float(row["floor"]) for row in rows]),
        "uranium": np.array([float(rows[home]["log_uranium"]) for home in first]),
        "y": np.array([float(row["log_radon"]) for row in rows]),
    }


def logistic(n, d):
    random = _random()
    x = random.normal(size=(n, d))
    beta = random.normal(size=d) / np.sqrt(d)
    return {"x": x, "y": (random.uniform(size=n) < 1 / (1 + np.exp(-x @ beta))).astype("int64")}


def gp(n):
    random = _random()
    x = np.sort(random.uniform(0, 10, size=n))
    return {"x": x[:, None], "y": np.sin(x) + 0.3 * random.normal(size=n)}


def mixture(n):
    random = _random()
    return {"y": np.where(random.uniform(size=n) < 0.3, random.normal(-2, 0.5, n), random.normal(1.5, 1.0, n))}


def bnn(n, d):
    random = _random()
    x = random.normal(size=(n, d))
    return {"x": x, "y": np.tanh(x @ random.normal(size=d)) + 0.1 * random.normal(size=n)}


def lkj(n, d):
    random = _random()
    return {"y": random.normal(size=(n, d)) @ np.tril(random.normal(size=(d, d)))}


def independent(d):
    """No data: d independent standard normal variables, whose steps cost what the family costs."""
    return {"d": np.array(d)}


#: name -> function without arguments that makes the data
DATA = {
    "normal-1e3": lambda: normal(1000),
    "normal-1e5": lambda: normal(100000),
    "schools": schools,
    "radon": radon,
    "logistic-1e3": lambda: logistic(1000, 20),
    "logistic-1e5": lambda: logistic(100000, 50),
    "gp": lambda: gp(100),
    "mixture": lambda: mixture(1000),
    "bnn": lambda: bnn(10000, 10),
    "lkj": lambda: lkj(200, 4),
    "full-rank-10": lambda: independent(10),
    "full-rank-100": lambda: independent(100),
    "full-rank-500": lambda: independent(500),
}


def data_of(name):
    """Arrays of the benchmark called `name`."""
    return DATA[name]()
