"""What can go wrong with workers, in words."""

import pickle
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor

from pymc3_vi.errors import DataError, ParametrizationError, WorkerError
from pymc3_vi.workers import Crew, Gone, portable, unpacked

import pytest


class KilledWorker(Exception):
    """As Dask's."""


class CommClosedError(IOError):
    """As Dask's."""


@pytest.mark.parametrize(
    "error, told",
    [
        (KilledWorker("sums_of-1"), "Workers ended while they did the same task.*sums_of-1.*memory"),
        (ModuleNotFoundError("No module named 'pymc3_vi'"), "cannot import what it needs: No module.*Install"),
        (RuntimeError("Error during deserialization"), "cannot import what it needs: No module.*Install"),
    ],
)
def test_errors_of_the_setting_are_translated(error, told):
    if isinstance(error, RuntimeError):
        error.__cause__ = ModuleNotFoundError("No module named 'mine'")
    future = Future()
    future.set_exception(error)
    with ThreadPoolExecutor(1) as pool, pytest.raises(WorkerError, match=told):
        Crew(pool).outcome(future)


@pytest.mark.parametrize("error", [CancelledError(), CommClosedError("no answer"), ConnectionResetError("reset")])
def test_workers_that_are_gone_are_no_error(error):
    future = Future()
    future.set_exception(error)
    with ThreadPoolExecutor(1) as pool:
        assert isinstance(Crew(pool).outcome(future), Gone)


class _Cluster:
    """A client of Dask that never gets a worker."""

    status, asynchronous = "running", False

    def nthreads(self):
        return {}

    def scatter(self):
        """There, as Dask's."""

    def wait_for_workers(self, count, timeout):
        raise TimeoutError(f"Only 0/{count} workers arrived after {timeout}")


def test_clients_that_lead_nobody_are_told_of():
    with pytest.raises(WorkerError, match="has no workers after 60 seconds. Start some: dask worker"):
        Crew(_Cluster()).slots()
    for name, value, told in (("asynchronous", True, "is asynchronous"), ("status", "closed", "is closed")):
        client = _Cluster()
        setattr(client, name, value)
        with pytest.raises(WorkerError, match=told):
            Crew(client)


def test_errors_of_a_task_are_its_own():
    def fail():
        raise DataError("odd rows")

    with ThreadPoolExecutor(2) as pool:
        crew = Crew(pool)
        crew.give("a", fail)
        crew.give("b", int, "3")
        results = []
        for _ in range(2):
            try:
                results.append(crew.next())
            except DataError as error:
                results.append(str(error))
    assert sorted(map(str, results)) == ["('b', 3)", "odd rows"]
    crew.give("c", int, "4")
    assert isinstance(crew.next()[1], Gone)  # it is shut down


def test_what_cannot_travel_is_told():
    with pytest.raises(ParametrizationError, match="The model cannot be sent to other processes.*module"):
        portable((number for number in range(3)), "The model")
    assert unpacked(portable([1, 2], "A list")) == [1, 2]
    with pytest.raises(WorkerError, match="cannot be read by a worker.*nowhere.*same versions"):
        unpacked(pickle.dumps(1)[:2] + b"cnowhere\nthing\n.")
