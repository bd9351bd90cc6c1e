"""DADVI with linear response against the posterior over the development set; writes docs/accuracy_dadvi.md.

The posterior's moments are those of the stored NUTS runs where there are any, else of weighted draws from a
t-distribution around the full-rank optimum.

Usage: ``python -m benchmarks.linear_response [NAME ...]``; with names the results of these models are printed only.
"""
import json
import sys
import time
from pathlib import Path

from benchmarks.development_set import DEVELOPMENT_SET, build, stored  # (imports pymc3_vi before PyMC3)
import pymc3_vi
import numpy as np
from pymc3_vi.diagnostics import ImportanceWeights, point_density
from examples.references import load_reference

SEED, N = 1, 10000
DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "accuracy_dadvi.md"
#: Weighted draws of a posterior: at most, and seconds that they may take.
LARGEST, SECONDS = 2 ** 18, 20.0
DEGREES, WIDER = 5.0, 1.15

INTRODUCTION = """# Accuracy of deterministic fits

Made by `python -m benchmarks.linear_response`. Every model of `benchmarks/development_set.py` is fitted once by
`fit(method="dadvi", random_seed=1)`, and by the default `fit(n=10000, random_seed=1)` for its time. The truth is the *posterior*: a long
NUTS run where one is stored, else at least 10,000 weighted draws around the full-rank optimum (the column says which, with the k-hat of
the weights). Errors are those of the unconstrained variables, for radon of the model's own: of means in posterior standard deviations, of
standard deviations relative, of the mean field itself and of its linear response. Seconds are CPU seconds of the Python process (what g++
takes is not in them), in brackets those without building and compiling graphs; those of DADVI include the covariance.

"""


def _weighted(model, density, order_of):
    """Mean and sd of the unconstrained values, by self-normalised importance sampling; k-hat of the weights."""
    full = pymc3_vi.FullRank(model=model, random_seed=SEED)
    full.__dict__.setdefault("_cache", {})["point_density"] = {(): density}
    pymc3_vi.DADVI(approx=full).fit(progressbar=False, tol=0.05, max_draws=4096)
    mu, cov = full.mean.eval(), full.cov.eval()
    root = WIDER * np.linalg.cholesky(cov)
    random = np.random.RandomState(7)
    z, logw, count, begin = [], [], 0, time.perf_counter()
    while count < LARGEST and time.perf_counter() - begin < SECONDS or count < 10000:
        eps = random.standard_normal((4096, len(mu))) * np.sqrt(DEGREES / random.chisquare(DEGREES, (4096, 1)))
        draws = mu + eps.dot(root.T)
        logq = -0.5 * (DEGREES + len(mu)) * np.log1p(np.sum(eps ** 2, axis=1) / DEGREES)
        logp, _ = density.slopes(draws)
        z.append(order_of(draws))
        logw.append(np.where(np.isfinite(logp), logp, -np.inf) - logq)
        count += 4096
    z, logw = np.concatenate(z), np.concatenate(logw)
    weights = ImportanceWeights(logw)
    w = np.exp(logw - logw.max())
    w /= w.sum()
    mean = w.dot(z)
    return mean, np.sqrt(w.dot((z - mean) ** 2)), f"{count:,} weighted draws, k-hat {weights.khat:.2f}"


def _truth(name, model, density):
    """Mean, sd and a note on where they come from."""
    nuts = stored(name).get("nuts")
    if nuts is not None:
        names = [v.name for v in model.free_RVs]
        return [np.concatenate([np.ravel(nuts[v][k]) for v in names]) for k in ("mean", "sd")] + [nuts["_run"]["sampler"]]
    if name != "eight_schools_centered":
        return _weighted(model, density, lambda z: z)
    # The same posterior in offsets, where the weights have lighter tails.
    other = build("eight_schools_noncentered")
    density = point_density(pymc3_vi.MeanField(model=other))
    return _weighted(other, density, lambda z: np.concatenate([z[:, :2], z[:, :1] + np.exp(z[:, 1:2]) * z[:, 2:]], axis=1))


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
    if name == "radon":
        reference = load_reference("radon")
        names = ["intercept", "uranium", "floor", "county_sd", "sigma", "county_offset"]
        mean, sd = (np.concatenate([np.ravel(reference[v][k]) for v in names]) for k in ("mean", "sd"))
        source = "NUTS"
        draws = approx.sample_arrays(20000, random_seed=SEED)
        values = np.concatenate([draws[v].reshape(20000, -1) for v in names], axis=1)
        q_mean, q_sd = values.mean(axis=0), values.std(axis=0)
        lr_sd = np.sqrt(np.diag(approx.lrvb_cov(of=names)))
    else:
        mean, sd, source = _truth(name, model, approx._cache["point_density"][()])
        q_mean, q_sd, lr_sd = approx.mean.eval(), approx.std.eval(), np.sqrt(np.diag(cov))
    begin = time.process_time()
    inference = pymc3_vi.ADVI(model=model, random_seed=SEED)
    inference.fit(0, progressbar=False)
    middle = time.process_time()
    inference.fit(N, progressbar=False)
    advi, advi_alone = time.process_time() - begin, time.process_time() - middle
    found = {
        "mean": np.abs(q_mean - mean) / sd, "q": np.abs(q_sd / sd - 1), "lr": np.abs(lr_sd / sd - 1),
        "seconds": seconds, "alone": alone, "advi": advi, "advi_alone": advi_alone,
        "draws": approx.fixed_draws.count, "source": source,
    }
    return {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in found.items()}


def number(x):
    """Two significant digits."""
    return f"{x:.2g}" if x >= 0.001 else "0.000"


def table(found):
    """The page's tables."""
    lines = ["Over all values of all models, and with every model counted once (median of the models' medians):", "",
             "| | mean error: median | 90 % | sd error of the mean field: median | 90 % | sd error of the linear response: median | 90 % |",
             "| --- | --- | --- | --- | --- | --- | --- |"]
    for title, reduce in (("values", list), ("models", lambda x: [np.median(x)])):
        cells = []
        for key in ("mean", "q", "lr"):
            pooled = np.concatenate([reduce(f[key]) for f in found.values()])
            cells += [number(np.quantile(pooled, q)) for q in (0.5, 0.9)]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    lines += ["", "Median and largest error of each model:", "",
              "| model | values | mean error | sd error: mean field | linear response | draws | DADVI, s | ADVI, s | truth |",
              "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"]
    for name, f in found.items():
        cells = [f"{number(np.median(f[k]))}, {number(np.max(f[k]))}" for k in ("mean", "q", "lr")]
        lines.append(f"| {name} | {len(f['mean'])} | " + " | ".join(cells) + f" | {f['draws']:,} | {f['seconds']:.1f} "
                     f"({f['alone']:.2f}) | {f['advi']:.1f} ({f['advi_alone']:.2f}) | {f['source']} |")
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
