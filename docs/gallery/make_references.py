"""The runs of NUTS that the notebooks are compared with: ``make gallery-references``, or with names of notebooks.

Runs a notebook's cells up to the first fit, samples its ``model`` and stores means and standard deviations of the
variables that the notebook's header names, in ``references/NAME.json``.  A notebook whose header names none is compared
with the run of the same name in ``tests/references/``.
"""

import json
import os
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[2])]

import matplotlib  # noqa: E402

matplotlib.use("Agg")

import pymc3_vi  # noqa: E402

import arviz as az  # noqa: E402
import numpy as np  # noqa: E402
import pymc3 as pm  # noqa: E402
from cells import FOLDER, code, header, names, page  # noqa: E402
from nuts import REFERENCES  # noqa: E402


def model_of(text):
    """Names that the notebook's cells define before the first fit."""
    namespace = {"__name__": "notebook"}
    for source in code(text):
        if ".fit(" in source:
            break
        exec(source, namespace)  # noqa: S102
    pymc3_vi.uninstall()
    return namespace


def sample(name):
    """Run NUTS for one notebook and store its summary."""
    options = dict(header(page(name))["nuts"])
    variables = options.pop("variables")
    namespace = model_of(page(name))
    settings = dict(chains=2, draws=1000, tune=500, target_accept=0.9)
    settings.update(options)
    with namespace["model"]:
        trace = pm.sample(
            cores=2, random_seed=1, progressbar=False, return_inferencedata=False,
            compute_convergence_checks=False, **settings,
        )  # fmt: skip
    stored, worst = {}, 0.0
    for variable in variables:
        chains = np.asarray(trace.get_values(variable, combine=False))
        worst = max(worst, *(float(az.rhat(chains[(..., *i)])) for i in np.ndindex(chains.shape[2:])))
        values = chains.reshape((-1, *chains.shape[2:]))
        stored[variable] = {"mean": _digits(values.mean(axis=0)), "sd": _digits(values.std(axis=0))}
    run = {**settings, "largest_rhat": round(worst, 4), "divergences": int(trace["diverging"].sum())}
    text = json.dumps({"run": run, "variables": stored}) + "\n"
    (REFERENCES / f"{name}.json").write_text(text, encoding="utf-8")
    print(f"{name}: {run}", flush=True)


def _digits(values):
    return np.vectorize(lambda value: float(f"{value:.5g}"))(values).tolist()


if __name__ == "__main__":
    os.chdir(FOLDER)
    REFERENCES.mkdir(exist_ok=True)
    for wanted in sys.argv[1:] or names():
        if "nuts" in header(page(wanted)):
            sample(wanted)
