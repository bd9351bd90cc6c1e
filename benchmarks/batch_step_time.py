"""Steady-state time of steps with many draws or particles against `pymc3.variational`.

PyMC3 evaluates the draws of a step one after another in `theano.scan`; here they are one batched graph.  Ten models,
each fitted by SVGD with 100 particles and by ADVI with ``obj_n_mc=100``, with the same optimizer on both sides.

Both fits are compiled and run in first.  Then they take turns, so that a change of the machine's speed meets both, and
the ratio is taken within each turn.  No callbacks, no progress bar.
"""

import argparse
import functools
import json
import logging
import time
import warnings
from pathlib import Path

import pymc3_vi
from pymc3_vi.errors import VarianceCollapseWarning

import numpy as np
import pymc3 as pm
import theano.tensor as tt
from scipy.stats import gmean

from benchmarks.data import data_of
from benchmarks.models_pymc import build
from examples import radon
from tests.zoo import ZOO

__all__ = ["METHODS", "MODELS", "compare", "main", "run_in", "time_per_step"]


def _benchmark(name):
    """A model of the other benchmarks."""
    return build(name, pm, tt, data_of(name))


#: name -> function that builds the model
MODELS = {
    "schools": ZOO["schools_noncentred"],
    "logistic": lambda: ZOO["logistic"](n=1000, d=20),
    "radon": lambda: radon.build_model(radon.load_data()),
    "bnn": lambda: ZOO["bnn"](n=1000, d=10, hidden=20, batch=100),
    "walk": lambda: ZOO["random_walk"](n=200),
    "lkj": lambda: ZOO["lkj"](n=100, d=5),
    **{name: functools.partial(_benchmark, name) for name in ("normal-1e3", "normal-1e5", "gp", "mixture")},
}

#: name -> keywords of the inference class and of its fit
METHODS = {
    "SVGD": ({"n_particles": 100, "jitter": 0.1}, {}),
    "ADVI": ({}, {"obj_n_mc": 100}),
}


def run_in(package, model, method, steps=10):
    """A compiled inference by `method` of `package` (a module) that has run a few steps."""
    adam = package.adam if package is pymc3_vi else package.updates.adam
    keywords, fit_keywords = METHODS[method]
    with model:
        inference = getattr(package, method)(random_seed=1, **keywords)
        inference.fit(steps, progressbar=False, obj_optimizer=adam(learning_rate=1e-3), **fit_keywords)
    return inference


def time_per_step(inference, steps):
    """Wall and processor microseconds per step of `steps` further ones."""
    wall, cpu = time.perf_counter(), time.process_time()
    inference.refine(steps, progressbar=False)
    return 1e6 * (time.perf_counter() - wall) / steps, 1e6 * (time.process_time() - cpu) / steps


def _steps_of(inference, seconds):
    """How many steps take about `seconds`; what a refinement takes beside its steps is not counted."""
    few, many = (n * time_per_step(inference, n)[0] for n in (10, 60))
    return max(50, int(seconds * 50e6 / max(many - few, 0.1 * many)))


def compare(name, method, turns, seconds):
    """Dict of the figures of one model and method; times in microseconds per step, one a turn."""
    with pymc3_vi.fast_build():
        model = MODELS[name]()
    sides = {"stock": run_in(pm.variational, model, method), "ours": run_in(pymc3_vi, model, method)}
    steps = {side: _steps_of(inference, seconds) for side, inference in sides.items()}
    times = [{side: time_per_step(sides[side], steps[side]) for side in sides} for _ in range(turns)]
    figures = {f"{side}_steps": steps[side] for side in sides}
    for side in sides:
        for k, kind in enumerate(("wall", "cpu")):
            figures[f"{side}_{kind}"] = [turn[side][k] for turn in times]
    return figures


def _ratios(figures, kind):
    return np.array(figures[f"stock_{kind}"]) / np.array(figures[f"ours_{kind}"])


def _line(name, method, figures):
    ratios = _ratios(figures, "wall")
    return (
        f"{name:10} {method:6} {np.median(figures['stock_wall']):12.1f} {np.median(figures['ours_wall']):12.1f} "
        f"{np.median(ratios):8.2f}x ({ratios.min():.2f} to {ratios.max():.2f}; "
        f"processor {np.median(_ratios(figures, 'cpu')):.2f}x)"
    )


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.batch_step_time")
    parser.add_argument("models", nargs="*", metavar="MODEL", help=f"of {', '.join(MODELS)}; default: all")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--seconds", type=float, default=0.5, help="length of each turn (default: %(default)s)")
    parser.add_argument("--turns", type=int, default=7, help="turns of each package (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="also write the figures of every turn to this file")
    options = parser.parse_args(arguments)

    logging.getLogger("pymc3").setLevel(logging.WARNING)  # it reports the loss of every turn
    warnings.simplefilter("ignore", VarianceCollapseWarning)
    print(f"Medians of {options.turns} turns of {options.seconds} seconds, microseconds per step")
    print(f"{'model':10} {'method':6} {'pymc3':>12} {'pymc3_vi':>12} {'ratio':>9} (smallest to largest of a turn)")
    results, medians = {}, []
    for name in options.models or MODELS:
        for method in options.methods:
            results[f"{name} {method}"] = figures = compare(name, method, options.turns, options.seconds)
            medians.append(np.median(_ratios(figures, "wall")))
            print(_line(name, method, figures), flush=True)
            if options.json:
                options.json.write_text(json.dumps(results, indent=1) + "\n")
    print(f"geometric mean {gmean(medians):.2f}x, smallest {min(medians):.2f}x")


if __name__ == "__main__":
    main()
