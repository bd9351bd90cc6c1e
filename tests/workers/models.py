"""Models and rows that workers read, and what happens to workers; imported by them, too."""

import os
import signal
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from pathlib import Path

import pymc3_vi

import numpy as np
import pymc3 as pm
import theano.tensor as tt
from theano.graph.basic import Apply
from theano.graph.op import Op


def rows_in_file(folder, rows, k):
    """Predictors (rows, k) of float32 in a file that is mapped, and responses in memory."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(rows, k)).astype("float32")
    chance = 1 / (1 + np.exp(-x.dot(rng.normal(size=k) / np.sqrt(k)) - 0.3))
    np.save(folder / "x.npy", x)
    return np.load(folder / "x.npy", mmap_mode="r"), (rng.random(rows) < chance).astype("int8")


def logistic(x, y, deadly=None):
    """Logistic regression on all columns of `x`."""
    data = pymc3_vi.DataLoader({"x": x, "y": y}, batch_size=500, seed=1)
    with pymc3_vi.fast_build(), pm.Model() as model:
        predictors = data["x"] if deadly is None else Deadly(str(deadly), os.getpid())(data["x"])
        b, a = pm.Normal("b", 0.0, 10.0, shape=x.shape[1]), pm.Normal("a", 0.0, 10.0)
        pm.Bernoulli("y", logit_p=tt.dot(predictors, b) + a, observed=data["y"], total_size=len(data))
    return model


class Deadly(Op):
    """Its input; but a process other than `home` that finds a file in `folder` takes it away and kills itself."""

    __props__ = ("folder", "home")

    def __init__(self, folder, home):
        self.folder, self.home = folder, home

    def make_node(self, x):
        x = tt.as_tensor_variable(x)
        return Apply(self, [x], [x.type()])

    def perform(self, node, inputs, outputs):
        outputs[0][0] = inputs[0]
        if os.getpid() == self.home:
            return
        for file in sorted(Path(self.folder).glob("kill*")):
            try:
                file.unlink()
            except FileNotFoundError:  # another one was faster
                continue
            os.kill(os.getpid(), signal.SIGKILL)


class DyingThreads(ThreadPoolExecutor):
    """Does some tasks and is gone."""

    def __init__(self, workers, tasks):
        super().__init__(workers)
        self.left = tasks

    def submit(self, function, *args):
        self.left -= 1
        if self.left >= 0:
            return super().submit(function, *args)
        future = Future()
        future.set_exception(BrokenExecutor("a process died"))
        return future
