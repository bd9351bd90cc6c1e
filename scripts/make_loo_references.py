"""Leave-one-out scores of NUTS runs, stored in tests/references/loo.json to measure approximations against.

Usage: ``python scripts/make_loo_references.py``.  Apart from ``make_references.py``, whose long runs need no
log-likelihoods: scores settle with far fewer draws than means of the parameters.
"""

import json
import platform
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import pymc3_vi  # noqa: E402,F401  (before PyMC3)

import arviz as az  # noqa: E402
import pymc3 as pm  # noqa: E402
import theano  # noqa: E402

from examples.references import REFERENCES  # noqa: E402
from tests.example_models import EXAMPLES  # noqa: E402

MODELS = ["radon"]
CHAINS, TUNE, DRAWS, TARGET_ACCEPT, SEED = 4, 1000, 1000, 0.9, 20210300


def score(name):
    """Dict with the score, its standard error and what tells how far it can be trusted."""
    with theano.config.change_flags(cxx=""):  # test values of the build are not worth a compiler
        model = EXAMPLES[name]()
    with model:
        idata = pm.sample(
            DRAWS,
            tune=TUNE,
            chains=CHAINS,
            cores=1,
            target_accept=TARGET_ACCEPT,
            random_seed=SEED,
            return_inferencedata=True,
            progressbar=False,
        )
    found = az.loo(idata, pointwise=True)
    rhat = max(float(values.max()) for values in az.rhat(idata).values())
    return {
        "elpd_loo": round(float(found.iloc[0]), 3),
        "se": round(float(found.iloc[1]), 3),
        "p_loo": round(float(found["p_loo"]), 3),
        "largest_khat": round(float(found["pareto_k"].values.max()), 3),
        "rhat": round(rhat, 4),
        "draws": CHAINS * DRAWS,
        "tune": TUNE,
        "target_accept": TARGET_ACCEPT,
        "seed": SEED,
        "pymc3": pm.__version__,
        "arviz": az.__version__,
        "python": platform.python_version(),
    }


if __name__ == "__main__":
    scores = {name: score(name) for name in MODELS}
    (REFERENCES / "loo.json").write_text(json.dumps(scores, indent=1) + "\n")
    print(json.dumps(scores, indent=1))
