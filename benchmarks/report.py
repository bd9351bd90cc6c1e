"""Medians and ratios of a results file as Markdown: ``python -m benchmarks.report FILE.json``."""

import json
import sys
from collections import defaultdict
from statistics import geometric_mean, median

from benchmarks.acceptance import COLD, OURS, STEP, WARM, table
from benchmarks.ratios import CPU, WALL, label, ratio, times

__all__ = ["disagreements", "markdown"]

#: what is compared -> (job, cache, phases that are added up, unit, factor)
QUANTITIES = {
    "Cold, import to the end of the fit": ("fit", "cold", COLD, "s", 1),
    "Warm, building the model to the end of the fit": ("fit", "warm", WARM, "s", 1),
    "One step": ("step", None, STEP, "µs", 1e6),
    "Import": ("fit", "warm", ("import",), "s", 1),
    "Building the model, cold": ("fit", "cold", ("build",), "s", 1),
    "Building the model, warm": ("fit", "warm", ("build",), "s", 1),
    "Compiling the fit, cold": ("fit", "cold", ("compile",), "s", 1),
    "Compiling the fit, warm": ("fit", "warm", ("compile",), "s", 1),
    "Steps of the fit": ("fit", "warm", ("fit",), "s", 1),
    "1,000 draws, warm": ("fit", "warm", ("sample",), "s", 1),
}

#: Losses agree when they differ by no more than this, and four standard errors of the difference.
LOSS_TOLERANCE = 0.05

INTRODUCTION = """\
# Benchmarks

Made by `make bench` on {date}: {machine}. Cells are medians over turns; in brackets the median over turns of a
package's time divided by this package's in the same turn. Processor seconds include those of compilers. Other work ran
on the machine: compare wall times with care.

- **Fits** take 20,000 steps with each package's defaults (NumPyro has none: Adam at 0.001). Every run is a process of
  its own; a cold one starts with an empty cache of compiled code, the warm one after it finds what it left. Where a
  step of another package takes more than 2 ms, fewer steps are timed and the rest is extrapolated linearly (marked
  \\*). `pymc3` is `pymc3.variational` of PyMC3 3.11 on Theano-PyMC; it is compared in every turn, PyMC 5 and NumPyro in
  fewer. Draws are timed in the first turn.
- **Steps** are those of Adam with one draw per step, by mean field or, in `full-rank-*`, by a full-rank Gaussian, in
  double precision. Every package compiles once and then steps for a second at a time in turns: this package, PyMC3 and
  PyMC 5 by `refine`, NumPyro by a compiled scan of 100 updates.
- Models and data are in `benchmarks/models_pymc.py`, `models_numpyro.py` and `data.py`.

`make bench` repeats all; `ARGS="--models schools --packages pymc3_vi,pymc3 --jobs step"` a part, `ARGS=--append` goes
on where it stopped, `ARGS=--help` lists the rest. `python -m benchmarks.report FILE.json` prints this page again.
"""


def _cell(theirs, ours, factor, starred):
    if not theirs:
        return "–"
    value = ratio(theirs, ours) if ours is not None else None
    return f"{factor * median(theirs.values()):.3g}" + "\\*" * starred + ("" if value is None else f" ({value:.1f}x)")


def _starred(runs, cache):
    """(model, package) of fits some of whose steps are extrapolated."""
    last = {label(run): run["steps"] for run in runs if run["job"] == "fit" and run["package"] == OURS}
    return {
        (label(run), run["package"])
        for run in runs
        if run["job"] == "fit" and run["cache"] == cache and run["steps"] < 0.99 * last.get(label(run), 0)
    }


def _table(runs, title, job, cache, phases, unit, factor):
    lines = []
    starred = _starred(runs, cache) if "fit" in phases else ()
    for kind, word in ((CPU, "processor"), (WALL, "wall")):
        found = times(runs, job, cache, phases, kind)
        models = list(dict.fromkeys(model for model, _ in found))
        packages = sorted({package for _, package in found}, key=lambda p: (p != OURS, p))
        if OURS not in packages:
            continue
        passes = times(runs, "step", None, ("pass",), kind) if phases == STEP else {}
        lines += ["", f"### {title}, {word} time in {unit}", ""]
        lines.append("| model | turns | " + " | ".join(packages) + (" | one pass over the data |" if passes else " |"))
        lines.append("| --- | ---: |" + " ---: |" * (len(packages) + bool(passes)))
        ratios = defaultdict(list)
        for model in models:
            ours = found.get((model, OURS))
            cells = [
                _cell(found.get((model, p)), None if p == OURS else ours, factor, (model, p) in starred)
                for p in packages
            ]
            if passes:
                cells.append(_cell(passes.get((model, OURS)), None, factor, False))
            lines.append(f"| {model} | {len(ours or ())} | " + " | ".join(cells) + " |")
            for p in packages:
                value = ratio(found.get((model, p)), ours)
                if p != OURS and value is not None:
                    ratios[p].append(value)
        means = {p: f"{geometric_mean(r):.1f}x, least {min(r):.1f}x" for p, r in ratios.items()}
        summary = [means.get(p, "") for p in packages] + [""] * bool(passes)
        lines.append("| geometric mean | | " + " | ".join(summary) + " |")
    return lines


def _losses(runs):
    """{model: {package: (mean, standard error)}} of the losses that were compared."""
    found = defaultdict(dict)
    for run in runs:
        if run["job"] == "loss":
            found[run["model"]][run["package"]] = tuple(run["loss"])
    return found


def disagreements(runs):
    """Pairs of model and package whose loss is not ours."""
    wrong = []
    for model, losses in _losses(runs).items():
        for package, (mean, error) in losses.items():
            ours, our_error = losses.get(OURS, (mean, error))
            if abs(mean - ours) > LOSS_TOLERANCE + 4 * (error**2 + our_error**2) ** 0.5:
                wrong.append((model, package))
    return wrong


def _loss_table(runs):
    losses, wrong = _losses(runs), disagreements(runs)
    if not losses:
        return []
    packages = sorted({package for each in losses.values() for package in each}, key=lambda p: (p != OURS, p))
    lines = [
        "",
        "### Losses after the same steps",
        "",
        "Negative ELBO and its standard error at the end of five stages of Adam with rates from 0.1 to 0.001 (less "
        "for the largest models), the same for all packages. They agree within four standard errors and "
        f"{LOSS_TOLERANCE:g}, or are marked.",
        "",
        "Two models may differ for a reason: NumPyro's `lkj` has correlations and scales for its unconstrained "
        "variables, so that its mean field is another family; `bnn` has many optima, and where a package starts "
        "decides between them.",
        "",
    ]
    lines += ["| model | " + " | ".join(packages) + " |", "| --- |" + " ---: |" * len(packages)]
    for model, each in losses.items():
        cells = [
            f"{each[p][0]:.3f} ± {each[p][1]:.3f}" + " differs" * ((model, p) in wrong) if p in each else "–"
            for p in packages
        ]
        lines.append(f"| {model} | " + " | ".join(cells) + " |")
    return lines


def markdown(results):
    """The page: what is asked and met, tables of medians, losses, and what failed."""
    runs = [run for run in results["runs"] if "error" not in run]
    lines = [
        INTRODUCTION.format(**results),
        "## What is asked",
        "",
        "Ratios of other packages' times to this package's, the median over turns for every model.",
        "",
    ]
    lines += [*table(runs), "", "## Times"]
    for title, quantity in QUANTITIES.items():
        lines += _table(runs, title, *quantity)
    lines += _loss_table(runs)
    failed = [run for run in results["runs"] if "error" in run]
    errors = sorted({f"- {run['package']} on {label(run)} ({run['job']}): {run['error']}" for run in failed})
    if errors:
        lines += ["", "### What failed", "", *errors]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        print(markdown(json.load(file)))
