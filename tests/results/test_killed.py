"""Kill -9 at any step: the newest checkpoint is there, and what follows from it is the uninterrupted fit."""

import os
import signal

import pymc3_vi
from pymc3_vi.results import Checkpoint

import numpy as np
import pytest

from .models import hierarchy

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")]

N, EVERY, KILLS = 2000, 100, 20
PLACES = ["between steps", "half of the file is written", "the file is written, not renamed", "the file is renamed"]


def _die(*args):
    os.kill(os.getpid(), signal.SIGKILL)


class _Killer(pymc3_vi.Callback):
    """Kills the process at a step, or while the checkpoint of that step is written."""

    def __init__(self, step, place):
        self.step, self.place = step, place

    def __call__(self, approx, losses, i):
        if i == self.step:
            getattr(self, "_" + self.place.replace(",", "").replace(" ", "_"))()

    _between_steps = staticmethod(_die)

    @staticmethod
    def _half_of_the_file_is_written():
        def half(handle):
            os.ftruncate(handle, os.fstat(handle).st_size // 2)
            _die()

        os.fsync = half

    @staticmethod
    def _the_file_is_written_not_renamed():
        os.replace = _die

    @staticmethod
    def _the_file_is_renamed():
        rename = os.replace

        def then_die(*paths):
            rename(*paths)
            _die()

        os.replace = then_die

    @property
    def newest(self):
        """Step of the newest complete checkpoint."""
        before = (self.step - 1) // EVERY * EVERY
        return self.step if self.place == "the file is renamed" else before


def _killers(rng):
    """As many of each place, at random steps after the first checkpoint."""
    for number in range(KILLS):
        place = PLACES[number % len(PLACES)]
        if place == "between steps":
            yield _Killer(int(rng.integers(EVERY + 1, N + 1)), place)
        else:
            yield _Killer(EVERY * int(rng.integers(2, N // EVERY + 1)), place)


def _run_killed(inference, callbacks):
    """A fit in a child process, which must end by the kill."""
    child = os.fork()
    if not child:
        try:
            inference.fit(N, progressbar=False, callbacks=callbacks, **inference.test_options)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


@pytest.mark.parametrize("options", [{}, dict(obj_optimizer=pymc3_vi.adam(learning_rate=0.01))],
                         ids=["default rule", "adam"])  # fmt: skip
def test_killed_twenty_times(tmp_path, rng, options):
    model = hierarchy()
    inference = pymc3_vi.ADVI(model=model, random_seed=7)
    inference.fit(0, progressbar=False, **options)  # compiled once for all children
    inference.test_options = options
    killers = list(_killers(rng))
    paths = [tmp_path / f"{number}.npz" for number in range(KILLS)]
    for killer, path in zip(killers, paths):
        _run_killed(inference, [killer, Checkpoint(EVERY, path)])
    inference.fit(N, progressbar=False, tol=None, **options)
    hist, params = inference.hist.copy(), [p.get_value() for p in inference.approx.params]
    assert len(hist) == N
    for killer, path in zip(killers, paths):
        loaded = pymc3_vi.Inference.load(path, model)
        assert (loaded.state.i, loaded.planned) == (killer.newest, N)
        np.testing.assert_array_equal(loaded.hist, hist[: killer.newest])
        inference.restore(path)
        inference.resume(progressbar=False)
        np.testing.assert_array_equal(inference.hist, hist)
        for param, value in zip(inference.approx.params, params):
            np.testing.assert_array_equal(param.get_value(), value)
