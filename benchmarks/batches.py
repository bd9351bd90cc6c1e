"""Cost of log p and its gradient for each of many points, against NumPyro's; writes docs/batches.md.

Usage: ``python -m benchmarks.batches [--turns 5] [NAME ...]``; with names, the table of these models is printed only.
Every model, package and number of threads is a process of its own, and the processes take turns.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from statistics import geometric_mean, median

from benchmarks.environments import ROOT, environment, interpreter, prepare

__all__ = ["main"]

DOCUMENT = ROOT / "docs" / "batches.md"
#: Of the 13 benchmark models, those with a density of data of at most 10,000 rows, and the two largest.
MODELS = ("normal-1e3", "normal-1e5", "schools", "radon", "logistic-1e3", "logistic-1e5", "gp", "mixture", "bnn", "lkj")
SIZES = (1, 4, 16, 64, 256, 1024)
COMPARED = 256
#: Seconds that each number of points is measured for, and how far points are spread, on the unconstrained scale.
SECONDS, SPREAD = 0.3, 0.1

INTRODUCTION = """# Batches

Made by `make batches`: microseconds of wall time that log p and its gradient take for each of S points, which corrected
draws, diagnoses and fits evaluate together, keeping memory between calls; medians of {turns} turns on two cores. A step
is one of ADVI with Adam, for one point. NumPyro's are `jit(vmap(value_and_grad))` of its potential energy, in double
precision; ratios above 1 mean that it takes longer. Networks see one minibatch. On two threads a copy of the process
takes its share of what is worth it, as it does for chains.

"""


def _times(function, points):
    """Microseconds per point."""
    function(points)
    samples, end = [], time.perf_counter() + SECONDS
    while time.perf_counter() < end or len(samples) < 3:
        begin = time.perf_counter()
        function(points)
        samples.append(1e6 * (time.perf_counter() - begin) / len(points))
    return median(samples)


def ours(name):
    import pymc3_vi
    from pymc3_vi.diagnostics import PointDensity

    import numpy as np
    import pymc3
    import theano.tensor as tt

    from benchmarks.data import data_of
    from benchmarks.models_pymc import build

    with pymc3_vi.fast_build():
        model = build(name, pymc3, tt, data_of(name))
    inference = pymc3_vi.ADVI(model=model, random_seed=1)
    inference.fit(10, obj_optimizer=pymc3_vi.adam(learning_rate=1e-3), progressbar=False)
    begin = time.perf_counter()
    inference.refine(2000, progressbar=False)
    found = {"step": 1e6 * (time.perf_counter() - begin) / 2000}
    # the minibatch of a network stays as it is, as for NumPyro
    density = PointDensity(inference.approx, data={})
    points = SPREAD * np.random.default_rng(1).standard_normal((max(SIZES), density.d))
    with density.many_calls():
        return dict(found, **{str(s): _times(density.slopes, points[:s]) for s in SIZES})


def numpyros(name):
    import numpyro

    numpyro.enable_x64()
    import jax
    import numpy as np
    from jax.flatten_util import ravel_pytree
    from numpyro.infer.util import initialize_model

    from benchmarks.data import data_of
    from benchmarks.models_numpyro import build

    model = build(name, data_of(name))
    if name == "bnn":
        model = numpyro.handlers.seed(model, 1)
    parameters, energy, *_ = initialize_model(jax.random.PRNGKey(1), model)
    flat, unflatten = ravel_pytree(parameters.z)
    many = jax.jit(jax.vmap(jax.value_and_grad(lambda z: energy(unflatten(z)))))
    points = SPREAD * np.random.default_rng(1).standard_normal((max(SIZES), flat.size))
    arrays = {s: jax.numpy.asarray(points[:s]) for s in SIZES}
    return {str(s): _times(lambda z: jax.block_until_ready(many(z)), arrays[s]) for s in SIZES}


WORKERS = {"pymc3_vi": ours, "numpyro": numpyros}


def _run(package, name, threads, cache):
    command = [interpreter(package), "-W", "ignore", "-m", "benchmarks.batches", "--worker", package, name]
    done = subprocess.run(command, env=environment(package, cache, threads), cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{package} on {name} failed:\n{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def _median(runs):
    return {key: median(run[key] for run in runs) for key in runs[0]}


def measure(names, turns):
    """Name -> (package, threads) -> medians."""
    found = {}
    with tempfile.TemporaryDirectory() as cache:
        for name in names:
            kinds = [(package, threads) for threads in (1, 2) for package in WORKERS]
            runs = {kind: [] for kind in kinds}
            for _ in range(turns):
                for package, threads in kinds:
                    runs[package, threads].append(_run(package, name, threads, cache))
            found[name] = {kind: _median(values) for kind, values in runs.items()}
            print(name, found[name], flush=True)
    return found


def _row(cells):
    return "| " + " | ".join(cells) + " |"


def document(found, turns):
    """The page, as text."""
    lines = [INTRODUCTION.format(turns=turns) + "## One thread\n"]
    head = ["model", "step", *[f"S = {s}" for s in SIZES], "the largest of 16 to 256 / step"]
    lines += [_row(head), _row(["---"] * len(head))]
    for name, kinds in found.items():
        one = kinds["pymc3_vi", 1]
        worst = max(one[str(s)] for s in (16, 64, 256)) / one["step"]
        lines.append(_row([name, *[f"{one[str(key)]:.2f}" for key in ("step", *SIZES)], f"{worst:.2f}"]))
    lines.append("\n## Two threads, and NumPyro\n")
    head = ["model", *[f"S = {s}, two threads / one" for s in (16, 64, 256)]]
    head += ["the largest of them / step"]
    head += [f"NumPyro, S = {COMPARED}, {words}: ratio" for words in ("one thread", "two")]
    lines += [_row(head), _row(["---"] * len(head))]
    ratios = {1: [], 2: []}
    for name, kinds in found.items():
        one, two = kinds["pymc3_vi", 1], kinds["pymc3_vi", 2]
        cells = [name, *[f"{two[str(s)] / one[str(s)]:.2f}" for s in (16, 64, 256)]]
        cells.append(f"{max(two[str(s)] for s in (16, 64, 256)) / one['step']:.2f}")
        for threads in (1, 2):
            other = kinds["numpyro", threads][str(COMPARED)]
            ratios[threads].append(other / kinds["pymc3_vi", threads][str(COMPARED)])
            cells.append(f"{ratios[threads][-1]:.2f} ({other:.2f} µs)")
        lines.append(_row(cells))
    means = [f"**{geometric_mean(values):.2f}**" for values in ratios.values()]
    lines.append(_row(["geometric mean", "", "", "", "", *means]))
    return "\n".join(lines) + "\n"


def main():
    """Measure, print and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--worker", choices=WORKERS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        print(json.dumps(WORKERS[options.worker](options.names[0])))
        return
    prepare("numpyro")
    text = document(measure(options.names or MODELS, options.turns), options.turns)
    print(text)
    if not options.names:
        DOCUMENT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
