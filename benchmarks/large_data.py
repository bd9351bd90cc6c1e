"""Seconds, passes, rows a second, peak memory and error of fits of many rows from memory-mapped files.

``python -m benchmarks.large_data --rows 1e5 1e6 --stock --out benchmarks/results/large_data.md`` makes the files (in
``--folder``), fits each in a process of its own, and prints and writes one table.  A turn is a fit of this package,
and then, with ``--stock``, PyMC3's minibatch ADVI with 50,000 steps of 500 rows in memory, where these are at most
``--stock-rows``; with ``--peers``, NumPyro's subsampling with ``--numpyro-steps`` of Adam (in the environment of
``make bench``, made when it is not there) and scikit-learn's logistic regression; and a plain read of the file.  Errors
are the largest distances of means to those of independent Newton iterations with quadrature, in standard deviations
of the mean field, and the largest differences of log standard deviations.  CPU seconds are those of building, compiling
(from a cache that a first, short fit has filled) and fitting; PyMC3's and NumPyro's are those of their steps alone.
Rows and bytes are by CPU second, since walls mean nothing on a shared machine.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.environments import environment, interpreter, prepare
from benchmarks.large_data_rows import KINDS, build, files, open_files, optimum

BATCH, STEPS = 500, 10_000
HEAD = (
    "| model | rows | by | steps | CPU s | passes | rows/CPU s | GB/CPU s | peak MB | means off, sd | log sds off "
    "| said |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


def peak_megabytes():
    """Largest resident memory of this process so far; on Linux not that of the process that started it."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


class Clock:
    """CPU and wall seconds, and memory, since it was made; or memory since something else."""

    def __init__(self, memory=None):
        self.memory = peak_megabytes() if memory is None else memory
        self.cpu, self.wall = time.process_time(), time.perf_counter()

    def read(self):
        seconds, wall = time.process_time() - self.cpu, time.perf_counter() - self.wall
        return dict(seconds=seconds, wall=wall, megabytes=peak_megabytes() - self.memory)


def columns_of(columns, kind):
    """The columns that a model of this kind reads."""
    return dict(zip("xyg", columns)) if "groups" in kind else dict(zip("xy", columns))


def fit_passes(columns, kind, steps):
    """This package, with defaults."""
    import pymc3_vi

    import pymc3 as pm
    import theano.tensor as tt

    def made(columns, n):
        data = pymc3_vi.DataLoader(columns_of(columns, kind), BATCH, seed=1)
        with pymc3_vi.fast_build(), pm.Model() as model:
            build(pm, tt, {name: data[name] for name in data.names}, kind, len(data))
        inference = pymc3_vi.ADVI(model=model, random_seed=1)
        inference.fit(n, progressbar=False)
        return inference

    imported = peak_megabytes()
    made([np.array(c[:50_000]) for c in columns], 500)  # compiles
    clock = Clock(imported)
    inference = made(columns, steps)
    found, approx = inference.algorithm, inference.approx
    layout = approx.view.layout()
    means, sds = layout.unflatten(approx.mean.eval()), layout.unflatten(approx.std.eval())
    return dict(
        clock.read(),
        passes=found.passes,
        rows=found.rows_read,
        said=found.distance,
        q={name: [np.ravel(means[name]).tolist(), np.ravel(sds[name]).tolist()] for name in means},
    )


def fit_stock(columns, kind, steps):
    """PyMC3's own."""
    import pymc3 as pm
    import theano.tensor as tt
    from pymc3.data import Minibatch

    make = Minibatch.make_static_slices
    Minibatch.make_static_slices = staticmethod(lambda size: tuple(make(size)) if size is None else make(size))
    clock = Clock()
    with pm.Model():
        arrays = {
            name: np.array(c, "int64" if c.dtype.kind == "i" else None) for name, c in columns_of(columns, kind).items()
        }
        rows = len(arrays["y"])
        batches = {name: pm.Minibatch(array, BATCH, dtype=array.dtype) for name, array in arrays.items()}
        build(pm, tt, batches, kind, rows)
        inference = pm.ADVI(random_seed=1)
        inference.fit(10, progressbar=False)
        clock.cpu, clock.wall = time.process_time(), time.perf_counter()
        inference.fit(steps, progressbar=False)
    found = clock.read()
    means, sds = (inference.approx.bij.rmap(v.eval()) for v in (inference.approx.mean, inference.approx.std))
    q = {name: [np.ravel(means[name]).tolist(), np.ravel(sds[name]).tolist()] for name in means}
    return dict(found, passes=steps * BATCH / rows, rows=steps * BATCH, said=None, q=q)


def fit_sklearn(columns, kind, steps):
    """The maximum of the likelihood, for scale."""
    from sklearn.linear_model import LogisticRegression

    clock = Clock()
    x, y = np.array(columns[0]), np.array(columns[1])
    found = LogisticRegression(C=1e8, max_iter=1000).fit(x, y)
    passes = int(found.n_iter_[0])
    q = {"b": [found.coef_[0].tolist(), None], "a": [found.intercept_.tolist(), None]}
    return dict(clock.read(), passes=passes, rows=passes * len(y), said=None, q=q)


def fit_numpyro(columns, kind, steps):
    """NumPyro's mean field on subsamples, in memory."""
    from benchmarks.large_data_numpyro import fit

    before = peak_megabytes()
    found = fit(columns, kind, steps, BATCH)
    return dict(
        found,
        megabytes=peak_megabytes() - before,
        passes=steps * BATCH / len(columns[1]),
        rows=steps * BATCH,
        said=None,
    )


def plain_read(columns, kind, steps):
    """Every number of the file, added up."""
    clock = Clock()
    for begin in range(0, len(columns[1]), 100_000):
        columns[0][begin : begin + 100_000].sum()
    return dict(clock.read(), passes=1, rows=len(columns[1]), said=None, q=None)


ENGINES = {
    "pymc3_vi": fit_passes,
    "PyMC3": fit_stock,
    "NumPyro": fit_numpyro,
    "scikit-learn": fit_sklearn,
    "plain read": plain_read,
}
#: Engines of stochastic steps.
STOCHASTIC = ("PyMC3", "NumPyro")


def errors(q, best):
    """(means in sds, log sds) off."""
    off = max(np.max(np.abs(np.array(q[name][0]) - mean) / sd) for name, (mean, sd) in best.items())
    if q["b"][1] is None:
        return off, None
    return off, max(np.max(np.abs(np.log(np.array(q[name][1]) / sd))) for name, (_, sd) in best.items())


def steps_of(rows, engine, n):
    """Steps of a fit: `n`, and no fewer than eight passes take where rows are many."""
    if engine in STOCHASTIC:
        return n
    return n if rows <= 1_000_000 else max(n, 9 * rows // BATCH)


def turn(arguments, kind, rows, engine, n, best):
    """One row of the table."""
    steps = steps_of(rows, engine, n)
    variables, python = None, sys.executable
    if engine == "NumPyro":
        prepare("numpyro")
        python, variables = interpreter("numpyro"), environment("numpyro", Path(arguments.folder) / "jax", 2)
    command = [python, "-m", "benchmarks.large_data", "--engine", engine, "--rows", str(rows), "--kinds", kind]
    command += ["--folder", arguments.folder, "--dtype", arguments.dtype, "--steps", str(steps)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=variables)
    found = json.loads(done.stdout.splitlines()[-1])
    off, scale = (None, None) if found["q"] is None else errors(found["q"], best)
    speed = found["rows"] / max(found["seconds"], 1e-9)
    gigabytes = speed * 20 * np.dtype(arguments.dtype).itemsize / 1e9

    def shown(value, form):
        return "" if value is None else format(value, form)

    shown_steps = f"{steps:,}" if engine == "pymc3_vi" or engine in STOCHASTIC else ""
    return (
        f"| {kind} | {rows:,} {arguments.dtype} | {engine} | {shown_steps} | {found['seconds']:.1f} | "
        f"{found['passes']:g} | {speed:,.0f} | {gigabytes:.2f} | {found['megabytes']:.0f} | "
        f"{shown(off, '.3f')} | {shown(scale, '.3f')} | {shown(found['said'], '.2g')} |"
    )


def table(arguments):
    """All rows of the table, each written as soon as it is there."""
    lines = [HEAD]

    def say(line):
        lines.append(line)
        print(line, flush=True)
        if arguments.out:
            Path(arguments.out).write_text("\n".join(lines) + "\n")

    print(HEAD)
    for rows in arguments.rows:
        for kind in arguments.kinds:
            paths = files(arguments.folder, rows, kind, arguments.dtype)
            best = optimum(open_files(paths), kind)
            for n in arguments.n:
                say(turn(arguments, kind, rows, "pymc3_vi", n, best))
            if arguments.stock and rows <= arguments.stock_rows:
                say(turn(arguments, kind, rows, "PyMC3", 50_000, best))
            if arguments.peers and rows <= arguments.stock_rows:
                say(turn(arguments, kind, rows, "NumPyro", arguments.numpyro_steps, best))
                if kind == "logistic":
                    say(turn(arguments, kind, rows, "scikit-learn", STEPS, best))
            say(turn(arguments, kind, rows, "plain read", STEPS, best))
            if not arguments.keep:
                for path in paths:
                    path.unlink()


def main():
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=lambda s: int(float(s)), nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--n", type=int, nargs="+", default=[STEPS], help="steps of this package's fits")
    parser.add_argument("--dtype", default="float64")
    parser.add_argument("--folder", default="/tmp")
    parser.add_argument("--stock", action="store_true", help="PyMC3's minibatch ADVI beside it")
    parser.add_argument("--peers", action="store_true", help="NumPyro's subsampling and scikit-learn beside it")
    parser.add_argument("--numpyro-steps", type=int, default=50_000)
    parser.add_argument("--stock-rows", type=lambda s: int(float(s)), default=2_000_000)
    parser.add_argument("--keep", action="store_true", help="leave the files")
    parser.add_argument("--out", help="file for the table")
    parser.add_argument("--engine", choices=list(ENGINES), help=argparse.SUPPRESS)
    parser.add_argument("--steps", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.engine is None:
        table(arguments)
        return
    kind = arguments.kinds[0]
    columns = open_files(files(arguments.folder, arguments.rows[0], kind, arguments.dtype))
    print(json.dumps(ENGINES[arguments.engine](columns, kind, arguments.steps)))


if __name__ == "__main__":
    main()
