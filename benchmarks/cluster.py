"""Passes over rows on Dask workers: seconds, bytes, and kills; what ``docs/cluster.md`` says.

``python -m benchmarks.cluster`` makes the data (1e7 x 20 of float32, 800 MB, in a temporary folder), fits a logistic
regression here and on clusters of 1, 2 and 4 worker processes, measures bytes a pass at 20 and 1,000 values, and kills
workers in the middle of passes.  ``--rows`` and ``--kills`` make it shorter.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pymc3_vi
from pymc3_vi.diagnostics import RowDensity, SpreadRows
from pymc3_vi.diagnostics._spread_rows import TreeSum
from pymc3_vi.model import row_model

import distributed
import numpy as np
import pymc3 as pm
import theano.tensor as tt
from distributed.comm import tcp

#: Fits of which the median is told.
REPEATS = 3


def data(folder, rows, k, seed=1, block=500_000):
    """Predictors (rows, k) in a file, and responses in memory."""
    rng = np.random.default_rng(seed)
    path = folder / f"x-{rows}-{k}.npy"
    weights = rng.normal(size=k) / np.sqrt(k)
    x = np.lib.format.open_memmap(path, "w+", "float32", (rows, k))
    y = np.lib.format.open_memmap(folder / f"y-{rows}-{k}.npy", "w+", "int8", (rows,))
    for begin in range(0, rows, block):
        part = rng.standard_normal((min(block, rows - begin), k), dtype="float32")
        x[begin : begin + block] = part
        y[begin : begin + block] = rng.random(len(part)) < 1 / (1 + np.exp(-part.dot(weights) - 0.3))
    x.flush(), y.flush()
    return [np.load(folder / f"{name}-{rows}-{k}.npy", mmap_mode="r") for name in "xy"]


def model(x, y):
    """Logistic regression."""
    loader = pymc3_vi.DataLoader({"x": x, "y": y}, batch_size=500, seed=1)
    with pymc3_vi.fast_build(), pm.Model() as found:
        b, a = pm.Normal("b", 0, 10, shape=x.shape[1]), pm.Normal("a", 0, 10)
        pm.Bernoulli("y", logit_p=tt.dot(loader["x"], b) + a, observed=loader["y"], total_size=len(loader))
    return found


class Traffic:
    """Bytes that the connections of this process have sent and received over TCP, while it is a context."""

    def __enter__(self):
        self.sent = self.received = 0
        self._write, self._read = tcp.TCP.write, tcp.read_bytes_rw

        async def write(comm, *args, **kwargs):
            count = await self._write(comm, *args, **kwargs)
            self.sent += count
            return count

        async def read(stream, count):
            self.received += count
            return await self._read(stream, count)

        tcp.TCP.write, tcp.read_bytes_rw = write, read
        return self

    def __exit__(self, *error):
        tcp.TCP.write, tcp.read_bytes_rw = self._write, self._read


@contextlib.contextmanager
def cluster(workers):
    """Context of a client with so many worker processes of one thread; the scheduler is a process of its own, too."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as started:
        file = Path(folder) / "scheduler.json"
        where = ["--scheduler-file", str(file), "--no-dashboard"]
        worker = ["worker", *where, "--nthreads", "1", "--nworkers", str(workers), "--local-directory", folder]
        for command in (["scheduler", "--host", "127.0.0.1", "--port", "0", *where], worker):
            process = subprocess.Popen([sys.executable, "-m", "dask", *command], stderr=subprocess.DEVNULL)
            started.callback(process.wait)
            started.callback(process.terminate)
            while not file.exists():
                time.sleep(0.1)
        with distributed.Client(scheduler_file=str(file)) as client:
            client.wait_for_workers(workers)
            yield client


def fitted(found, client=None, method="advi"):
    """Approximation and passes of a fit."""
    inference = {"advi": pymc3_vi.ADVI, "fullrank_advi": pymc3_vi.FullRankADVI}[method](model=found, random_seed=1)
    inference.fit(100_000, progressbar=False, client=client)
    return inference.approx, inference.algorithm.passes


def compare(here, other):
    """Largest difference of means and sds, in sds."""
    sd = here.std.eval()
    return max(
        np.max(np.abs(here.mean.eval() - other.mean.eval()) / sd),
        np.max(np.abs(here.std.eval() - other.std.eval()) / sd),
    )


def speed(folder, rows):
    """Seconds of fits by 1, 2 and 4 workers: of the clock, and of the processor on the longest way through a fit."""
    found = model(*data(folder, rows, 20))
    begin, used = time.perf_counter(), time.process_time()
    here, passes = fitted(found)
    clock, used = time.perf_counter() - begin, time.process_time() - used
    print(f"here: {passes} passes, {clock:.1f} s, {used:.1f} CPU s; load {os.getloadavg()[0]:.1f}", flush=True)
    ways = {}
    for workers in (1, 2, 4):
        with cluster(workers) as client:
            fitted(found, client)  # compiles
            results = []
            for _ in range(REPEATS):
                begin, used, there = time.perf_counter(), time.process_time(), client.run(time.process_time)
                with Clock() as clock:
                    approx, passes = fitted(found, client)
                spent = [after - there[who] for who, after in client.run(time.process_time).items()]
                results.append((time.perf_counter() - begin, clock.seconds, time.process_time() - used, max(spent)))
            whole, alone, own, most = np.median(results, axis=0)
            ways[workers] = own + most
            print(
                f"{workers} workers: {passes} passes, fit {whole:.1f} s, of which passes {alone:.1f} s; CPU s of the "
                f"session {own:.1f}, of the busiest worker {most:.1f}: {ways[1] / ways[workers]:.2f}x one worker; "
                f"off {compare(here, approx):.1g} sd; load {os.getloadavg()[0]:.1f}",
                flush=True,
            )


class Clock:
    """Seconds that were spent in passes on workers, while it is a context."""

    def __enter__(self):
        self.seconds = 0.0
        self._advance = TreeSum.advance

        def advance(total, rows):
            begin = time.perf_counter()
            try:
                return self._advance(total, rows)
            finally:
                self.seconds += time.perf_counter() - begin

        TreeSum.advance = advance
        return self

    def __exit__(self, *error):
        TreeSum.advance = self._advance


def bytes_of_a_pass(folder, rows):
    """Bytes between this process and the cluster in one pass, against those of points and sums."""
    for k in (20, 1000):
        found = model(*data(folder, rows, k))
        approx = pymc3_vi.MeanField(model=found)
        density = RowDensity(approx, row_model(approx.view))
        z = 0.01 * np.random.default_rng(1).normal(size=(16, k + 1))
        for workers in (1, 2, 4):
            with cluster(workers) as client:
                density.spread = SpreadRows(density, client)
                density.slopes(z)
                used = time.process_time()
                with Traffic() as traffic:
                    for _ in range(5):
                        density.slopes(z)
                used = (time.process_time() - used) / 5
                needed, sent, received = workers * (2 * z.size + len(z)) * 8, traffic.sent / 5, traffic.received / 5
                print(
                    f"{k + 1} values, {workers} workers: {sent:,.0f} B sent and {received:,.0f} B received a pass; "
                    f"{needed:,} B are points and sums: {(sent + received) / needed:.2f}x; {1000 * used:.1f} CPU ms "
                    "of the session",
                    flush=True,
                )


def kills(folder, rows, count):
    """Whether fits are right of which a worker is killed in the middle of a pass."""
    found = model(*data(folder, rows, 20, seed=2))
    here, _ = fitted(found)
    with cluster(2) as client:
        fitted(found, client)
        worst = 0.0
        for _ in range(count):
            killed = threading.Thread(target=_kill_one_that_works, args=(client,))
            killed.start()
            approx, _ = fitted(found, client)
            killed.join()
            worst = max(worst, compare(here, approx))
        print(f"{count} fits with a worker killed amid a pass: off {worst:.1g} sd at most", flush=True)


def _kill_one_that_works(client):
    pids = client.run(os.getpid)
    while True:
        busy = [address for address, keys in client.processing().items() if keys and address in pids]
        if busy:
            os.kill(pids[busy[0]], signal.SIGKILL)
            return
        time.sleep(0.002)


def main():
    """All of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--only", choices=["speed", "bytes", "kills"])
    given = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, distributed {distributed.__version__}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        if given.only in (None, "bytes"):
            bytes_of_a_pass(Path(folder), 20_000)
        if given.only in (None, "kills"):
            kills(Path(folder), 1_000_000, given.kills)
        if given.only in (None, "speed"):
            speed(Path(folder), given.rows)


if __name__ == "__main__":
    main()
