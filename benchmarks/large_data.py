"""Seconds, passes, rows a second, peak memory and error of fits of many rows from a memory-mapped file.

``python -m benchmarks.large_data --rows 1e5 1e6 --kinds logistic linear`` makes the files (in ``--folder``), fits each
in a process of its own, and prints one table.  ``--stock`` adds PyMC3's minibatch ADVI with 50,000 steps of 500 rows,
in memory.  Errors are distances of means to those of independent Newton iterations with quadrature, in standard
deviations of the mean field; CPU seconds with building and compiling.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

K, BATCH, STEPS = 20, 500, 10_000
KINDS = ("logistic", "linear", "logistic, shifted and scaled", "linear, shifted and scaled")


def files(folder, rows, kind, dtype):
    """Paths of predictors and responses, which are made when they are not there."""
    stem = Path(folder) / f"{kind.replace(', ', '_').replace(' ', '_')}_{rows}_{dtype}"
    x_path, y_path = stem.with_suffix(".x.npy"), stem.with_suffix(".y.npy")
    if y_path.exists():
        return x_path, y_path
    rng = np.random.default_rng(0)
    b = 0.3 * rng.normal(size=K)
    scale, shift = (10.0 ** rng.uniform(-2, 2, K), 5.0) if "shifted" in kind else (np.ones(K), 0.0)
    x = np.lib.format.open_memmap(x_path, "w+", dtype, (rows, K))
    y = np.empty(rows, "float64" if "linear" in kind else "int8")
    for begin in range(0, rows, 100_000):
        z = rng.normal(size=(min(100_000, rows - begin), K))
        x[begin : begin + len(z)] = (z + shift) * scale
        eta = z @ b
        noise = rng.normal(size=len(z)) if "linear" in kind else rng.logistic(size=len(z))
        y[begin : begin + len(z)] = eta + noise if "linear" in kind else eta + noise > 0
    x.flush()
    np.save(y_path, y)
    return x_path, y_path


def build(pm, tt, x, y, kind, rows):
    """The model, in the surrounding context."""
    eta = tt.dot(x, pm.Normal("b", 0, 10, shape=K)) + pm.Normal("a", 0, 10)
    if "linear" in kind:
        pm.Normal("y", eta, pm.HalfNormal("s", 5), observed=y, total_size=rows)
    else:
        pm.Bernoulli("y", logit_p=eta, observed=y, total_size=rows)


def optimum(x, y, kind):
    """Means and sds of mean field for the coefficients: Newton's method, with quadrature over the linear predictor."""
    mean, var = np.zeros(K + 1), np.full(K + 1, 1e-6)
    nodes, weights = np.polynomial.hermite_e.hermegauss(7)
    weights = weights / weights.sum()
    noise = 1.0
    for _ in range(12):
        slope, curvature, squares = np.zeros(K + 1), np.zeros((K + 1, K + 1)), 0.0
        for begin in range(0, len(y), 100_000):
            design = np.asarray(x[begin : begin + 100_000], "float64")
            design = np.column_stack([design, np.ones(len(design))])
            response, eta = y[begin : begin + 100_000], design @ mean
            if "linear" in kind:
                slope += design.T @ (response - eta) / noise
                curvature += design.T @ design / noise
                squares += np.sum((response - eta) ** 2)
                continue
            spread = np.sqrt(design**2 @ var)
            p = [1 / (1 + np.exp(-(eta + spread * node))) for node in nodes]
            slope += design.T @ (response - sum(w * q for w, q in zip(weights, p)))
            curvature += (design * sum(w * q * (1 - q) for w, q in zip(weights, p))[:, None]).T @ design
        curvature += np.eye(K + 1) / 100
        step = np.linalg.solve(curvature, slope - mean / 100)
        mean, var = mean + step, 1 / np.diag(curvature)
        noise = squares / len(y) if "linear" in kind else noise
        if np.max(np.abs(step) / np.sqrt(var)) < 1e-4:
            break
    return mean, np.sqrt(var)


def fit(arguments):
    """One fit, in this process; prints a line of JSON."""
    x_path, y_path = files(arguments.folder, arguments.rows[0], arguments.kinds[0], arguments.dtype)
    x, y, kind = np.load(x_path, mmap_mode="r"), np.load(y_path), arguments.kinds[0]
    if arguments.engine == "stock":
        found = _stock(x, y, kind)
    else:
        found = _passes(x, y, kind)
    mean, sd = optimum(x, y, kind)
    found["error"] = float(np.max(np.abs(np.array(found.pop("mean"))[: K + 1] - mean) / sd))
    print(json.dumps(found))


def _passes(x, y, kind):
    import pymc3_vi

    import pymc3 as pm
    import theano.tensor as tt

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin, clock = time.process_time(), time.perf_counter()
    data = pymc3_vi.DataLoader({"x": x, "y": y}, BATCH, seed=1)
    with pymc3_vi.fast_build(), pm.Model() as model:
        build(pm, tt, data["x"], data["y"], kind, len(data))
    inference = pymc3_vi.ADVI(model=model, random_seed=1)
    steps = max(STEPS, 8 * len(data) // BATCH)
    approx = inference.fit(steps, progressbar=False)
    seconds, wall = time.process_time() - begin, time.perf_counter() - clock
    found = inference.state.step.algorithm
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return dict(seconds=seconds, passes=found.passes, rows_per_second=found.rows_read / wall, megabytes=peak,
                mean=approx.mean.eval().tolist())  # fmt: skip


def _stock(x, y, kind):
    import pymc3 as pm
    import theano.tensor as tt
    from pymc3.data import Minibatch

    make = Minibatch.make_static_slices
    Minibatch.make_static_slices = staticmethod(lambda size: tuple(make(size)) if size is None else make(size))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pm.Model():
        build(pm, tt, pm.Minibatch(np.array(x), BATCH), pm.Minibatch(y, BATCH), kind, len(y))
        inference = pm.ADVI(random_seed=1)
        inference.fit(10, progressbar=False)
        begin, clock = time.process_time(), time.perf_counter()
        inference.fit(50_000, progressbar=False)
    seconds, wall = time.process_time() - begin, time.perf_counter() - clock
    point = inference.approx.bij.rmap(inference.approx.mean.eval())
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return dict(seconds=seconds, passes=50_000 * BATCH / len(y), rows_per_second=50_000 * BATCH / wall, megabytes=peak,
                mean=np.append(point["b"], point["a"]).tolist())  # fmt: skip


def main():
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=lambda s: int(float(s)), nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--dtype", default="float64")
    parser.add_argument("--folder", default="/tmp")
    parser.add_argument("--stock", action="store_true")
    parser.add_argument("--engine", choices=("passes", "stock"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.engine:
        fit(arguments)
        return
    print("| model | rows | by | CPU seconds | passes | rows/s (wall) | peak MB | error of means (sd) |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for rows in arguments.rows:
        for kind in arguments.kinds:
            files(arguments.folder, rows, kind, arguments.dtype)
            for engine in ["passes"] + (["stock"] if arguments.stock else []):
                command = [sys.executable, "-m", "benchmarks.large_data", "--engine", engine, "--rows", str(rows)]
                command += ["--kinds", kind, "--folder", arguments.folder, "--dtype", arguments.dtype]
                done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
                found = json.loads(done.stdout.splitlines()[-1])
                print(
                    f"| {kind} | {rows:,} | {engine} | {found['seconds']:.1f} | {found['passes']:g} | "
                    f"{found['rows_per_second']:,.0f} | {found['megabytes']:.0f} | {found['error']:.3f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
