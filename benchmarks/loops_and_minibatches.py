"""Processor time of models with many variables in a loop, and of steps by minibatches.

``python -m benchmarks.loops_and_minibatches --scalars 100 1000 --turns 3 --stock`` prints one table of each.

- **Loops**: n scalar variables with an observation each and one scale for all, written as a loop.  Every fit is a
  process of its own; a cold one starts with an empty cache, the warm one after it finds what it left.  Seconds are
  those of the process and its compilers, the building of the model by PyMC3 apart.
- **Minibatches**: a linear regression of 100,000 rows with 20 predictors, batches of 500, mean field with Adam; 500
  rows fixed; with ``--stock``, PyMC3's minibatch ADVI.  All are compiled first and then take turns.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time

import pymc3_vi

import numpy as np
import pymc3 as pm

__all__ = ["build_loop", "build_regression", "main"]

ROWS, PREDICTORS, BATCH = 100_000, 20, 500


def build_loop(n):
    """A scale, n scalar variables and an observation of each."""
    y = np.random.default_rng(1).standard_normal(n)
    with pymc3_vi.fast_build(), pm.Model() as model:
        tau = pm.HalfNormal("tau", 1.0)
        for i in range(n):
            pm.Normal(f"y{i}", pm.Normal(f"b{i}", 0, tau), 1.0, observed=y[i])
    return model


def build_regression(minibatch):
    """A linear regression by batches, or of the first rows alone."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((ROWS, PREDICTORS))
    y = x @ rng.standard_normal(PREDICTORS) + rng.standard_normal(ROWS)
    with pymc3_vi.fast_build(), pm.Model() as model:
        x, y = (pm.Minibatch(v, BATCH) if minibatch else v[:BATCH].copy() for v in (x, y))
        slopes = pm.Normal("b", 0, 1, shape=PREDICTORS)
        pm.Normal("y", pm.math.dot(x, slopes), pm.HalfNormal("s", 1), observed=y, total_size=ROWS)
    return model


def _spent():
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def _one_loop(n):
    """In a process of its own: seconds of building the model, and of all else."""
    before = _spent()
    model = build_loop(n)
    built = _spent() - before
    pymc3_vi.fit(10_000, model=model, random_seed=1, progressbar=False)
    print(json.dumps({"building": built, "fit": _spent() - built}))


def _loops(sizes):
    print("| scalars | building (PyMC3), s | import to fitted, cold, s | warm, s |\n| ---: | ---: | ---: | ---: |")
    for n in sizes:
        with tempfile.TemporaryDirectory() as folder:
            environment = {**os.environ, "THEANO_FLAGS": f"base_compiledir={folder}"}
            command = [sys.executable, "-m", "benchmarks.loops_and_minibatches", "--one", str(n)]
            runs = [subprocess.run(command, env=environment, check=True, capture_output=True) for _ in range(2)]
        cold, warm = (json.loads(run.stdout.splitlines()[-1]) for run in runs)
        print(f"| {n + 1} | {warm['building']:.1f} | {cold['fit']:.1f} | {warm['fit']:.1f} |", flush=True)


def _run_in(package, minibatch):
    adam = package.adam if package is pymc3_vi else package.updates.adam
    with build_regression(minibatch):
        inference = package.ADVI(random_seed=1)
        inference.fit(10, progressbar=False, obj_optimizer=adam(learning_rate=1e-3))
    return inference


def _minibatches(turns, stock):
    runs = {"minibatch": _run_in(pymc3_vi, True), "the same number of rows, fixed": _run_in(pymc3_vi, False)}
    if stock:
        runs["minibatch, PyMC3"] = _run_in(pm, True)
    times = {name: [] for name in runs}
    for _ in range(turns):
        for name, inference in runs.items():
            begin = time.process_time()
            inference.refine(5000, progressbar=False)
            times[name].append(1e6 * (time.process_time() - begin) / 5000)
    print("| step | µs | over fixed rows |\n| --- | ---: | ---: |")
    fixed = np.array(times["the same number of rows, fixed"])
    for name, values in times.items():
        print(f"| {name} | {np.median(values):.1f} | {np.median(values / fixed):.1f} |")


def main(arguments=None):
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scalars", type=int, nargs="*", default=[100, 1000])
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--stock", action="store_true", help="PyMC3's minibatch ADVI as well")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        return _one_loop(options.one)
    _minibatches(options.turns, options.stock)
    print()
    _loops(options.scalars)


if __name__ == "__main__":
    main()
