"""Passes whose rows are read by the threads of an executor, one of the clients that there are."""

import os
from concurrent.futures import ThreadPoolExecutor

import pymc3_vi
from pymc3_vi.data import way_to
from pymc3_vi.data._columns import MappedColumn
from pymc3_vi.errors import ConvergenceWarning, DataError, ParameterTypeError, ParametrizationError, WorkerError

import numpy as np
import pymc3 as pm
import pytest

from .models import DyingThreads, logistic, rows_in_file

ROWS, K = 20_000, 2


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return rows_in_file(tmp_path_factory.mktemp("rows"), ROWS, K)


@pytest.fixture(scope="module")
def model(data):
    return logistic(*data)


@pytest.fixture(scope="module")
def here(model):
    return _fit(model)


def _fit(model, n=500, method="advi", **kwargs):
    return pymc3_vi.fit(n, method, model=model, random_seed=1, progressbar=False, **kwargs)


def _equal(one, other):
    for a, b in ((one.mean, other.mean), (one.std, other.std)):
        np.testing.assert_allclose(a.eval(), b.eval(), rtol=1e-12)
    np.testing.assert_allclose(one.hist, other.hist, rtol=1e-12)


def test_any_number_of_workers_gives_the_fit_without(model, here):
    found = []
    for count in (1, 2, 3):
        with ThreadPoolExecutor(count) as pool:
            found.append(_fit(model, client=pool))
        _equal(found[-1], here)
        np.testing.assert_array_equal(found[-1].mean.eval(), found[0].mean.eval())


def test_rows_in_memory_travel_and_changes_are_noticed(rng):
    """The mean of normal data in a minibatch, and once more with other data behind it and another noise."""
    y = rng.normal(3.0, 1.0, 9000)
    with pymc3_vi.fast_build(), pm.Model() as model:
        batch, noise = pm.Minibatch(y, 100), pm.Data("noise", 1.0)
        pm.Normal("y", pm.Normal("mu", 0.0, 1e3), noise, observed=batch, total_size=9000)
    inference = pymc3_vi.ADVI(model=model, random_seed=1)
    with ThreadPoolExecutor(2) as pool:
        for shift, sd in ((0.0, 1.0), (1.0, 1.0), (1.0, 2.0)):
            batch.shared.set_value(y + shift)
            with model:
                pm.set_data({"noise": sd})
            for _ in range(2):  # the second one from where the other data have led
                inference.fit(1000, progressbar=False, client=pool)
            error = sd / np.sqrt(9000)
            np.testing.assert_allclose(inference.approx.mean.eval(), y.mean() + shift, atol=0.02 * error)
            np.testing.assert_allclose(inference.approx.std.eval(), error, rtol=0.02)


def test_workers_that_die_lose_nothing(model, here):
    with DyingThreads(2, tasks=3) as pool, pytest.warns(ConvergenceWarning, match="a process died.*evaluated here"):
        found = _fit(model, client=pool)
    _equal(found, here)


def test_a_pass_that_was_saved_half_way_goes_on_anywhere(model, here, tmp_path):
    checkpoint = pymc3_vi.Checkpoint(every=1, path=tmp_path / "fit.npz")

    inference = pymc3_vi.ADVI(model=model, random_seed=1)

    def stop(approx, losses, i):
        total = inference.algorithm.total
        if total is not None and 0 < total.rows < ROWS:
            raise RuntimeError("killed")

    with ThreadPoolExecutor(4) as pool, pytest.raises(RuntimeError, match="killed"):
        inference.fit(500, progressbar=False, callbacks=[checkpoint, stop], client=pool)
    again = pymc3_vi.Inference.load(tmp_path / "fit.npz", model)
    again.resume(progressbar=False)
    _equal(again.approx, here)


def test_a_diagnosis_by_workers(data):
    """Of more rows than are evaluated at once: the verdict is the same, and nothing is left of the client."""
    x, y = data
    approx = _fit(logistic(np.tile(x, (2, 1)), np.tile(y, 2)))
    here = approx.diagnose(draws=200, random_seed=1)
    with ThreadPoolExecutor(2) as pool:
        there = approx.diagnose(draws=200, random_seed=2, client=pool)
        with pytest.raises(ParametrizationError, match="'client' parameter of diagnose .*leave 'client' out"):
            pymc3_vi.MeanField(model=logistic(np.array(x[:50]), y[:50])).diagnose(draws=100, client=pool)
    assert abs(here.elbo - there.elbo) < 4 * np.hypot(here.elbo_error, there.elbo_error)
    np.testing.assert_allclose(there.elbo, approx.diagnose(draws=200, random_seed=2).elbo, rtol=1e-10)


def test_what_workers_cannot_do_is_said(model, data):
    with pymc3_vi.fast_build(), pm.Model() as whole:
        pm.Normal("y", pm.Normal("mu", 0.0, 1.0), 1.0, observed=np.zeros(5))
    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(ParametrizationError, match="'client' parameter of fit .*reads no minibatches.*Leave"):
            _fit(whole, client=pool)
        with pytest.raises(ParameterTypeError, match="client together with algorithm='stochastic'"):
            _fit(model, client=pool, algorithm="stochastic")
        with pytest.raises(ParameterTypeError, match="client together with an optimizer"):
            _fit(model, client=pool, obj_optimizer=pymc3_vi.sgd)
    with pytest.raises(WorkerError, match="'client' is closed"):
        _fit(model, client=pool)
    with pytest.raises(TypeError, match="'client' parameter of fit must be a dask.distributed.Client or a concurrent"):
        _fit(model, client=5)


def test_files_that_are_not_the_same_are_refused(tmp_path):
    """Another file in the place of the one that this process has mapped, as on another machine."""
    x, y = rows_in_file(tmp_path, 9000, K)
    model, other = logistic(x, y), np.array(x)
    other[-1] += 1
    way = way_to(MappedColumn(x))
    np.testing.assert_array_equal(way.open().read(5, 10), x[5:10])
    for rows, told in ((x[:100], "too few"), (other, "other rows")):
        np.save(tmp_path / "other.npy", rows)
        os.replace(tmp_path / "other.npy", tmp_path / "x.npy")
        with ThreadPoolExecutor(1) as pool, pytest.raises(DataError, match=f"x.npy of the data .*{told}"):
            _fit(model, client=pool)
    (tmp_path / "x.npy").unlink()
    with pytest.raises(DataError, match="x.npy of the data does not exist for the worker on"):
        way.open()


def test_parts_of_a_file_are_found_again(tmp_path):
    rows_in_file(tmp_path, 100, 4)
    whole = np.load(tmp_path / "x.npy", mmap_mode="r")
    plain = np.memmap(tmp_path / "plain", "int16", "w+", offset=100, shape=(50, 3))
    plain[:] = np.arange(150).reshape(50, 3)
    plain.flush()
    for array in (whole, whole[10:], whole[::3], whole[:, 1:3], whole[5:, 2], plain, plain[20:, ::2]):
        column = way_to(MappedColumn(array)).open()
        assert isinstance(column, MappedColumn)
        np.testing.assert_array_equal(column.read(0, len(array)), array)
        np.testing.assert_array_equal(column.take(np.array([1, 3])), array[[1, 3]])
    for array in (whole[::-1], np.load(tmp_path / "x.npy", mmap_mode="c")):
        assert way_to(MappedColumn(array)) is None  # these rows travel
