"""Batches that are fitted elsewhere give the same results."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pymc3_vi
from pymc3_vi.errors import ConvergenceWarning, DataError
from pymc3_vi.many import _batches

import numpy as np
import pytest

from ..workers.models import DyingThreads
from .conftest import normal_model

QUIET = dict(random_seed=3, progressbar=False)
ROOT = Path(__file__).resolve().parents[2]
#: Environment of processes that import this folder.
HERE = dict(os.environ, PYTHONPATH=os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]))


def _data(rng):
    return [{"y": rng.normal(size=n)} for n in (2, 3, 4, 5, 2, 3)] + [{"y": np.zeros((2, 2))}]


def _equal(first, second):
    assert first.labels == second.labels and set(first.failed) == set(second.failed)
    for name, values in first.arrays.items():
        np.testing.assert_array_equal(second.arrays[name], values)


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch):
    monkeypatch.setattr(_batches, "LARGEST_BATCH", 2)


def test_an_executor(rng, tmp_path):
    data = _data(rng)
    here = pymc3_vi.fit_many(normal_model(), data, **QUIET)
    with ThreadPoolExecutor(2) as pool:
        there = pymc3_vi.fit_many(normal_model(), data, client=pool, path=tmp_path / "run", **QUIET)
    _equal(here, there)
    assert type(there.failed[6]) is DataError and there.compiled == 0
    _equal(here, pymc3_vi.fit_many(normal_model(), data, path=tmp_path / "run", **QUIET))


def test_workers_that_die_lose_nothing(rng):
    data = _data(rng)
    here = pymc3_vi.fit_many(normal_model(), data, **QUIET)
    with DyingThreads(1, tasks=1) as pool, pytest.warns(
        ConvergenceWarning, match="a process died.*fitted here"
    ) as caught:
        there = pymc3_vi.fit_many(normal_model(), data, client=pool, **QUIET)
    assert sum(w.category is ConvergenceWarning for w in caught) == 1
    _equal(here, there)


SCRIPT = """
import pymc3_vi, numpy as np
from pymc3_vi.many import _batches
from tests.many.conftest import normal_model

_batches.LARGEST_BATCH = 2

if __name__ == "__main__":
    data = {"y": [np.random.default_rng(k).normal(size=3 + k % 4) for k in range(12)]}
    fits = [pymc3_vi.fit_many(normal_model(), data, random_seed=1, progressbar=False, cores=n) for n in (1, 2)]
    assert fits[1].compiled == 0
    for name, values in fits[0].arrays.items():
        np.testing.assert_array_equal(values, fits[1].arrays[name])
    print("the same")
"""


@pytest.mark.slow
def test_processes(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, env=HERE)
    assert done.returncode == 0 and "the same" in done.stdout, done.stderr


KILLED = """
import sys, pymc3_vi, numpy as np
from pymc3_vi.many import _batches
from tests.many.conftest import normal_model

_batches.LARGEST_BATCH = 2

def data():
    for k in range(40):
        yield {"y": np.random.default_rng(k).normal(size=2 + k)}

pymc3_vi.fit_many(normal_model(), data(), random_seed=1, progressbar=False, path=sys.argv[1]).save(sys.argv[2])
"""


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on(tmp_path):
    """Killed as soon as some parts are there; the file of the whole run is the same to the last byte."""
    script = tmp_path / "script.py"
    script.write_text(KILLED)

    def started(name):
        return subprocess.Popen([sys.executable, script, tmp_path / name, tmp_path / f"{name}.npz"], env=HERE)

    assert started("whole").wait() == 0
    for parts in (1, 17):
        name = f"killed_{parts}"
        process = started(name)
        while process.poll() is None and len(list((tmp_path / name).glob("part-*"))) < parts:
            pass
        process.kill()
        process.wait()
        assert not (tmp_path / f"{name}.npz").exists()
        assert started(name).wait() == 0
        assert (tmp_path / f"{name}.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes()
