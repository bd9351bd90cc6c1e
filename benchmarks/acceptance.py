"""What is asked of the times, and whether a results file has it."""

from collections import namedtuple
from statistics import geometric_mean

from benchmarks.ratios import CPU, WALL, ratio, times

__all__ = ["COLD", "OURS", "STEP", "WARM", "Line", "is_large", "lines", "table"]

OURS, PYMC3, PEERS = "pymc3_vi", "pymc3", ("pymc5", "numpyro")

COLD, WARM, STEP = ("import", "build", "compile", "fit"), ("build", "compile", "fit"), ("step",)


class Line(namedtuple("Line", "what, ratios, turns, mean, least, most")):
    """One demand: ratios and turns by model, and what is asked of their geometric mean and of every one (or None)."""

    __slots__ = ()

    @property
    def is_met(self):
        """Whether every bound holds; None without a ratio."""
        values = list(self.ratios.values())
        if not values:
            return None
        return not (
            (self.mean is not None and geometric_mean(values) < self.mean)
            or (self.least is not None and min(values) < self.least)
            or (self.most is not None and max(values) > self.most)
        )


def is_large(model):
    """Whether the model called so has 100,000 observations; the others have at most 10,000."""
    return "1e5" in model


def _compared(found, packages, keep):
    """Ratio of the fastest of `packages` to ours and the number of common turns, by model; all must have runs."""
    ratios, turns = {}, {}
    for model in dict.fromkeys(model for model, _ in found):
        each = [(found.get((model, package)), found.get((model, OURS))) for package in packages]
        values = [ratio(theirs, ours) for theirs, ours in each]
        if keep(model) and None not in values:
            ratios[model] = min(values)
            turns[model] = min(len(theirs.keys() & ours.keys()) for theirs, ours in each)
    return ratios, turns


def lines(runs):
    """All demands, filled from the runs."""

    def small(model):
        return not is_large(model)

    def full_rank(model):
        return model.startswith("full-rank")

    def mean_field(model):
        return not full_rank(model) and "threads" not in model

    def alone(model):
        return "threads" not in model

    cold, warm = (times(runs, "fit", cache, phases, CPU) for cache, phases in (("cold", COLD), ("warm", WARM)))
    step = {kind: times(runs, "step", None, STEP, kind) for kind in (CPU, WALL)}
    one_pass = times(runs, "step", None, ("pass",), WALL)
    passes = {
        model: ratio(step[WALL][model, OURS], one_pass[model, OURS])
        for model, package in step[WALL]
        if package == OURS and is_large(model)
    }
    both = " against the faster of PyMC 5 and NumPyro"
    steps = ((word, step[kind]) for word, kind in (("processor", CPU), ("wall", WALL)))
    ranges = (("up to 10,000 observations", small, 1), ("at 100,000 observations", is_large, 3))
    return [
        Line("Cold, import to the end of the fit, against PyMC3", *_compared(cold, [PYMC3], alone), 12, 6, None),
        Line("Warm, without the import, against PyMC3", *_compared(warm, [PYMC3], alone), 5, 2, None),
        Line("Step of mean field against PyMC3", *_compared(step[CPU], [PYMC3], mean_field), 3, 1.5, None),
        Line("Step of full rank against PyMC3", *_compared(step[CPU], [PYMC3], full_rank), None, 8, None),
        *(
            Line(f"Step {words}{both}, {kind}", *_compared(found, PEERS, keep), None, least, None)
            for kind, found in steps
            for words, keep, least in ranges
        ),
        Line(
            "Step at 100,000 observations over one pass over the data, wall",
            passes,
            {model: len(step[WALL][model, OURS]) for model in passes},
            None,
            None,
            4,
        ),
    ]


def _bound(line):
    asked = [
        f"mean {line.mean:g}" if line.mean else "",
        f"each {line.least:g}" if line.least else "",
        f"at most {line.most:g}" if line.most else "",
    ]
    return ", ".join(word for word in asked if word)


def table(runs):
    """Markdown lines: every demand with its figures."""
    rows = [
        "| compared | models | turns | geometric mean | smallest | largest | asked | met |",
        "| --- | ---: | ---: | ---: | --- | --- | --- | --- |",
    ]
    for line in lines(runs):
        values = line.ratios
        if not values:
            rows.append(f"| {line.what} | 0 | | | | | {_bound(line)} | not measured |")
            continue
        least, most = min(values, key=values.get), max(values, key=values.get)
        rows.append(
            f"| {line.what} | {len(values)} | {min(line.turns.values())} | {geometric_mean(values.values()):.2f} | "
            f"{values[least]:.2f} ({least}) | {values[most]:.2f} ({most}) | {_bound(line)} | "
            f"{'yes' if line.is_met else 'no'} |"
        )
    return rows
