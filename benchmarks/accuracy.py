"""Fits with default arguments against the optimum of their family, over the development set; writes docs/accuracy.md.

Usage: ``make accuracy``, or ``python -m benchmarks.accuracy [NAME ...]`` to print some models only.
"""

import sys
import time
from pathlib import Path

import pymc3_vi

import numpy as np

from benchmarks.development_set import DEVELOPMENT_SET, build, stored  # (imports pymc3_vi before PyMC3)

N, SEED = 10000, 1
DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "accuracy.md"
FAMILIES = [("mean_field", "advi", "mean field"), ("full_rank", "fullrank_advi", "full rank")]
RULES = [("pymc3_vi", {}), ("adagrad_window", {"obj_optimizer": pymc3_vi.adagrad_window})]

INTRODUCTION = f"""# Accuracy

Made by `make accuracy`. Every model of `benchmarks/development_set.py` is fitted once with
`fit(n={N}, random_seed={SEED})`, with this package's default rule and with PyMC3's (`obj_optimizer=adagrad_window`, the
same step rule, run by this package).

The truth here is the *optimum of the family*, not the posterior: the mean-field or full-rank Gaussian with the largest
ELBO, found by L-BFGS on two sets of 4,096 fixed draws (`benchmarks/development_optima.py`). Errors are those of the
unconstrained variables: of means in standard deviations of the optimum, of standard deviations relative. A dash means
that the fit failed. The optima have errors of their own, of up to 0.007 standard deviations of a mean and 0.7 % of a
standard deviation (eight schools); those of models with nearly Gaussian posteriors are below 0.001.

What each ingredient of the default rule is worth is in [Ingredients](ingredients.md).

"""


def distances(approx, optimum):
    """|mean error| in sds and |relative sd error| of every unconstrained value of `approx`."""
    sd = np.array(optimum["sd"])
    return np.abs(approx.mean.eval() - optimum["mean"]) / sd, np.abs(approx.std.eval() / sd - 1)


def errors(name, family, method, options):
    """:func:`distances` of one fit from the family's optimum, infinite if it failed, and its CPU seconds."""
    optimum = stored(name)[family]
    model = build(name)
    begin = time.process_time()
    try:
        approx = pymc3_vi.fit(N, method=method, model=model, random_seed=SEED, progressbar=False, **options)
    except pymc3_vi.errors.NonFiniteError:
        count = len(optimum["mean"])
        return np.full(count, np.inf), np.full(count, np.inf), time.process_time() - begin
    seconds = time.process_time() - begin
    return distances(approx, optimum) + (seconds,)


def quantiles(values):
    """Median, 90 % quantile and largest of `values`, as cells."""
    return [number(np.quantile(values, q, interpolation="higher")) for q in (0.5, 0.9, 1.0)]


def number(x):
    """Two significant digits where they say something, a dash for infinity."""
    if not np.isfinite(x):
        return "-"
    return f"{x:.0f}" if x >= 99.5 else f"{x:.2g}" if x >= 0.001 else "<0.001"


def summary(found):
    """Rows of quantiles over all values of all models, and over the models' largest errors."""
    lines = [
        "| family | rule | mean error: median | 90 % | largest | sd error: median | 90 % | largest |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for family, _, title in FAMILIES:
        for rule, _ in RULES:
            cells = []
            for which in (0, 1):
                pooled = np.concatenate([found[name, family, rule][which] for name in _names(found)])
                cells += quantiles(pooled)
            lines.append(f"| {title} | {rule} | " + " | ".join(cells) + " |")
    return lines


def per_model(found):
    """Rows of the largest errors of every model."""
    lines = [
        "| model | values | family | mean error | sd error | seconds "
        "| adagrad_window: mean error | sd error | seconds |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name in _names(found):
        for family, _, title in FAMILIES:
            cells = []
            for rule, _ in RULES:
                mean, sd, seconds = found[name, family, rule]
                cells += [number(mean.max()), number(sd.max()), f"{seconds:.1f}"]
            lines.append(f"| {name} | {len(mean)} | {title} | " + " | ".join(cells) + " |")
    return lines


def _names(found):
    return list(dict.fromkeys(key[0] for key in found))


def main(names):
    found = {}
    for name in names or DEVELOPMENT_SET:
        for family, method, _ in FAMILIES:
            if family not in stored(name):
                continue
            for rule, options in RULES:
                found[name, family, rule] = mean, sd, seconds = errors(name, family, method, options)
                print(name, family, rule, f"mean {mean.max():.2g}, sd {sd.max():.2g}, {seconds:.1f} s", flush=True)
    lines = ["Over all values of all models:", ""] + summary(found)
    lines += ["", "Largest error of each model, and CPU seconds of the fit with its compilation:", ""]
    lines += per_model(found)
    print("\n".join(lines))
    if not names:
        DOCUMENT.write_text(INTRODUCTION + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
