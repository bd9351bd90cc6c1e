"""Long NUTS runs whose summaries are stored in tests/references/, to measure approximations against.

Usage: ``python scripts/make_references.py [NAME ...]``; without names all of `tests.example_models.EXAMPLES`.
"""

import json
import platform
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import pymc3_vi  # noqa: E402,F401  (before PyMC3)

import arviz as az  # noqa: E402
import numpy as np  # noqa: E402
import pymc3 as pm  # noqa: E402
import theano  # noqa: E402

from examples.references import REFERENCES  # noqa: E402
from tests.example_models import EXAMPLES  # noqa: E402

CHAINS, TUNE, TARGET_ACCEPT, SEED = 4, 2000, 0.95, 20210300
#: draws per chain: enough for a Monte Carlo error of the mean well below 0.02 posterior sd
DRAWS = {"beta_binomial": 25000, "hierarchical": 25000, "radon": 15000}
LARGEST_MCSE = 0.02
LARGEST_RHAT = 1.005

STATISTICS = {
    "mean": lambda draws: draws.mean(axis=(0, 1)),
    "sd": lambda draws: draws.std(axis=(0, 1), ddof=1),
    "q05": lambda draws: np.quantile(draws, 0.05, axis=(0, 1)),
    "q50": lambda draws: np.quantile(draws, 0.50, axis=(0, 1)),
    "q95": lambda draws: np.quantile(draws, 0.95, axis=(0, 1)),
    "mcse_mean": lambda draws: _each_entry(az.mcse, draws, method="mean"),
    "mcse_sd": lambda draws: _each_entry(az.mcse, draws, method="sd"),
    "ess_bulk": lambda draws: _each_entry(az.ess, draws, method="bulk"),
    "rhat": lambda draws: _each_entry(az.rhat, draws),
}


def _each_entry(statistic, draws, **kwargs):
    """`statistic` of every entry of a variable with draws of shape (chains, draws, ...)."""
    entries = draws.reshape(draws.shape[:2] + (-1,))
    values = [statistic(entries[..., k], **kwargs) for k in range(entries.shape[-1])]
    return np.array(values).reshape(draws.shape[2:])


def _rounded(values, digits=7):
    return np.vectorize(lambda x: float(f"{x:.{digits}g}"))(values).tolist()


def _write(stored, path):
    """Write `stored` as JSON with one line a statistic, so that a new run shows as a readable difference."""
    blocks = []
    for variable, statistics in stored["variables"].items():
        lines = ",\n".join(f'   "{key}": {json.dumps(value)}' for key, value in statistics.items())
        blocks.append(f'  "{variable}": {{\n{lines}\n  }}')
    head = {key: json.dumps(stored[key]) for key in ("run", "logp_at_test_point")}
    path.write_text(
        f'{{\n "run": {head["run"]},\n "logp_at_test_point": {head["logp_at_test_point"]},\n "variables": {{\n'
        + ",\n".join(blocks)
        + "\n }\n}\n"
    )


def make(name):
    """Sample example `name` and write its file; raises RuntimeError if the run is not good enough to keep."""
    with theano.config.change_flags(cxx=""):  # test values of the build are not worth a compiler
        model = EXAMPLES[name]()
    begin = time.time()
    with model:
        trace = pm.sample(
            DRAWS[name],
            tune=TUNE,
            chains=CHAINS,
            cores=1,
            target_accept=TARGET_ACCEPT,
            random_seed=SEED,
            return_inferencedata=True,
            idata_kwargs={"log_likelihood": False},
            progressbar=False,
        )
    variables = {
        variable: {key: statistic(draws.values) for key, statistic in STATISTICS.items()}
        for variable, draws in trace.posterior.items()
    }
    mcse = max(np.max(v["mcse_mean"] / v["sd"]) for v in variables.values())
    rhat = max(np.max(v["rhat"]) for v in variables.values())
    divergences = int(trace.sample_stats.diverging.sum())
    print(
        f"{name}: {time.time() - begin:.0f} s, largest MCSE(mean) {mcse:.4f} sd, R-hat {rhat:.4f}, "
        f"{divergences} divergences"
    )
    if mcse > LARGEST_MCSE or rhat > LARGEST_RHAT:
        raise RuntimeError(f"The run of {name} is not good enough; nothing was written. Raise its DRAWS.")

    start = model.test_point
    stored = {
        "run": {
            "sampler": "pymc3.sample (NUTS)",
            "pymc3": pm.__version__,
            "python": platform.python_version(),
            "chains": CHAINS,
            "tune": TUNE,
            "draws": DRAWS[name],
            "target_accept": TARGET_ACCEPT,
            "seed": SEED,
            "divergences": divergences,
        },
        # Tells a later reader whether the model and its data are still those that were sampled.
        "logp_at_test_point": float(model.logp(start)),
        "variables": {v: {key: _rounded(value) for key, value in s.items()} for v, s in variables.items()},
    }
    target = REFERENCES / f"{name}.json"
    _write(stored, target)
    print(f"{name}: written to {target.relative_to(ROOT)} ({target.stat().st_size} bytes)")


if __name__ == "__main__":
    for example in sys.argv[1:] or EXAMPLES:
        make(example)
