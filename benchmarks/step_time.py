"""Steady-state time of an ADVI step against `pymc3.variational`, on the same model and with the same optimizer.

Both fits are compiled and run in first.  Then they take turns, so that a change of the machine's speed meets both, and
the ratio is taken within each turn.  No callbacks, no progress bar.
"""
import argparse
import json
import logging
import time
from pathlib import Path

import numpy as np
import pymc3_vi
import pymc3 as pm

from benchmarks.models import MODELS

__all__ = ["main"]


def _fitted(package, model, optimizer, steps=200):
    """A compiled ADVI inference of `package` that has run a few steps."""
    with model:
        inference = package.ADVI(random_seed=1)
        inference.fit(steps, progressbar=False, obj_optimizer=optimizer)
    return inference


def _time_per_step(inference, steps):
    """Wall and processor microseconds per step of `steps` further ones."""
    wall, cpu = time.perf_counter(), time.process_time()
    inference.refine(steps, progressbar=False)
    return 1e6 * (time.perf_counter() - wall) / steps, 1e6 * (time.process_time() - cpu) / steps


def compare(name, steps, turns):
    """Dict of the figures of one model; times in microseconds per step, one a turn."""
    with pymc3_vi.fast_build():
        model = MODELS[name]()
    stock = _fitted(pm.variational, model, pm.variational.updates.adam(learning_rate=1e-3))
    ours = _fitted(pymc3_vi, model, pymc3_vi.adam(learning_rate=1e-3))
    turns = [(_time_per_step(stock, steps), _time_per_step(ours, steps)) for _ in range(turns)]
    stock_times, ours_times = (np.array(side).T.tolist() for side in zip(*turns))
    return {
        "steps": steps,
        "stock_wall": stock_times[0], "stock_cpu": stock_times[1],
        "ours_wall": ours_times[0], "ours_cpu": ours_times[1],
    }


def _line(name, kind, figures):
    stock, ours = np.array(figures[f"stock_{kind}"]), np.array(figures[f"ours_{kind}"])
    ratio = stock / ours
    return (f"{name:10} {kind:5} {np.median(stock):12.1f} {np.median(ours):12.1f} {np.median(ratio):8.2f}x "
            f"({ratio.min():.2f} to {ratio.max():.2f})")


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.step_time")
    parser.add_argument("models", nargs="*", metavar="MODEL", help=f"of {', '.join(MODELS)}; default: all")
    parser.add_argument("--steps", type=int, default=3000, help="steps of each turn (default: %(default)s)")
    parser.add_argument("--turns", type=int, default=7, help="turns of each package (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="also write the figures of every turn to this file")
    options = parser.parse_args(arguments)

    logging.getLogger("pymc3").setLevel(logging.WARNING)  # it reports the loss of every turn
    print(f"ADVI with Adam, medians of {options.turns} turns of {options.steps} steps, microseconds per step")
    print(f"{'model':10} {'time':5} {'pymc3':>12} {'pymc3_vi':>12} {'ratio':>9} (smallest to largest of a turn)")
    results = {}
    for name in options.models or MODELS:
        results[name] = compare(name, options.steps, options.turns)
        for kind in ("wall", "cpu"):
            print(_line(name, kind, results[name]), flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
