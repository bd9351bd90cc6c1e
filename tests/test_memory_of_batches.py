"""Fits of many draws or particles stay within the documented budget of memory."""

import subprocess
import sys

import pymc3_vi
from pymc3_vi.compiler.vectorize import SlicedGraph, _budget
from pymc3_vi.core import draws_at_once

import numpy as np
import pytest
import theano

from tests.zoo import ZOO

#: Prints the peak of the resident set of the process in bytes. The kernel's own count of it begins anew with a program;
#: `ru_maxrss` does not: it is at least what the process held that started this one, the whole run of tests.
_FIT = """
import pymc3_vi
from tests.zoo import ZOO
with ZOO["gp_latent"](n=100):
    svgd = pymc3_vi.SVGD(n_particles=1000, jitter=0.1, random_seed=1)
    svgd.fit(1, progressbar=False, obj_optimizer=pymc3_vi.sgd(learning_rate=1e-6))
print(next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/status")
def test_a_thousand_particles_take_no_more_than_the_budget_and_the_imports():
    """403 MiB; in one piece, without slices, 1,124 MiB: a covariance of 100 points for each particle, several times."""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", _FIT], stdout=subprocess.PIPE, check=True, text=True)
    assert int(done.stdout.split()[-1]) < 700 * 2**20


def _nodes(step):
    return [node.op for node in step.function.maker.fgraph.toposort()]


@pytest.fixture
def small_budget(monkeypatch):
    monkeypatch.setattr(_budget, "BATCH_BUDGET_BYTES", 60_000)


def _fit(method, model, **keywords):
    with model:
        inference = method(random_seed=3)
        inference.fit(5, progressbar=False, obj_optimizer=pymc3_vi.sgd(learning_rate=1e-3), **keywords)
    sliced = [op for op in _nodes(inference.algorithm.compiled) if isinstance(op, SlicedGraph)]
    return inference.approx, sliced


def _svgd(random_seed):
    return pymc3_vi.SVGD(n_particles=40, jitter=0.1, random_seed=random_seed)


@pytest.mark.parametrize("method, keywords", [(pymc3_vi.ADVI, {"obj_n_mc": 40}), (_svgd, {})])
def test_fits_in_slices_are_those_in_one_piece(method, keywords, small_budget, monkeypatch):
    model = ZOO["logistic"](n=40, d=3)
    in_slices, sliced = _fit(method, model, **keywords)
    monkeypatch.undo()
    in_one, whole = _fit(method, model, **keywords)
    assert len(sliced) == 1 and sliced[0].rows < 40 and not whole
    assert in_slices.hist.shape == in_one.hist.shape
    np.testing.assert_allclose(in_slices.hist, in_one.hist, rtol=1e-10)
    for a, b in zip(in_slices.params, in_one.params):
        np.testing.assert_allclose(a.get_value(), b.get_value(), rtol=1e-9, atol=1e-12)


def test_draws_are_made_in_several_calls_above_the_budget(small_budget):
    model = ZOO["gp_latent"](n=20)
    with model, pymc3_vi.fast_build():
        approx = pymc3_vi.MeanField(random_seed=1)
    # The covariance of 20 points takes 400 numbers, more than all variables together.
    node = model["f"]
    assert 1 <= draws_at_once(approx, [node], 1000) < 60_000 / (400 * 8)
    assert approx.draws_per_call(1000, [node]) == draws_at_once(approx, [node], 1000)


def test_the_estimate_takes_nothing_from_a_stream():
    import pymc3 as pm

    taken = []

    def stream():
        while True:
            taken.append(len(taken))
            yield np.full(5, float(len(taken)))

    with theano.config.change_flags(cxx=""), pm.Model():
        mu = pm.Normal("mu", 0, 1)
        pm.Normal("y", mu, 1, observed=pm.generator(stream()), total_size=100)
        approx = pymc3_vi.MeanField(random_seed=1)
        before = len(taken)
        assert draws_at_once(approx, [approx.view.datalogp()], 100) == 100
    assert len(taken) == before
