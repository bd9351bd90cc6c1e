"""Long NUTS runs over the models without a closed form, stored in ``tests/references/hard_<name>.json``.

The horseshoe is left to ``benchmarks/horseshoe_gibbs.py``: 2 % of its trajectories diverge.

The metric adapts in the warm-up, from that of a full-rank fit, which is wrong for the hardest of these models.

Usage: ``python -m benchmarks.sampled_nuts [NAME ...]``; without names all (ten minutes).
"""

import platform
import sys
import time

import pymc3_vi  # noqa: F401  (before PyMC3)
from pymc3_vi.compiler._cxx_modules import active_cxx
from pymc3_vi.compiler._function import EXACT_REWRITES, IslandLinker, default_mode_query

import numpy as np
import pymc3 as pm
import theano
from pymc3.step_methods.hmc import quadpotential
from theano.compile.mode import Mode

from benchmarks.development_nuts import (
    CHAINS,
    first_guess,
    pymc3_order,
    rounded,
    sample_chains,
    summarise,
    write_reference,
)
from benchmarks.sampled_models import SAMPLED_MODELS, build, reference_path, stored

TUNE, SEED = 700, 20210501
#: Draws of a chain and target acceptance; more, and more careful, where the posterior is harder.
DRAWS, TARGET_ACCEPT = 1200, 0.9
HARDER = {"gp_counts": (1500, 0.97), "stochastic_volatility": (1500, 0.98)}
#: What the worst value may have: Monte Carlo error of a mean in posterior sds, R-hat, share of divergent transitions.
LARGEST_MCSE, LARGEST_RHAT, MOST_DIVERGENT = 0.035, 1.01, 0.002


def run(name):
    """Sample model `name` and store the summary; raises RuntimeError when the run is not good enough."""
    begin = time.process_time()
    draws, target_accept = HARDER.get(name, (DRAWS, TARGET_ACCEPT))
    model = build(name)
    start, cov = first_guess(model)
    # PyMC3's own log p and gradient, in one C++ module: Theano's linker would compile one for each kind of node.
    mode = Mode(IslandLinker(active_cxx()), default_mode_query()).register(*EXACT_REWRITES)
    with theano.config.change_flags(cxx=""), model:
        order = pymc3_order(model, mode=mode)
        cov = cov[np.ix_(order, order)]
        potential = quadpotential.QuadPotentialFullAdapt(len(cov), np.zeros(len(cov)), cov, initial_weight=10)
        nuts = dict(target_accept=target_accept, potential=potential, mode=mode)
        trace = sample_chains(draws, TUNE, start, SEED, **nuts)
    free = [v.name for v in model.free_RVs]
    summary = {v: summarise(np.stack(trace.get_values(v, combine=False))) for v in free}
    mcse = max(np.max(s["mcse_mean"] / s["sd"]) for s in summary.values())
    rhat = max(np.max(s["rhat"]) for s in summary.values())
    divergent = float(np.mean(trace.get_sampler_stats("diverging")))
    print(
        f"{name}: {time.process_time() - begin:.0f} s of CPU, largest MCSE {mcse:.4f} sd, R-hat {rhat:.4f}, "
        f"divergent {divergent:.5f}, mean steps {np.mean(trace.get_sampler_stats('tree_size')):.0f}",
        flush=True,
    )
    if mcse > LARGEST_MCSE or rhat > LARGEST_RHAT or divergent > MOST_DIVERGENT:
        raise RuntimeError(f"The run of {name} is not good enough; nothing was written.")
    results = {v: {k: rounded(x, 6) for k, x in s.items()} for v, s in summary.items()}
    results["_run"] = {
        "sampler": "pymc3.sample (NUTS)",
        "pymc3": pm.__version__,
        "python": platform.python_version(),
        "chains": CHAINS,
        "tune": TUNE,
        "draws": draws,
        "target_accept": target_accept,
        "seed": SEED,
        "divergent": divergent,
        "logp_at_test_point": float(model.logp(model.test_point)),
    }
    write_reference(reference_path(name), dict(stored(name), nuts=results))


if __name__ == "__main__":
    for model_name in sys.argv[1:] or [name for name in SAMPLED_MODELS if name != "horseshoe"]:
        try:
            run(model_name)
        except RuntimeError as error:
            print(error, flush=True)
