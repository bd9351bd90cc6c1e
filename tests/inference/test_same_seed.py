"""One seed, one result to the last bit in every process; `test_fit.py` has it for two fits in one."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pymc3_vi
from pymc3_vi.inference import METHODS

import numpy as np
import pymc3 as pm
import pytest

ROOT = Path(__file__).resolve().parents[2]
#: Order of sets and dicts of strings, and what memory holds that nobody has written to.
ENVIRONMENTS = [dict(PYTHONHASHSEED="0", MALLOC_PERTURB_="85"), dict(PYTHONHASHSEED="123", MALLOC_PERTURB_="170")]


def fingerprints():
    """Digest of the history, the parameters and the draws of each method."""
    with pymc3_vi.fast_build(), pm.Model() as model:
        w = pm.Normal("w", 0.0, 1.0, shape=2)
        pm.Normal("y", w.sum(), pm.HalfNormal("sd", 1.0), observed=np.arange(5.0))
    for method in METHODS.names():
        options = {"n_particles": 10} if method == "svgd" else {}
        approx = pymc3_vi.fit(40, method, model=model, random_seed=5, progressbar=False, inf_kwargs=options)
        arrays = [approx.hist] + [p.get_value() for p in approx.params] + [approx.sample(20)[v] for v in ("w", "sd")]
        digest = hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)).hexdigest()
        yield f"{method}:{digest}"


@pytest.mark.slow
def test_every_method_gives_the_same_history_parameters_and_draws_in_all_processes():
    command = "import pymc3_vi; from tests.inference.test_same_seed import fingerprints; print(*fingerprints())"
    found = [
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", command],
            env=dict(os.environ, PYTHONPATH=str(ROOT), **environment),
            cwd=ROOT,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout.split()
        for environment in ENVIRONMENTS
    ]
    assert [name.partition(":")[0] for name in found[0]] == METHODS.names()
    assert found[0] == found[1]
