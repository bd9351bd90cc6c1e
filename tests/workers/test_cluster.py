"""Clusters of Dask: worker processes on this machine, led by Dask itself or started by command."""

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pymc3_vi
from pymc3_vi.errors import DataError, WorkerError

import numpy as np
import pytest

from ..many.conftest import normal_model
from .models import logistic, rows_in_file

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
#: Environment of workers, which import the package and this folder.
HERE = dict(os.environ, PYTHONPATH=os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]))
#: Seconds that workers are given to begin.
PATIENCE = 120
QUIET = dict(random_seed=1, progressbar=False)


@pytest.fixture(scope="module")
def client():
    """Of a cluster that has one worker at first."""
    options = dict(threads_per_worker=1, processes=True, dashboard_address=None)
    cluster = distributed.LocalCluster(n_workers=1, **options)
    with distributed.Client(cluster) as client:
        yield client
    with contextlib.suppress(KeyError):  # Dask's own note of workers may lack one that a test has killed
        cluster.close()


def _workers(client, count):
    client.cluster.scale(count)
    client.wait_for_workers(count, timeout=PATIENCE)


def _equal(one, other):
    for a, b in ((one.mean, other.mean), (one.std, other.std)):
        np.testing.assert_allclose(a.eval(), b.eval(), rtol=1e-12)
    np.testing.assert_allclose(one.hist, other.hist, rtol=1e-12)


def test_the_number_of_workers_does_not_matter(client, tmp_path):
    model = logistic(*rows_in_file(tmp_path, 200_000, 20))
    here = pymc3_vi.fit(2000, model=model, **QUIET)
    found = []
    for count in (1, 2, 4):
        _workers(client, count)
        found.append(pymc3_vi.fit(2000, model=model, client=client, **QUIET))
        _equal(found[-1], here)
        np.testing.assert_array_equal(found[-1].mean.eval(), found[0].mean.eval())


def test_starts_are_climbed_by_the_workers(client):
    _workers(client, 2)
    found = [
        pymc3_vi.fit(50, model=normal_model(), starts=4, **QUIET, **options).starts
        for options in ({}, {"client": client})
    ]
    for one, other in zip(*found):
        assert one.origin == other.origin and abs(one.elbo - other.elbo) < 1e-9


def test_a_worker_that_is_killed_amid_a_pass_changes_nothing(client, tmp_path):
    """The first worker that reads rows kills itself by SIGKILL, in two fits one after the other."""
    model = logistic(*rows_in_file(tmp_path, 20_000, 2), deadly=tmp_path)
    here = pymc3_vi.fit(500, model=model, **QUIET)
    for _ in range(2):
        (tmp_path / "kill").touch()
        found = pymc3_vi.fit(500, model=model, client=client, **QUIET)
        assert not (tmp_path / "kill").exists()
        _equal(found, here)


def _many(client):
    data = [{"y": np.random.default_rng(k).normal(size=2 + k % 3)} for k in range(5)] + [{"y": np.zeros((2, 2))}]
    here, there = (pymc3_vi.fit_many(normal_model(), data, client=c, **QUIET) for c in (None, client))
    assert type(there.failed[5]) is DataError and there.compiled == 0
    for name, values in here.arrays.items():
        np.testing.assert_array_equal(there.arrays[name], values)


@contextlib.contextmanager
def _started(*command, env=HERE):
    """Context of a process that is ended with it."""
    process = subprocess.Popen([sys.executable, "-m", "dask", *map(str, command)], env=env)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def test_a_scheduler_and_two_workers_by_command(tmp_path):
    """The scheduler needs no package of ours, and a worker that cannot import it is told of."""
    file, without = tmp_path / "scheduler.json", tmp_path / "without"
    without.mkdir()
    (without / "sitecustomize.py").write_text("import sys\nsys.modules['pymc3_vi'] = None\n")
    where = ["--scheduler-file", file, "--no-dashboard"]
    worker = ["worker", *where, "--nthreads", 1, "--no-nanny", "--local-directory", tmp_path]
    bare = dict(os.environ, PYTHONPATH=os.pathsep.join([str(without), *HERE["PYTHONPATH"].split(os.pathsep)]))
    model = logistic(*rows_in_file(tmp_path, 20_000, 2))
    here = pymc3_vi.fit(500, model=model, **QUIET)
    with _started("scheduler", "--host", "127.0.0.1", "--port", 0, *where, env=bare) as scheduler:
        end = time.monotonic() + PATIENCE
        while not file.exists():  # it is written when the port is known
            assert scheduler.poll() is None and time.monotonic() < end
            time.sleep(0.05)
        with distributed.Client(scheduler_file=str(file), timeout=PATIENCE) as client:
            with _started(*worker, env=bare):
                client.wait_for_workers(1, timeout=PATIENCE)
                for fit in (lambda: pymc3_vi.fit(500, model=model, client=client, **QUIET), lambda: _many(client)):
                    with pytest.raises(WorkerError, match="A worker cannot import what it needs: .*pymc3_vi.*Install"):
                        fit()
            while client.nthreads():
                assert time.monotonic() < end + PATIENCE
                time.sleep(0.05)
            with _started(*worker), _started(*worker):
                client.wait_for_workers(2, timeout=PATIENCE)
                _equal(pymc3_vi.fit(500, model=model, client=client, **QUIET), here)
                _many(client)
        with pytest.raises(WorkerError, match="'client' is closed"):
            pymc3_vi.fit(500, model=model, client=client, **QUIET)
