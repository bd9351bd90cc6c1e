"""Medians and ratios of a results file as Markdown: ``python -m benchmarks.report FILE.json``."""
import json
import sys
from collections import defaultdict
from statistics import geometric_mean, median

__all__ = ["markdown"]

OURS = "pymc3_vi"

#: what is compared -> (job, cache, phases that are added up, unit, factor)
QUANTITIES = {
    "Cold, import to the end of the fit": ("fit", "cold", ("import", "build", "fit"), "s", 1),
    "Warm, building the model and fitting": ("fit", "warm", ("build", "fit"), "s", 1),
    "One step": ("step", None, ("step",), "µs", 1e6),
    "Import": ("fit", "warm", ("import",), "s", 1),
    "Building the model, cold": ("fit", "cold", ("build",), "s", 1),
    "Building the model, warm": ("fit", "warm", ("build",), "s", 1),
    "Compiling the step, cold": ("step", "cold", ("compile",), "s", 1),
    "Compiling the step, warm": ("step", "warm", ("compile",), "s", 1),
    "1,000 draws, warm": ("fit", "warm", ("sample",), "s", 1),
}


def _times(runs, job, cache, phases, kind):
    """{(model, package): {(repeat, cache): seconds}}"""
    found = defaultdict(dict)
    for run in runs:
        if run["job"] == job and cache in (None, run["cache"]) and all(phase in run for phase in phases):
            found[run["model"], run["package"]][run["repeat"], run["cache"]] = sum(run[p][kind] for p in phases)
    return found


def _ratio(theirs, ours):
    """Median of the ratios within a turn."""
    common = [key for key in theirs if key in ours]
    return median(theirs[key] / ours[key] for key in common) if common else None


def _cell(times, theirs, factor):
    if theirs is None:
        return "–"
    text = f"{factor * median(theirs.values()):.3g}"
    ratio = None if times is None else _ratio(theirs, times)
    return text if ratio is None else f"{text} ({ratio:.1f}x)"


def _table(runs, title, job, cache, phases, unit, factor):
    lines = []
    for kind, word in ((1, "processor"), (0, "wall")):
        times = _times(runs, job, cache, phases, kind)
        models = list(dict.fromkeys(model for model, _ in times))
        packages = sorted({package for _, package in times}, key=lambda p: (p != OURS, p))
        if not times or OURS not in packages:
            continue
        passes = _times(runs, "step", None, ("pass",), kind) if phases == ("step",) else {}
        lines += ["", f"### {title}, {word} time in {unit}", ""]
        lines.append("| model | " + " | ".join(packages) + (" | one pass over the data |" if passes else " |"))
        lines.append("| --- |" + " ---: |" * (len(packages) + bool(passes)))
        ratios = defaultdict(list)
        for model in models:
            ours = times.get((model, OURS))
            cells = [_cell(None if p == OURS else ours, times.get((model, p)), factor) for p in packages]
            if passes:
                cells.append(_cell(None, passes.get((model, OURS)), factor))
            lines.append(f"| {model} | " + " | ".join(cells) + " |")
            for p in packages:
                ratio = _ratio(times[model, p], ours) if p != OURS and ours and (model, p) in times else None
                if ratio is not None:
                    ratios[p].append(ratio)
        means = {p: f"{geometric_mean(r):.1f}x, least {min(r):.1f}x" for p, r in ratios.items()}
        summary = [means.get(p, "") for p in packages]
        lines.append("| geometric mean | " + " | ".join(summary + [""] * bool(passes)) + " |")
    return lines


def markdown(results):
    """Tables of medians, with the median ratio to this package in brackets."""
    runs = [run for run in results["runs"] if "error" not in run]
    turns = len({run["repeat"] for run in results["runs"]})
    lines = [
        "# Benchmarks",
        "",
        f"Made by `make bench` on {results['date']}: {results['machine']}.  Medians of {turns} turns; in brackets the "
        "median over turns of a package's time divided by this package's.  Fits take 20,000 steps with each package's "
        "defaults, steps are those of Adam with one draw.",
    ]
    for title, quantity in QUANTITIES.items():
        lines += _table(runs, title, *quantity)
    failed = [run for run in results["runs"] if "error" in run]
    errors = sorted({f"- {run['package']} on {run['model']} ({run['job']}): {run['error']}" for run in failed})
    if errors:
        lines += ["", "### What failed", "", *errors]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        print(markdown(json.load(file)))
