"""Simulation-based calibration of ``fit()`` and ``sample(correct="hmc")``, by defaults; writes docs/calibration.md.

Usage: ``python -m benchmarks.calibration [--simulations 150] [NAME ...]``.  Ranks are stored in
``.bench/calibration.jsonl`` as they are found, and not found again; ``--fresh`` forgets them.
"""

import argparse
import json
import time
import warnings
from collections import OrderedDict

import pymc3_vi
from pymc3_vi.errors import UnconvergedChainsWarning
from pymc3_vi.many._sbc import uniform_p_value
from pymc3_vi.model import ModelView, simulated, untransformed_nodes

import numpy as np
import pymc3 as pm
import theano
import theano.tensor as tt

from benchmarks.environments import BENCH, ROOT

STORE, DOCUMENT = BENCH / "calibration.jsonl", ROOT / "docs" / "calibration.md"
#: Draws that a true value is ranked among, and the probability of calling what is calibrated uncalibrated.
DRAWS, LEVEL = 99, 0.01
SEED = 20210501

INTRODUCTION = """# Calibration

Made by `make calibration`: simulation-based calibration (Talts et al. 2018) of all that a user does.
Parameters are drawn from the prior and data given them; then come `approx = pymc3_vi.fit()` and
`approx.sample({draws}, correct="hmc")`, every argument at its default. Where posteriors are right, the ranks of the
true values among the draws are uniform. *Smallest p* is that of all values of a model, of a test of uniformity (twice
the smaller one of a Kolmogorov-Smirnov and a chi-square test) times the number of values; below {level} something is
wrong. *Mean* is that of the ranks, on a scale where 0.5 is right, and *spread* their standard deviation over that of
uniform ranks, above 1 where posteriors are too narrow: of all values the one that is farthest off. With n simulations
their standard errors are 0.29 / sqrt(n) and 0.45 / sqrt(n). *Flagged* are simulations whose chains said that they had
not converged; their ranks count.

"""

MODELS = OrderedDict()


def _model(function):
    MODELS[function.__name__] = function
    return function


def build(name):
    """Model `name`, whose observations are the shared variable ``data``."""
    with theano.config.change_flags(cxx=""), pm.Model() as model:
        MODELS[name]()
    return model


@_model
def normal():
    """Mean and standard deviation of 20 values."""
    y = pm.Data("data", np.zeros(20))
    pm.Normal("y", pm.Normal("mu", 0.0, 2.0), pm.HalfNormal("sigma", 1.0), observed=y)


@_model
def logistic_regression():
    """60 answers, three correlated predictors."""
    random = np.random.RandomState(1)
    x = random.normal(size=(60, 3)) + random.normal(size=(60, 1))
    y = pm.Data("data", np.zeros(60, dtype=int))
    pm.Bernoulli("y", logit_p=tt.dot(x, pm.Normal("beta", 0.0, 1.0, shape=3)), observed=y)


@_model
def schools():
    """Eight schools, not centred."""
    error = np.array([15.0, 10, 16, 11, 9, 11, 10, 18]) / 10
    mu, tau = pm.Normal("mu", 0.0, 1.0), pm.HalfNormal("tau", 1.0)
    theta = mu + tau * pm.Normal("eta", 0.0, 1.0, shape=8)
    pm.Normal("y", theta, error, observed=pm.Data("data", np.zeros(8)))


@_model
def overdispersed_counts():
    """30 counts of a negative binomial."""
    y = pm.Data("data", np.ones(30, dtype=int))
    mean, shape = pm.Lognormal("mean", 1.5, 0.7), pm.Lognormal("shape", 0.5, 0.7)
    pm.NegativeBinomial("y", mu=mean, alpha=shape, observed=y)


@_model
def heavy_tailed_regression():
    """A line through 50 values with Student t errors of unknown tails."""
    random = np.random.RandomState(2)
    trend = np.linspace(-1, 1, 50) + 0.3 * random.normal(size=50)
    level, slope = pm.Normal("level", 0.0, 1.0), pm.Normal("slope", 0.0, 1.0)
    sigma, dof = pm.HalfNormal("sigma", 1.0), pm.Gamma("dof", 4.0, 0.5)
    pm.StudentT("y", nu=dof + 1, mu=level + slope * trend, sigma=sigma, observed=pm.Data("data", np.zeros(50)))


@_model
def varying_rates():
    """Successes in eight groups of 4 to 32 trials, partially pooled."""
    trials = np.array([4, 8, 12, 16, 20, 24, 28, 32])
    mu, spread = pm.Normal("mu", 0.0, 1.0), pm.HalfNormal("spread", 0.7)
    effect = pm.Normal("effect", 0.0, 1.0, shape=8)
    y = pm.Data("data", np.zeros(8, dtype=int))
    pm.Binomial("y", n=trials, p=tt.nnet.sigmoid(mu + spread * effect), observed=y)


def ranks(model, names, truth, values, seed):
    """Ranks of the true values among draws of q and among corrected ones, and whether these are flagged."""
    data = model["data"]
    data.set_value(np.asarray(values, dtype=data.dtype))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        approx = pymc3_vi.fit(model=model, random_seed=seed, progressbar=False)
        samples = [approx.sample_arrays(DRAWS, random_seed=seed, correct=correct) for correct in (False, "hmc")]
    found = [[np.sum(s[n] < truth[n], axis=0) for n in names] for s in samples]
    q, corrected = ([int(r) for part in parts for r in np.ravel(part)] for parts in found)
    return dict(q=q, hmc=corrected, flagged=any(w.category is UnconvergedChainsWarning for w in caught))


def run(name, n, done):
    """Ranks of the simulations of a model that are not stored, into the store."""
    model = build(name)
    view = ModelView(model)
    names = list(untransformed_nodes(view, None))
    truths, data = simulated(view, names, n, SEED)
    (values,) = data.values()
    begin = time.process_time()
    for k in range(n):
        if (name, k) in done:
            continue
        row = ranks(model, names, {v: truths[v][k] for v in names}, values[k], k + 1)
        with STORE.open("a") as store:
            store.write(json.dumps(dict(model=name, simulation=k, **row)) + "\n")
    print(f"{name}: {time.process_time() - begin:.0f} s of CPU", flush=True)


def table(rows, what):
    """Rows of cells, one for each model."""
    cells = []
    for name in MODELS:
        mine = [r for r in rows if r["model"] == name]
        if not mine:
            continue
        noise = np.random.RandomState(SEED).uniform(size=(len(mine), 1))
        levels = (np.array([r[what] for r in mine]) + noise) / (DRAWS + 1)
        p = min(1.0, levels.shape[1] * min(uniform_p_value(column) for column in levels.T))
        mean, spread = levels.mean(axis=0), levels.std(axis=0) * np.sqrt(12)
        worst = mean[np.argmax(abs(mean - 0.5))], spread[np.argmax(abs(spread - 1))]
        flagged = sum(r["flagged"] for r in mine) if what == "hmc" else "-"
        verdict = "calibrated" if p >= LEVEL else "**not calibrated**"
        cells.append([name, len(mine), levels.shape[1], f"{p:.2g}", *(f"{w:.2f}" for w in worst), flagged, verdict])
    return cells


def document(rows):
    """The page, as text."""
    head = ["model", "simulations", "values", "smallest p", "mean", "spread", "flagged", ""]
    text = INTRODUCTION.format(draws=DRAWS, level=LEVEL)
    for title, what in (("Corrected draws", "hmc"), ("Draws of q, a mean field", "q")):
        lines = [head, ["---"] * len(head)] + table(rows, what)
        text += f"## {title}\n\n" + "\n".join("| " + " | ".join(map(str, cells)) + " |" for cells in lines) + "\n\n"
    return text.rstrip() + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--simulations", type=int, default=150)
    parser.add_argument("--fresh", action="store_true")
    options = parser.parse_args()
    BENCH.mkdir(exist_ok=True)
    if options.fresh and STORE.exists():
        STORE.unlink()
    for name in options.names or MODELS:
        run(name, options.simulations, {(r["model"], r["simulation"]) for r in _read()})
    text = document(_read())
    print(text)
    if not options.names:
        DOCUMENT.write_text(text)


def _read():
    return [json.loads(line) for line in STORE.read_text().splitlines()] if STORE.exists() else []


if __name__ == "__main__":
    main()
