"""Callbacks on their own."""

import time

from pymc3_vi.callbacks import Callback, CheckParametersConvergence, Tracker

import numpy as np
import pytest
import theano


class _Approx:
    def __init__(self, *values):
        self.params = [theano.shared(np.asarray(v, dtype="float64")) for v in values]


def test_tracker_takes_functions_with_and_without_arguments():
    tracker = Tracker(last=lambda *t: t[-1], step=lambda approx, losses, i: i, time=time.time, fixed=lambda x=3: x)
    for i in range(5):
        tracker(None, None, i)
    assert tracker["last"] == tracker["step"] == list(range(5))
    assert tracker["fixed"] == [3] * 5
    assert sorted(tracker["time"]) == tracker["time"] and len(tracker["time"]) == 5
    tracker.clear()
    assert tracker["step"] == []


def test_tracker_shows_errors_of_the_statistic():
    def broken():
        raise TypeError("inside the statistic")

    with pytest.raises(TypeError, match="inside the statistic"):
        Tracker(broken=broken)(None, None, 1)
    with pytest.raises(TypeError):
        Tracker(bad=lambda t: t)(None, None, 1)
    with pytest.raises(TypeError, match="'stat' of Tracker must be callable"):
        Tracker(stat=3)


def test_tracker_copies_the_growing_losses():
    tracker = Tracker(losses=lambda approx, losses, i: losses)
    growing = np.array([1.0, 2.0])
    tracker(None, growing, 2)
    growing[0] = 7.0
    assert tracker["losses"][0][0] == 1.0


@pytest.mark.parametrize("diff, change, stops", [("relative", 1e-3, True), ("absolute", 1e-3, False)])
def test_convergence_uses_its_difference(diff, change, stops):
    approx = _Approx([100.0, 200.0])
    check = CheckParametersConvergence(every=10, tolerance=1e-4, diff=diff)
    check(approx, None, 1)
    approx.params[0].set_value(approx.params[0].get_value() + change)
    if stops:
        with pytest.raises(StopIteration, match="10"):
            check(approx, None, 10)
    else:
        check(approx, None, 10)


def test_convergence_only_looks_at_multiples_of_every():
    approx = _Approx([1.0])
    check = CheckParametersConvergence(every=10, tolerance=1e-1)
    assert check.next_call(0) == 1
    check(approx, None, 1)
    assert check.next_call(1) == 10 and check.next_call(10) == 20
    check(approx, None, 7)
    with pytest.raises(StopIteration):
        check(approx, None, 20)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match=r"'diff'.*Got 'relativ'.*Did you mean 'relative'"):
        CheckParametersConvergence(diff="relativ")
    with pytest.raises(ValueError, match="'every' parameter of CheckParametersConvergence"):
        CheckParametersConvergence(every=0)
    with pytest.raises(NotImplementedError, match="must implement __call__"):
        Callback()(None, None, 1)
