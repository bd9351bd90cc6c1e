"""Files of many rows, the models that read them, and the optimum of mean field by independent means."""

from pathlib import Path

import numpy as np

__all__ = ["KINDS", "build", "files", "optimum", "open_files"]

K, GROUPS = 20, 1000
KINDS = (
    "logistic",
    "linear",
    "logistic, shifted and scaled",
    "linear, shifted and scaled",
    "poisson",
    "logistic, 1,000 groups",
)
#: Rows that are in memory at a time.
BLOCK = 100_000
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(7)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


def files(folder, rows, kind, dtype):
    """Paths of predictors, responses and groups, which are made when they are not there."""
    stem = f"{kind.replace(', ', '_').replace(' ', '_').replace(',', '')}_{rows}_{dtype}"
    paths = [Path(folder) / f"{stem}.{name}.npy" for name in "xyg"]
    if paths[-1].exists():
        return paths
    rng = np.random.default_rng(0)
    b = (0.1 if kind == "poisson" else 0.3) * rng.normal(size=K)
    effects = 0.5 + 0.8 * rng.normal(size=GROUPS)
    scale, shift = (10.0 ** rng.uniform(-2, 2, K), 5.0) if "shifted" in kind else (np.ones(K), 0.0)
    x = np.lib.format.open_memmap(paths[0], "w+", dtype, (rows, K))
    y = np.lib.format.open_memmap(paths[1], "w+", dtype if "linear" in kind else "int8", (rows,))
    g = np.lib.format.open_memmap(str(paths[2]) + ".part", "w+", "int16", (rows,))
    for begin in range(0, rows, BLOCK):
        z = rng.standard_normal((min(BLOCK, rows - begin), K), dtype="float32").astype("float64")
        part = slice(begin, begin + len(z))
        x[part] = (z + shift) * scale
        g[part] = rng.integers(0, GROUPS, len(z))
        eta = z @ b + (effects[g[part]] if "groups" in kind else 0.0)
        if "linear" in kind:
            y[part] = eta + rng.normal(size=len(z))
        elif kind == "poisson":
            y[part] = rng.poisson(np.exp(eta))
        else:
            y[part] = eta + rng.logistic(size=len(z)) > 0
    for array in (x, y, g):
        array.flush()
    Path(str(paths[2]) + ".part").rename(paths[2])
    return paths


def open_files(paths):
    """Predictors, responses and groups, which stay on disk."""
    return [np.load(path, mmap_mode="r") for path in paths]


def build(pm, tt, columns, kind, rows):
    """The model of some `columns` (dict), in the surrounding context."""
    slopes = pm.Normal("b", 0, 10, shape=K)
    if "groups" in kind:
        effects = pm.Normal("effects", pm.Normal("m", 0, 5), pm.HalfNormal("s", 2), shape=GROUPS)
        level = effects[columns["g"]]
    else:
        level = pm.Normal("a", 0, 10)
    eta = level + tt.dot(columns["x"], slopes)
    if "linear" in kind:
        pm.Normal("y", eta, pm.HalfNormal("s", 5), observed=columns["y"], total_size=rows)
    elif kind == "poisson":
        pm.Poisson("y", tt.exp(eta), observed=columns["y"], total_size=rows)
    else:
        pm.Bernoulli("y", logit_p=eta, observed=columns["y"], total_size=rows)


def optimum(columns, kind):
    """Name -> (means, sds) of mean field at the optimum of the ELBO, on the unconstrained scale.

    Newton's method, with quadrature over the linear predictor.  More than 2,000,000 rows begin at the optimum of a
    hundredth of them, and need no quadrature.
    """
    solver = _Groups() if "groups" in kind else _Plain(kind)
    rows = len(columns[1])
    if rows > 2_000_000:
        solver.solve(columns, 100, 20)
    solver.solve(columns, 1, 20)
    return solver.named()


def _blocks(columns, thin):
    for begin in range(0, len(columns[1]), BLOCK * thin):
        x, y, g = (np.asarray(c[begin : begin + BLOCK]) for c in columns)
        yield x.astype("float64"), y.astype("float64"), g


def _logistic(eta, variance, y):
    """Expected slope and curvature (negative) in the linear predictor."""
    if np.max(variance) < 1e-4:
        p = 1 / (1 + np.exp(-eta))
        return y - p, p * (1 - p)
    p = [1 / (1 + np.exp(-(eta + np.sqrt(variance) * node))) for node in NODES]
    return y - sum(w * q for w, q in zip(WEIGHTS, p)), sum(w * q * (1 - q) for w, q in zip(WEIGHTS, p))


class _Plain:
    """Slopes and an intercept."""

    def __init__(self, kind):
        self.kind, self.noise = kind, 1.0
        self.mean, self.variance = np.zeros(K + 1), np.full(K + 1, 1e-6)

    def _terms(self, eta, spread, y):
        if "linear" in self.kind:
            return (y - eta) / self.noise, np.full(len(y), 1 / self.noise)
        if self.kind == "poisson":
            rate = np.exp(eta + spread / 2)
            return y - rate, rate
        return _logistic(eta, spread, y)

    def solve(self, columns, thin, iterations):
        for _ in range(iterations):
            slope, curvature, squares, count = -self.mean / 100, np.eye(K + 1) / 100, 0.0, 0
            for x, y, _ in _blocks(columns, thin):
                design = np.column_stack([x, np.ones(len(x))])
                eta = design @ self.mean
                first, second = self._terms(eta, design**2 @ self.variance, y)
                slope = slope + thin * (design.T @ first)
                curvature = curvature + thin * ((design * second[:, None]).T @ design)
                squares, count = squares + np.sum((y - eta) ** 2), count + len(y)
            step = np.linalg.solve(curvature, slope)
            self.mean, self.variance = self.mean + step, 1 / np.diag(curvature)
            before, self.noise = self.noise, squares / count
            steady = "linear" not in self.kind or abs(self.noise / before - 1) < 1e-3
            if steady and np.max(np.abs(step) / np.sqrt(self.variance)) < 1e-3:
                return

    def named(self):
        sd = np.sqrt(self.variance)
        return {"b": (self.mean[:K], sd[:K]), "a": (self.mean[K:], sd[K:])}


class _Groups:
    """Effects of groups, their mean, the logarithm of their spread, and slopes."""

    def __init__(self):
        self.mean, self.variance = np.zeros(GROUPS + 2 + K), np.full(GROUPS + 2 + K, 1e-3)

    def solve(self, columns, thin, iterations):
        effects, slopes, m, s = slice(GROUPS), slice(GROUPS + 2, None), GROUPS, GROUPS + 1
        diagonal = np.arange(GROUPS)
        for _ in range(iterations):
            mean, variance = self.mean, self.variance
            slope, curvature = np.zeros(len(mean)), np.zeros((len(mean), len(mean)))
            for x, y, g in _blocks(columns, thin):
                spread = variance[effects][g] + x**2 @ variance[slopes]
                first, second = _logistic(mean[effects][g] + x @ mean[slopes], spread, y)
                slope[effects] += thin * np.bincount(g, first, GROUPS)
                slope[slopes] += thin * (x.T @ first)
                curvature[diagonal, diagonal] += thin * np.bincount(g, second, GROUPS)
                both = np.stack([np.bincount(g, second * column, GROUPS) for column in x.T], axis=1)
                curvature[effects, slopes] += thin * both
                curvature[slopes, effects] += thin * both.T
                curvature[slopes, slopes] += thin * ((x * second[:, None]).T @ x)
            # Expected precision of the effects, and expected variance under their half-normal prior.
            precision = np.exp(-2 * mean[s] + 2 * variance[s])
            scaled = np.exp(2 * mean[s] + 2 * variance[s]) / 4
            away = mean[effects] - mean[m]
            slope[effects] -= precision * away
            slope[m] += precision * away.sum() - mean[m] / 25
            squares = np.sum(away**2 + variance[effects] + variance[m])
            slope[s] += 1 - GROUPS + precision * squares - scaled
            slope[slopes] -= mean[slopes] / 100
            curvature[diagonal, diagonal] += precision
            curvature[effects, m] -= precision
            curvature[m, effects] -= precision
            curvature[m, m] += GROUPS * precision + 1 / 25
            curvature[effects, s] -= 2 * precision * away
            curvature[s, effects] -= 2 * precision * away
            curvature[m, s] = curvature[s, m] = 2 * precision * away.sum()
            curvature[s, s] += 2 * precision * squares + 2 * scaled
            curvature[slopes, slopes] += np.eye(K) / 100
            step = np.linalg.solve(curvature, slope)
            self.mean, self.variance = mean + step * min(1.0, 1.0 / np.max(np.abs(step))), 1 / np.diag(curvature)
            if np.max(np.abs(step) / np.sqrt(self.variance)) < 1e-3:
                return

    def named(self):
        parts = {"effects": slice(GROUPS), "m": [GROUPS], "s_log__": [GROUPS + 1], "b": slice(GROUPS + 2, None)}
        return {name: (self.mean[part], np.sqrt(self.variance[part])) for name, part in parts.items()}
