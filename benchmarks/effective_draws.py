"""Seconds from the model to 1,000 effective draws of every value; writes docs/effective_draws.md.

Usage: ``python -m benchmarks.effective_draws [--turns 3] [NAME ...]``.  A run is a process of its own that imports a
package, builds a model and draws; a cold one starts with an empty cache of compiled code, the warm one after it finds
what it left.  Every run is stored in ``.bench/effective_draws.jsonl``, and not repeated; ``--fresh`` forgets them.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from statistics import geometric_mean, median

from benchmarks.environments import BENCH, ROOT, environment, interpreter, prepare

STORE, DOCUMENT = BENCH / "effective_draws.jsonl", ROOT / "docs" / "effective_draws.md"
PACKAGES = ("pymc3_vi", "pymc3", "numpyro")
MODELS = ("normal-1e3", "normal-1e5", "schools", "radon", "logistic-1e3", "gp", "mixture", "lkj")
#: Effective draws that are wanted, threads of linear algebra, and seconds after which a run is given up.
WANTED, THREADS, LONGEST = 1000, 2, 900
CHAINS, TUNE, DRAWS = 4, 1000, 1000

INTRODUCTION = """# Effective draws

Made by `make effective-draws`: wall seconds to 1,000 effective draws of every free value, medians of {turns} turns on
two cores; from the model (packages are imported, the model is built), and from nothing (a new process).

- **pymc3_vi**: `fit()`, then `HMC(tolerance=1000**-0.5)`: chains stop when the Monte Carlo error of every mean is that
  of 1,000 independent draws.
- **pm.sample**: PyMC3 3.11 with its defaults, four chains of 1,000 draws after 1,000 of tuning, on two cores.
- **NumPyro**: NUTS, as many chains, draws and warm-up, four devices on two cores, double precision.

Of the other two, half of the sampling is tuning, and the other half is scaled by 1,000 / (least bulk effective sample
size), up or down. A cold run starts without compiled code, a warm one finds what the cold one left; JAX keeps none by
default, so its new process is its cold run. The mixture has two labellings: NumPyro's chains end in different ones (two
effective draws), those of pm.sample in one; here, chains are in both.
"""


def ours(name, seed, begin):
    import pymc3_vi

    import numpy as np
    import pymc3
    import theano.tensor as tt

    from benchmarks.data import data_of
    from benchmarks.models_pymc import build

    with pymc3_vi.fast_build():
        model = build(name, pymc3, tt, data_of(name))
    built = time.perf_counter() - begin
    approx = pymc3_vi.fit(model=model, random_seed=seed, progressbar=False)
    points = pymc3_vi.HMC(tolerance=WANTED**-0.5, progressbar=False)(approx, WANTED, np.random.default_rng(seed))
    errors = points.run.errors
    seconds = time.perf_counter() - begin
    return dict(
        seconds=seconds,
        built=built,
        total=seconds,
        ess=float(np.min((errors.sd / errors.mean_error) ** 2)),
        flags=points.complaints(),
    )


def theirs(name, seed, begin):
    import arviz as az
    import pymc3
    import theano.tensor as tt

    from benchmarks.data import data_of
    from benchmarks.models_pymc import build

    model = build(name, pymc3, tt, data_of(name))
    built = time.perf_counter() - begin
    with model:
        trace = pymc3.sample(
            random_seed=seed,
            return_inferencedata=False,
            progressbar=False,
            chains=CHAINS,
            compute_convergence_checks=False,
        )
    total, sampling = time.perf_counter() - begin, trace.report.t_sampling
    free = [v.name for v in model.free_RVs]
    draws = {v: [trace.get_values(v, chains=c) for c in trace.chains] for v in free}
    return _scaled(built, total, sampling, _least(az.ess(_arrays(draws))))


def numpyros(name, seed, begin):
    import numpyro

    numpyro.set_host_device_count(CHAINS)
    numpyro.enable_x64()
    import jax
    from numpyro.diagnostics import summary

    from benchmarks.data import data_of
    from benchmarks.models_numpyro import build

    model = build(name, data_of(name))
    built = time.perf_counter() - begin
    mcmc = numpyro.infer.MCMC(
        numpyro.infer.NUTS(model), num_warmup=TUNE, num_samples=DRAWS, num_chains=CHAINS, progress_bar=False
    )
    mcmc.run(jax.random.PRNGKey(seed))
    jax.block_until_ready(mcmc.get_samples())
    total = time.perf_counter() - begin
    again = time.perf_counter()
    mcmc.run(jax.random.PRNGKey(seed))
    jax.block_until_ready(mcmc.get_samples())
    sampling = time.perf_counter() - again
    found = summary(mcmc.get_samples(group_by_chain=True), group_by_chain=True)
    sizes = [float(x) for part in found.values() for x in part["n_eff"].ravel() if x == x]
    return _scaled(built, total, min(sampling, total), min(sizes))


def _scaled(built, total, sampling, ess):
    return dict(seconds=total - sampling / 2 * (1 - WANTED / ess), built=built, total=total, ess=ess)


def _arrays(draws):
    import arviz as az
    import numpy as np

    return az.convert_to_dataset({name: np.array(values) for name, values in draws.items()})


def _least(sizes):
    return float(min(sizes[name].min() for name in sizes))


WORKERS = dict(zip(PACKAGES, (ours, theirs, numpyros)))


def run(package, name, seed, cache):
    """What one process gave, or its error."""
    command = [interpreter(package), "-W", "ignore", "-m", "benchmarks.effective_draws", "--worker", package, name]
    command += ["--seed", str(seed)]
    try:
        done = subprocess.run(
            command, env=environment(package, cache, THREADS), cwd=ROOT, capture_output=True, text=True, timeout=LONGEST
        )
    except subprocess.TimeoutExpired:
        return {"error": f"more than {LONGEST} s"}
    if done.returncode:
        return {"error": (done.stderr.strip().splitlines() or ["no message"])[-1]}
    return json.loads(done.stdout.strip().splitlines()[-1])


def turn(name, number, known):
    """Cold and warm runs of all packages on a model, one after the other."""
    for package in PACKAGES:
        if any((r["package"], r["model"], r["turn"]) == (package, name, number) for r in known):
            continue
        cache = tempfile.mkdtemp(prefix="cache", dir=BENCH)
        try:
            for state in ("cold", "warm"):
                row = dict(package=package, model=name, turn=number, state=state, **run(package, name, number, cache))
                print(json.dumps(row), flush=True)
                with STORE.open("a") as store:
                    store.write(json.dumps(row) + "\n")
        finally:
            shutil.rmtree(cache, ignore_errors=True)


def _read():
    return [json.loads(line) for line in STORE.read_text().splitlines()] if STORE.exists() else []


def _median(rows, package, name, state, without):
    found = [
        r["seconds"] - sum(r[part] for part in without)
        for r in rows
        if (r["package"], r["model"], r["state"]) == (package, name, state) and "seconds" in r
    ]
    return median(found) if found else None


#: Columns: heading, whose run over ours, and of ours which.
RATIOS = (
    ("pm.sample, cold", "pymc3", "cold", "cold"),
    ("pm.sample, warm", "pymc3", "warm", "warm"),
    ("NumPyro, both cold", "numpyro", "cold", "cold"),
    ("NumPyro cold, ours warm", "numpyro", "cold", "warm"),
    ("NumPyro, both warm", "numpyro", "warm", "warm"),
)


#: Whose labellings NUTS does not exchange: chains in two have two effective draws, and chains in one do not say so.
LABELLED = "mixture"
#: Tables: heading, and what is not counted.
SINCE = (("From the model", ("built",)), ("From nothing", ()))


def document(rows):
    """The page, as text."""
    text = INTRODUCTION.format(turns=max(r["turn"] for r in rows))
    for heading, without in SINCE:
        text += f"\n## {heading}\n\n{_table(rows, without)}"
    flagged = sorted({r["model"] for r in rows if r.get("flags")})
    text += f"\nChains of this package that say they cannot be relied on: {', '.join(flagged) or 'none'}.\n"
    failed = sorted({f"{r['package']} on {r['model']} ({r['error']})" for r in rows if "error" in r})
    return text + (f"\nRuns that failed: {'; '.join(failed)}.\n" if failed else "")


def _table(rows, without):
    head = ["model", "pymc3_vi, cold", "warm"] + [f"{heading}: ratio" for heading, *_ in RATIOS]
    lines, ratios = ["| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head))], {}
    for name in MODELS:
        mine = {state: _median(rows, "pymc3_vi", name, state, without) for state in ("cold", "warm")}
        if not mine["warm"]:
            continue
        cells = [name, *(f"{mine[state]:.2f} s" for state in mine)]
        for heading, package, state, of_mine in RATIOS:
            other = _median(rows, package, name, state, without)
            if other is None:
                cells.append("-")
                continue
            ratio = other / mine[of_mine]
            ratios.setdefault(heading, {})[name] = ratio
            cells.append(f"{ratio:.1f} ({other:.1f} s)")
        lines.append("| " + " | ".join(cells) + " |")
    for words, left_out in (("geometric mean", ()), (f"without {LABELLED}", (LABELLED,))):
        kept = [[r for name, r in ratios.get(heading, {}).items() if name not in left_out] for heading, *_ in RATIOS]
        means = [f"**{geometric_mean(found):.1f}**" if found else "-" for found in kept]
        lines.append("| " + " | ".join([words, "", "", *means]) + " |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--worker", choices=PACKAGES)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if options.worker:
        print(json.dumps(WORKERS[options.worker](options.names[0], options.seed, time.perf_counter())))
        return
    BENCH.mkdir(exist_ok=True)
    if options.fresh and STORE.exists():
        STORE.unlink()
    for package in PACKAGES:
        prepare(package)
    for number in range(1, options.turns + 1):
        for name in options.names or MODELS:
            turn(name, number, _read())
    text = document(_read())
    print(text)
    if not options.names:
        DOCUMENT.write_text(text)


if __name__ == "__main__":
    sys.exit(main())
