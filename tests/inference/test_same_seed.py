"""One seed, one result in every process; `test_fit.py` has it for two fits in one."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pymc3_vi

import numpy as np
import pymc3 as pm
import pytest

ROOT = Path(__file__).resolve().parents[2]
METHODS = ["advi", "svgd"]


def fingerprints():
    """Digest of the history, the parameters and the draws of each method."""
    with pymc3_vi.fast_build(), pm.Model() as model:
        w = pm.Normal("w", 0.0, 1.0, shape=2)
        pm.Normal("y", w.sum(), pm.HalfNormal("sd", 1.0), observed=np.arange(5.0))
    for method in METHODS:
        approx = pymc3_vi.fit(60, method=method, model=model, random_seed=5, progressbar=False)
        arrays = [approx.hist] + [p.get_value() for p in approx.params] + [approx.sample(20)[v] for v in ("w", "sd")]
        yield hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)).hexdigest()


@pytest.mark.slow
def test_same_history_parameters_and_draws_in_two_processes():
    first = list(fingerprints())
    environment = dict(os.environ, PYTHONHASHSEED="123", PYTHONPATH=str(ROOT))
    command = "import pymc3_vi; from tests.inference.test_same_seed import fingerprints; print(*fingerprints())"
    out = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", command],
        env=environment,
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert out.stdout.split() == first
