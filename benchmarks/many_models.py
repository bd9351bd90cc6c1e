"""Many data sets: time, memory and accuracy of ``fit_many`` against single fits.

``python -m benchmarks.many_models [--data-sets 10000] [--single 200] [--hierarchical 300] [--loop 10]``
"""

import argparse
import resource
import time

import pymc3_vi

import numpy as np
import pymc3 as pm

ROWS, GROUPS = 50, 8


def regression():
    """Three parameters."""
    with pymc3_vi.fast_build(), pm.Model() as model:
        x, y = pm.Data("x", np.zeros(ROWS)), pm.Data("y", np.zeros(ROWS))
        level, slope = pm.Normal("level", 0, 10), pm.Normal("slope", 0, 10)
        pm.Normal("obs", level + slope * x, pm.HalfNormal("noise", 5), observed=y)
    return model


def regression_data(count, seed=1):
    """Predictors and responses, (count, 50)."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((count, ROWS))
    level, slope, noise = (rng.uniform(*bounds, (count, 1)) for bounds in ((-3, 3), (-3, 3), (0.3, 2)))
    return {"x": x, "y": level + slope * x + noise * rng.standard_normal(x.shape)}


def hierarchical():
    """Twelve parameters: a line whose level varies between eight groups."""
    with pymc3_vi.fast_build(), pm.Model() as model:
        group = pm.Data("group", np.zeros(ROWS, dtype=int))
        x, y = pm.Data("x", np.zeros(ROWS)), pm.Data("y", np.zeros(ROWS))
        mu, tau = pm.Normal("mu", 0, 5), pm.HalfNormal("tau", 2)
        z = pm.Normal("z", 0, 1, shape=GROUPS)
        slope = pm.Normal("slope", 0, 5)
        pm.Normal("obs", mu + tau * z[group] + slope * x, pm.HalfNormal("noise", 2), observed=y)
    return model


def hierarchical_data(count, seed=2):
    """Data sets of 30 to 90 rows in groups of any sizes."""
    rng, sets = np.random.default_rng(seed), []
    for _ in range(count):
        rows = rng.integers(30, 91)
        group, x = rng.integers(0, GROUPS, rows), rng.standard_normal(rows)
        y = 1 + rng.standard_normal(GROUPS)[group] + 0.5 * x + 0.7 * rng.standard_normal(rows)
        sets.append({"group": group, "x": x, "y": y})
    return sets


def singles(model, sets, method="advi"):
    """Means and sds (n, d) of single fits on the unconstrained scale, and CPU seconds of each."""
    found, seconds = [], []
    for data in sets:
        begin = time.process_time()
        with model:
            pm.set_data(data)
            approx = pymc3_vi.fit(method=method, random_seed=1, progressbar=False)
        seconds.append(time.process_time() - begin)
        found.append((approx.mean.eval(), approx.std.eval()))
    means, sds = map(np.array, zip(*found))
    return means, sds, seconds


def timed(model, data, **keywords):
    """Fits, wall and CPU seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    fits = pymc3_vi.fit_many(model, data, random_seed=1, progressbar=False, **keywords)
    return fits, time.perf_counter() - wall, time.process_time() - cpu


def compare(fits, means, sds):
    """Largest difference of means in sds, and of sds relative."""
    n = len(means)
    own = fits.scale[:n] if fits.scale.ndim == 2 else np.sqrt(np.sum(fits.scale[:n] ** 2, axis=2))
    return np.abs((fits.mu[:n] - means) / sds).max(axis=1), np.abs(own / sds - 1).max(axis=1)


def report(name, errors):
    """Quantiles of both differences."""
    for what, values in zip(("means, sds", "sds, relative"), errors):
        print(f"{name}: {what}: median {np.median(values):.4f}, largest {np.max(values):.4f} of {len(values)}")


def main():
    parser = argparse.ArgumentParser()
    for option, default in (("data-sets", 10_000), ("single", 200), ("hierarchical", 300), ("loop", 10)):
        parser.add_argument(f"--{option}", type=int, default=default)
    options = parser.parse_args()

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    data = regression_data(options.data_sets)
    fits, wall, cpu = timed(regression(), data)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(fits)
    print(f"regression: {len(fits):,} data sets in {wall:.1f} s ({cpu:.1f} of CPU), {fits.compiled} functions compiled")
    print(f"regression: peak memory {peak / 1e6:.2f} GB, {before / 1e6:.2f} GB of it before")
    sets = [dict(x=x, y=y) for x, y in zip(data["x"][: options.single], data["y"])]
    if sets:
        means, sds, seconds = singles(regression(), sets)
        report("regression", compare(fits, means, sds))
        print(f"regression: a single fit takes {np.median(seconds):.2f} s, {np.median(seconds) * len(fits) / cpu:.0f}x")

    sets = hierarchical_data(options.hierarchical)
    for method in ("advi", "fullrank_advi"):
        fits, wall, cpu = timed(hierarchical(), sets, method=method)
        print(fits)
        means, sds, seconds = singles(hierarchical(), sets[: options.loop], method)
        loop = np.median(seconds[1:] or seconds)
        ratio = loop * len(fits) / cpu
        print(f"hierarchical, {method}: {cpu / len(fits):.4f} s each, a single fit {loop:.2f} s: {ratio:.0f}x")
        report(f"hierarchical, {method}", compare(fits, means, sds))


if __name__ == "__main__":
    main()
