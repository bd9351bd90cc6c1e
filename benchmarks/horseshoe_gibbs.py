"""Exact draws of the horseshoe regression by Gibbs sampling, stored in ``tests/references/hard_horseshoe.json``.

NUTS leaves the model's funnels out (2 % of its trajectories diverge at an acceptance of 0.99); every conditional of a
Gibbs sampler is known but for that of sigma, which a Metropolis step makes right.

Usage: ``python -m benchmarks.horseshoe_gibbs`` (half a minute).

References
----------
Makalic, Schmidt: A Simple Sampler for the Horseshoe Estimator, IEEE Signal Processing Letters 23(1), 2016: half-Cauchy
scales as mixtures of inverse gamma distributions.
"""

import pymc3_vi  # noqa: F401  (before PyMC3)

import numpy as np
import theano

from benchmarks.development_nuts import rounded, summarise, write_reference
from benchmarks.sampled_models import HORSESHOE_PRIORS, build, horseshoe_data, reference_path, stored

CHAINS, TUNE, DRAWS, SEED = 100, 1_000, 5_000, 20210501
#: What the worst value may have: Monte Carlo error of a mean in posterior sds, and R-hat of chains.
LARGEST_MCSE, LARGEST_RHAT = 0.02, 1.01


def inverse_gamma(random, shape, scale):
    """Draws with density proportional to x^(-shape - 1) exp(-scale / x)."""
    return scale / random.gamma(shape, size=np.shape(scale))


def sample():
    """Draws (chains, draws, ...) on the unconstrained scale, by name of the variable."""
    x, y = horseshoe_data()
    n, p = x.shape
    widest_tau, widest_sigma = HORSESHOE_PRIORS
    random = np.random.RandomState(SEED)
    square, cross = x.T.dot(x), x.T.dot(y)
    # tau2 and local2 are squares; nu and xi what they are mixed over.
    sigma2, tau2, local2 = np.ones(CHAINS), np.full(CHAINS, 0.04), np.ones((CHAINS, p))
    kept = {name: [] for name in ("tau_log__", "local_log__", "z", "sigma_log__")}
    for t in range(TUNE + DRAWS):
        precision = square / sigma2[:, None, None] + np.eye(p) / (local2 * tau2[:, None])[:, None, :]
        root = np.linalg.cholesky(precision)
        noise = random.normal(size=(CHAINS, p, 1))
        mean = np.linalg.solve(precision, (cross / sigma2[:, None])[..., None])
        beta = (mean + np.linalg.solve(np.swapaxes(root, 1, 2), noise))[..., 0]
        nu = inverse_gamma(random, 1.0, 1 + 1 / local2)
        local2 = inverse_gamma(random, 1.0, 1 / nu + beta**2 / (2 * tau2[:, None]))
        xi = inverse_gamma(random, 1.0, 1 / widest_tau**2 + 1 / tau2)
        tau2 = inverse_gamma(random, (p + 1) / 2, 1 / xi + np.sum(beta**2 / local2, axis=1) / 2)
        # Without the factor exp(-sigma2 / (2 widest^2)) of its half-normal prior sigma2 would be inverse gamma.
        proposal = inverse_gamma(random, (n - 1) / 2, np.sum((y - beta.dot(x.T)) ** 2, axis=1) / 2)
        accept = np.log(random.uniform(size=CHAINS)) < (sigma2 - proposal) / (2 * widest_sigma**2)
        sigma2 = np.where(accept, proposal, sigma2)
        if t >= TUNE:
            scale = np.sqrt(local2 * tau2[:, None])
            values = 0.5 * np.log(tau2), 0.5 * np.log(local2), beta / scale, 0.5 * np.log(sigma2)
            for name, value in zip(kept, values):
                kept[name].append(value)
    return {name: np.stack(values, axis=1) for name, values in kept.items()}


def main():
    draws = sample()
    summary = {name: summarise(value) for name, value in draws.items()}
    mcse = max(np.max(s["mcse_mean"] / s["sd"]) for s in summary.values())
    rhat = max(np.max(s["rhat"]) for s in summary.values())
    print(f"horseshoe: largest MCSE {mcse:.4f} sd, R-hat {rhat:.4f}")
    if mcse > LARGEST_MCSE or rhat > LARGEST_RHAT:
        raise RuntimeError("The run is not good enough; nothing was written.")
    results = {v: {k: rounded(x, 6) for k, x in s.items()} for v, s in summary.items()}
    model = build("horseshoe")
    with theano.config.change_flags(cxx="", mode="FAST_COMPILE"):
        logp = sum(float(model.fn(v.logpt)(model.test_point)) for v in model.basic_RVs)
    results["_run"] = dict(sampler="Gibbs", chains=CHAINS, tune=TUNE, draws=DRAWS, seed=SEED, logp_at_test_point=logp)
    write_reference(reference_path("horseshoe"), dict(stored("horseshoe"), nuts=results))


if __name__ == "__main__":
    main()
