"""``correct='hmc'`` against known posteriors, with default arguments; writes docs/corrected.md.

Usage: ``python -m benchmarks.corrected [--seeds 5] [NAME ...]``; names print some models only.
"""

import argparse
import time
import warnings
from pathlib import Path

import pymc3_vi

import numpy as np

from benchmarks import development_set, hard_models

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "corrected.md"
#: What counts as right: means in sds of the posterior, sds relative.
CLOSE_MEAN, CLOSE_SD = 0.1, 0.1
METHODS = ("advi", "fullrank_advi")

INTRODUCTION = """# Corrected draws

Made by `make corrected`. Every model is fitted with default arguments and corrected by `HMC()` with
several seeds: the 16 models of `benchmarks/development_set.py`, with stored NUTS runs as reference, and those of
`benchmarks/hard_models.py`, with exact moments in closed form or by quadrature. Errors are the largest over all values
with a reference: of means in posterior sds, of sds as log ratios. *Right* means at most 0.1 and 10 %; *flagged* that a
warning named variables. Seconds are CPU of this process, with compiling of log p.

"""


def references():
    """Name -> function that gives the model and {variable: (means, sds)}."""
    found = {}
    for name in development_set.DEVELOPMENT_SET:
        found[name] = lambda name=name: (development_set.build(name), _stored(name))
    for name in hard_models.HARD_MODELS:
        found[name] = lambda name=name: hard_models.build(name)
    return found


def _stored(name):
    nuts = development_set.stored(name)["nuts"]
    return {key: (value["mean"], value["sd"]) for key, value in nuts.items() if not key.startswith("_run")}


def errors(layout, mean, sd, truth):
    """Largest errors of means and of log sds over the values in `truth`."""
    worst = [0.0, 0.0]
    means, sds = layout.unflatten(mean), layout.unflatten(sd)
    for name in layout.names:
        if name in truth:
            m, s = (np.asarray(part, dtype="float64").reshape(means[name].shape) for part in truth[name])
            worst[0] = max(worst[0], np.max(np.abs(means[name] - m) / s))
            worst[1] = max(worst[1], np.max(np.abs(np.log(sds[name] / s))))
    return worst


def run(name, make, method, seeds):
    """Dict of what a model's fits gave, one entry a seed."""
    model, truth = make()
    rows = []
    for seed in range(1, seeds + 1):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            q = pymc3_vi.fit(method=method, model=model, random_seed=seed, progressbar=False)
            begin = time.process_time()
            points = pymc3_vi.HMC(progressbar=False)(q, 1000, np.random.default_rng(seed))
        seconds = time.process_time() - begin
        before = errors(q.ordering, q.mean.eval(), q.std.eval(), truth)
        after = errors(q.ordering, points.run.errors.mean, points.run.errors.sd, truth)
        right = after[0] <= CLOSE_MEAN and after[1] <= np.log(1 + CLOSE_SD)
        rows.append(dict(before=before, after=after, right=right, flagged=not points.reliable, seconds=seconds))
        rhat, why = float(np.max(points.nested_rhat)), "; ".join(points.complaints() + points.words())
        print(
            f"{name} {method} {seed}: q {before[0]:.2f} {before[1]:.2f}, corrected {after[0]:.3f} {after[1]:.3f}, "
            f"{'right' if right else 'wrong'}, {seconds:.1f} s, R-hat {rhat:.3f} {why}",
            flush=True,
        )
    return rows


def table(found):
    """Markdown lines."""
    lines = [
        "| model | family | q: mean error | q: sd error | corrected: mean, median | worst | sd, median | worst "
        "| right | flagged | wrong, not flagged | seconds |",
        "| --- " * 12 + "|",
    ]
    for (name, method), rows in found.items():
        before = np.median([r["before"] for r in rows], axis=0)
        after = np.array([r["after"] for r in rows])
        silent = sum(not r["right"] and not r["flagged"] for r in rows)
        cells = [name, method, f"{before[0]:.2f}", f"{before[1]:.2f}"]
        for k in (0, 1):
            cells += [f"{np.median(after[:, k]):.3f}", f"{after[:, k].max():.3f}"]
        cells += [f"{sum(r['right'] for r in rows)}/{len(rows)}", f"{sum(r['flagged'] for r in rows)}", f"{silent}"]
        cells += [f"{np.median([r['seconds'] for r in rows]):.1f}"]
        lines.append("| " + " | ".join(cells) + " |")
    every = [r for rows in found.values() for r in rows]
    lines += [
        "",
        f"{len(every)} runs: {sum(r['right'] for r in every)} right, {sum(r['flagged'] for r in every)} flagged, "
        f"{sum(not r['right'] and not r['flagged'] for r in every)} wrong and not flagged.",
    ]
    return lines


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--methods", type=lambda text: text.split(","), default=METHODS)
    options = parser.parse_args(arguments)
    known = references()
    found = {}
    for name in options.names or known:
        for method in options.methods:
            found[name, method] = run(name, known[name], method, options.seeds)
    lines = table(found)
    print("\n".join(lines))
    if not options.names:
        DOCUMENT.write_text(INTRODUCTION + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
