"""Optimum of the mean-field and the full-rank family for every development model, by a route of its own.

The ELBO with 4,096 fixed draws (a scrambled Sobol sequence and its mirror image) is maximised by scipy's L-BFGS with
PyMC3's own compiled log density and NumPy arithmetic; nothing of the package's inference code takes part, except that
its fit is where the search begins.  A second, independent set of draws tells how much the optimum depends on them; the
mean of both is stored.

Usage: ``python -m benchmarks.development_optima [NAME ...]``
"""

import sys
import time

import pymc3_vi

import numpy as np
import theano
from scipy import linalg, optimize, special
from scipy.stats import qmc

from benchmarks.development_nuts import rounded, update_reference
from benchmarks.development_set import DEVELOPMENT_SET, build  # (imports pymc3_vi before PyMC3)

PAIRS, FIRST_PAIRS = 2048, 256
ROUNDS = 6
TOLERANCE = 1e-4


def fixed_draws(d, seed, pairs=PAIRS):
    """(2 * pairs, d) draws of a standard normal."""
    uniform = qmc.Sobol(d, scramble=True, seed=seed).random(pairs)
    half = special.ndtri(np.clip(uniform, 1e-12, 1 - 1e-12))
    # Exact second moments: Gaussian posteriors have no error at all.
    half = linalg.solve_triangular(linalg.cholesky(half.T.dot(half) / pairs, lower=True), half.T, lower=True).T
    return np.concatenate([half, -half])


class Density:
    """log p and its gradient at many points, on the flat unconstrained scale in model order."""

    def __init__(self, model):
        with theano.config.change_flags(compute_test_value="off"):
            self.function = model.logp_dlogp_function(model.free_RVs)
        self.function.set_extra_values({})
        start = model.test_point
        self.names = [v.name for v in model.free_RVs]
        self.start = np.concatenate([np.ravel(start[n]) for n in self.names])
        # PyMC3's order of the flat vector is its own; find it by marking every element with its number.
        marks, at = {}, 0
        for name in self.names:
            size = np.size(start[name])
            marks[name] = np.arange(at, at + size, dtype=float).reshape(np.shape(start[name]))
            at += size
        self.order = self.function.dict_to_array(marks).astype(int)

    def __call__(self, z):
        logp, grad = np.empty(len(z)), np.empty_like(z)
        with np.errstate(all="ignore"):
            for i, point in enumerate(z):
                logp[i], g = self.function(point[self.order])
                grad[i, self.order] = g
        return logp, grad


def _factor(entries, d):
    """Lower triangular matrix whose diagonal is given by its logarithms."""
    m = np.zeros((d, d))
    m[np.tril_indices(d)] = entries
    m[np.diag_indices(d)] = np.exp(np.diag(m))
    return m


def _objective(x, density, eps, mu0, root, scale0, full):
    """Negative ELBO and gradient in whitened coordinates: mu = mu0 + root a, and L = scale0 M or log sigma."""
    d = len(mu0)
    mu = mu0 + root.dot(x[:d])
    if full:
        rows = np.tril_indices(d)
        m = _factor(x[d:], d)
        diagonal = np.diag(m)
        logp, grad = density(mu + eps.dot((scale0.dot(m)).T))
        if not np.isfinite(logp).all():
            return 1e100, np.zeros_like(x)
        g_m = scale0.T.dot(grad.T.dot(eps) / len(eps))
        g_m[np.diag_indices(d)] = np.diag(g_m) * diagonal + 1
        value = logp.mean() + np.log(diagonal).sum() + np.log(np.diag(scale0)).sum()
        g_scale = g_m[rows]
    else:
        sigma = scale0 * np.exp(x[d:])
        logp, grad = density(mu + eps * sigma)
        if not np.isfinite(logp).all():
            return 1e100, np.zeros_like(x)
        value = logp.mean() + np.log(sigma).sum()
        g_scale = (grad * eps).mean(0) * sigma + 1
    g_mu = root.T.dot(grad.mean(0))
    value += 0.5 * d * (1 + np.log(2 * np.pi))
    return -value, -np.concatenate([g_mu, g_scale])


def _precision(density, mu, scale, eps, full):
    """E_q of the negative Hessian by Stein's identity, made positive definite."""
    draws = mu + (eps.dot(scale.T) if full else eps * scale)
    _, grad = density(draws)
    inner = -(grad.T.dot(eps) / len(eps))
    h = linalg.solve_triangular(scale.T, inner.T, lower=False).T if full else inner / scale
    h = (h + h.T) / 2
    spread = 1 / np.sqrt(np.maximum(np.abs(np.diag(h)), 1e-300))
    values, vectors = np.linalg.eigh(h * np.outer(spread, spread))
    values = np.maximum(np.abs(values), 1e-9)
    return (vectors * values).dot(vectors.T) / np.outer(spread, spread)


def solve(density, full, eps, mu, scale):
    """Maximise the fixed-draw ELBO; returns mean, scale (sigma or L), ELBO and the norm of the whitened gradient."""
    d = len(mu)
    for _ in range(ROUNDS):
        precision = _precision(density, mu, scale, eps, full)
        root = linalg.cholesky(linalg.inv(precision), lower=True)
        scale0 = linalg.cholesky(scale.dot(scale.T), lower=True) if full else scale
        x = np.zeros(d + (d * (d + 1) // 2 if full else d))
        done = optimize.minimize(
            _objective,
            x,
            (density, eps, mu, root, scale0, full),
            jac=True,
            method="L-BFGS-B",
            options={"maxcor": 30, "maxiter": 100, "ftol": 0, "gtol": TOLERANCE / 3, "maxls": 40},
        )
        value, slope = _objective(done.x, density, eps, mu, root, scale0, full)
        mu = mu + root.dot(done.x[:d])
        if full:
            scale = scale0.dot(_factor(done.x[d:], d))
        else:
            scale = scale * np.exp(done.x[d:])
        if np.abs(slope).max() < TOLERANCE:
            break
    return mu, scale, -value, np.abs(slope).max()


def run(name):
    """Solve for both families with two sets of draws each and store the first."""
    model = build(name)
    density = Density(model)
    for family, method in (("mean_field", "advi"), ("full_rank", "fullrank_advi")):
        begin = time.time()
        full = family == "full_rank"
        approx = pymc3_vi.fit(3000, method=method, model=model, random_seed=1, progressbar=False)
        mu, scale = approx.mean.eval(), approx.std.eval()
        if full:
            scale = np.linalg.cholesky(approx.cov.eval())
        d = len(mu)
        solutions = []
        for seed in (1, 2):
            if not solutions:  # few draws are enough to come close
                mu, scale, _, _ = solve(density, full, fixed_draws(d, seed, max(FIRST_PAIRS, 4 * d)), mu, scale)
            mu, scale, elbo, slope = solve(density, full, fixed_draws(d, seed), mu, scale)
            solutions.append((mu, np.sqrt((scale**2).sum(1)) if full else scale, elbo, slope))
        (m1, s1, e1, g1), (m2, s2, e2, _) = solutions
        shift, change = np.abs((m1 - m2) / s1).max(), np.abs(s1 / s2 - 1).max()
        print(
            f"{name} {family}: ELBO {e1:.4f} ({e2 - e1:+.1e}), draws shift means by {shift:.1e} sd, sds by "
            f"{change:.1e}; gradient {g1:.0e}; {time.time() - begin:.0f} s",
            flush=True,
        )
        if g1 > 1e-3:
            raise RuntimeError(f"{name} {family} did not converge; nothing was written.")
        update_reference(
            name,
            family,
            {
                "names": density.names,
                "mean": rounded((m1 + m2) / 2),
                "sd": rounded((s1 + s2) / 2),
                "elbo": float(f"{(e1 + e2) / 2:.7g}"),
                "draws": 4 * PAIRS,
                "shift_mean": float(f"{shift:.2g}"),
                "shift_sd": float(f"{change:.2g}"),
            },
        )


if __name__ == "__main__":
    for model_name in sys.argv[1:] or DEVELOPMENT_SET:
        try:
            run(model_name)
        except RuntimeError as error:
            print(error, flush=True)
