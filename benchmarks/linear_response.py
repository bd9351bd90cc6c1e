"""DADVI with linear response against the posterior over the development set; writes docs/accuracy_dadvi.md.

The posterior's moments are those of the stored NUTS runs (`benchmarks/development_nuts.py`).

Usage: ``python -m benchmarks.linear_response [NAME ...]``; with names the results of these models are printed only.
"""

import json
import sys
import time
from pathlib import Path

import pymc3_vi

import numpy as np

from benchmarks.development_set import DEVELOPMENT_SET, build, stored  # (imports pymc3_vi before PyMC3)

SEED, N = 1, 10000
DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "accuracy_dadvi.md"

INTRODUCTION = """# Accuracy of deterministic fits

Made by `python -m benchmarks.linear_response`. Every model of `benchmarks/development_set.py` is fitted once by
`fit(method="dadvi", random_seed=1)`, and by the default `fit(n=10000, random_seed=1)` for its time. The truth is the
*posterior*: a long NUTS run (16,000 draws; the largest Monte Carlo error of a mean is 0.0175 standard deviations), or
its closed form. Errors are those of the unconstrained variables: of means in posterior standard deviations, of standard
deviations relative, of the mean field itself and of its linear response. Seconds are CPU seconds of the Python process
(what g++ takes is not in them), in brackets those without building and compiling graphs; those of DADVI include the
covariance.

"""


def _truth(name, model):
    """Mean, sd and a note on where they come from."""
    nuts = stored(name)["nuts"]
    names = [v.name for v in model.free_RVs]
    return [np.concatenate([np.ravel(nuts[v][k]) for v in names]) for k in ("mean", "sd")] + [nuts["_run"]["sampler"]]


def measure(name):
    """Errors of one model as a dict."""
    model = build(name)
    begin = time.process_time()
    approx = pymc3_vi.fit(method="dadvi", model=model, random_seed=SEED, progressbar=False)
    cov = approx.lrvb_cov()
    seconds = time.process_time() - begin
    second = pymc3_vi.MeanField(model=model, random_seed=SEED)
    second._cache = {"point_density": approx._cache["point_density"]}
    again = time.process_time()
    pymc3_vi.DADVI(approx=second).fit(progressbar=False)
    second.lrvb_cov()
    alone = time.process_time() - again
    mean, sd, source = _truth(name, model)
    q_mean, q_sd, lr_sd = approx.mean.eval(), approx.std.eval(), np.sqrt(np.diag(cov))
    begin = time.process_time()
    inference = pymc3_vi.ADVI(model=model, random_seed=SEED)
    inference.fit(0, progressbar=False)
    middle = time.process_time()
    inference.fit(N, progressbar=False)
    advi, advi_alone = time.process_time() - begin, time.process_time() - middle
    found = {
        "mean": np.abs(q_mean - mean) / sd,
        "q": np.abs(q_sd / sd - 1),
        "lr": np.abs(lr_sd / sd - 1),
        "seconds": seconds,
        "alone": alone,
        "advi": advi,
        "advi_alone": advi_alone,
        "draws": approx.fixed_draws.count,
        "source": source,
    }
    return {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in found.items()}


def number(x):
    """Two significant digits."""
    return f"{x:.2g}" if x >= 0.001 else "0.000"


def table(found):
    """The page's tables."""
    lines = [
        "Over all values of all models, and with every model counted once (median of the models' medians):",
        "",
        "| | mean error: median | 90 % | sd error of the mean field: median | 90 % "
        "| sd error of the linear response: median | 90 % |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for title, reduce in (("values", list), ("models", lambda x: [np.median(x)])):
        cells = []
        for key in ("mean", "q", "lr"):
            pooled = np.concatenate([reduce(f[key]) for f in found.values()])
            cells += [number(np.quantile(pooled, q)) for q in (0.5, 0.9)]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "Median and largest error of each model:",
        "",
        "| model | values | mean error | sd error: mean field | linear response | draws | DADVI, s | ADVI, s | truth |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, f in found.items():
        cells = [f"{number(np.median(f[k]))}, {number(np.max(f[k]))}" for k in ("mean", "q", "lr")]
        lines.append(
            f"| {name} | {len(f['mean'])} | " + " | ".join(cells) + f" | {f['draws']:,} | {f['seconds']:.1f} "
            f"({f['alone']:.2f}) | {f['advi']:.1f} ({f['advi_alone']:.2f}) | {f['source']} |"
        )
    return lines


def main(names):
    found = {}
    for name in names or DEVELOPMENT_SET:
        found[name] = measure(name)
        print(json.dumps({name: found[name]}), flush=True)
    lines = table(found)
    print("\n".join(lines))
    if not names:
        DOCUMENT.write_text(INTRODUCTION + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
