"""Long NUTS runs over the development set, stored in ``tests/references/dev_<name>.json``.

The posterior of the conjugate model is known, and stored as it is; that of radon is made by
``benchmarks.radon_quadrature``.

Usage: ``python -m benchmarks.development_nuts [NAME ...]``; without names the whole set (about half an hour).
"""

import json
import platform
import sys
import time

import pymc3_vi

import arviz as az
import numpy as np
import pymc3 as pm
from pymc3.step_methods.hmc import quadpotential

from benchmarks.development_set import DEVELOPMENT_SET, build, reference_path, stored  # (imports pymc3_vi before PyMC3)

CHAINS, TUNE, DRAWS, TARGET_ACCEPT, SEED = 4, 1000, 4000, 0.9, 20210401
LARGEST_MCSE = 0.02  # of a mean, in posterior standard deviations
LARGEST_RHAT = 1.005


def _centered_schools():
    """Draws of the centered schools from the same posterior in offsets, where NUTS meets no funnel."""
    draws = _sample("eight_schools_noncentered", keep=("mu", "tau_log__", "tau", "offset"))
    theta = draws["mu"][..., None] + draws["tau"][..., None] * draws["offset"]
    return {"mu": draws["mu"], "tau_log__": draws["tau_log__"], "theta": theta, "tau": draws["tau"]}


def first_guess(model):
    """Dispersed starts and a metric, from a full-rank fit: they make the sampler fast, not its draws right."""
    approx = pymc3_vi.fit(2000, method="fullrank_advi", model=model, random_seed=SEED, progressbar=False)
    mean, cov = approx.mean.eval(), approx.cov.eval()
    random = np.random.RandomState(SEED)
    points = mean + 1.5 * random.multivariate_normal(np.zeros(len(mean)), cov, CHAINS)
    return [_as_point(model, z) for z in points], cov


def pymc3_order(model, **nuts):
    """Where in this package's flat vector the elements of PyMC3's are (d,), for a model context."""
    # Found by marking every element with its number.
    marks, at = {}, 0
    for v in model.free_RVs:
        marks[v.name] = at + np.arange(v.dsize, dtype=float).reshape(np.shape(model.test_point[v.name]))
        at += v.dsize
    return pm.NUTS(**nuts)._logp_dlogp_func.dict_to_array(marks).astype(int)


def _as_point(model, z):
    point, at = {}, 0
    for v in model.free_RVs:
        point[v.name] = z[at : at + v.dsize].reshape(np.shape(model.test_point[v.name]))
        at += v.dsize
    return point


def sample_chains(draws, tune, start, seed, **nuts):
    """Trace of `CHAINS` chains, for a model context; `nuts` are arguments of ``pm.NUTS``."""
    return pm.sample(
        draws,
        tune=tune,
        step=pm.NUTS(**nuts),
        start=start,
        chains=CHAINS,
        cores=1,
        random_seed=seed,
        return_inferencedata=False,
        progressbar=False,
        compute_convergence_checks=False,
    )


def _sample(name, keep=None):
    """Draws by variable name, (chains, draws, ...), on the unconstrained and on the original scale."""
    model = build(name)
    start, cov = first_guess(model)
    with model:
        order = pymc3_order(model)
        potential = quadpotential.QuadPotentialFull(cov[np.ix_(order, order)])
        trace = sample_chains(DRAWS, TUNE, start, SEED, target_accept=TARGET_ACCEPT, potential=potential)
    names = [v for v in trace.varnames if keep is None or v in keep]
    return {v: np.stack(trace.get_values(v, combine=False)) for v in names}


def _per_entry(statistic, draws, **kwargs):
    entries = draws.reshape(draws.shape[:2] + (-1,))
    values = [statistic(entries[..., k], **kwargs) for k in range(entries.shape[-1])]
    return np.array(values).reshape(draws.shape[2:])


def summarise(draws):
    """Mean, sd, their Monte Carlo errors and R-hat of one variable."""
    return {
        "mean": draws.mean(axis=(0, 1)),
        "sd": draws.std(axis=(0, 1), ddof=1),
        "mcse_mean": _per_entry(az.mcse, draws, method="mean"),
        "mcse_sd": _per_entry(az.mcse, draws, method="sd"),
        "rhat": _per_entry(az.rhat, draws),
    }


def rounded(value, digits=8):
    """Nested lists of floats with `digits` significant digits."""
    return np.vectorize(lambda x: float(f"{x:.{digits}g}"))(np.asarray(value, dtype=float)).tolist()


def update_reference(name, key, value):
    """Set one entry of a model's reference file."""
    write_reference(reference_path(name), dict(stored(name), **{key: value}))


def write_reference(path, results):
    """Write sections of named results, one line an entry."""
    lines = []
    for section in sorted(results):
        inner = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in results[section].items())
        lines.append(f" {json.dumps(section)}: {{\n{inner}\n }}")
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def _conjugate_normal():
    """Summary of the conjugate model in closed form."""
    y = build("conjugate_normal")["y"].observations
    precision = 1 / 10.0**2 + len(y) / 2.0**2
    return {"mu": {"mean": y.sum() / 2.0**2 / precision, "sd": precision**-0.5, "mcse_mean": 0.0, "mcse_sd": 0.0}}


def run(name):
    """Sample model `name` and store the summary; raises RuntimeError when the run is not good enough."""
    if name == "conjugate_normal":
        exact = {v: {k: rounded(x) for k, x in s.items()} for v, s in _conjugate_normal().items()}
        update_reference(name, "nuts", dict(exact, _run={"sampler": "closed form"}))
        return
    begin = time.time()
    draws = _centered_schools() if name == "eight_schools_centered" else _sample(name)
    summary = {v: summarise(d) for v, d in draws.items()}
    mcse = max(np.max(s["mcse_mean"] / s["sd"]) for s in summary.values())
    rhat = max(np.max(s["rhat"]) for s in summary.values())
    print(f"{name}: {time.time() - begin:.0f} s, largest MCSE {mcse:.4f} sd, R-hat {rhat:.4f}", flush=True)
    if mcse > LARGEST_MCSE or rhat > LARGEST_RHAT:
        raise RuntimeError(f"The run of {name} is not good enough; nothing was written. Raise DRAWS.")
    results = {v: {k: rounded(x) for k, x in s.items()} for v, s in summary.items()}
    model = build(name)
    results["_run"] = {
        "sampler": "pymc3.sample (NUTS)",
        "pymc3": pm.__version__,
        "python": platform.python_version(),
        "chains": CHAINS,
        "tune": TUNE,
        "draws": DRAWS,
        "target_accept": TARGET_ACCEPT,
        "seed": SEED,
        "logp_at_test_point": float(model.logp(model.test_point)),
    }
    update_reference(name, "nuts", results)


if __name__ == "__main__":
    for model_name in sys.argv[1:] or [name for name in DEVELOPMENT_SET if name != "radon"]:
        try:
            run(model_name)
        except RuntimeError as error:
            print(error, flush=True)
