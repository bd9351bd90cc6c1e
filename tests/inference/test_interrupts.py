"""Ctrl-C is heard, whatever code it lands in."""

import signal

import pymc3_vi
from pymc3_vi.inference._interrupts import Interrupts
from pymc3_vi.progress import Progress

import numpy as np
import pymc3 as pm
import pytest


@pytest.fixture(scope="module")
def model():
    with pymc3_vi.fast_build(), pm.Model() as built:
        pm.Normal("y", pm.Normal("mu", 0.0, 1.0), 1.0, observed=np.arange(5.0))
    return built


def press():
    """Ctrl-C at this point."""
    signal.getsignal(signal.SIGINT)(signal.SIGINT, None)


class Deleted:
    """Python prints and drops what is raised in here."""

    def __del__(self):
        press()


def in_del(approx, losses, i):
    if i == 5:
        Deleted()


def caught(approx, losses, i):
    if i == 5:
        try:
            press()
        except KeyboardInterrupt:
            pass


def bare_except(approx, losses, i):
    if i == 5:
        try:
            press()
        except:  # noqa: E722
            pass


METHODS = {
    "steps": dict(obj_optimizer=pymc3_vi.sgd(learning_rate=1e-3)),
    "default": dict(),
    "svgd": dict(method="svgd", inf_kwargs={"n_particles": 4}),
}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("callback", [in_del, caught, bare_except])
def test_what_a_callback_swallows_ends_the_fit(model, callback):
    for options in METHODS.values():
        approx = pymc3_vi.fit(10**6, model=model, random_seed=1, progressbar=False, callbacks=[callback], **options)
        assert approx.report.reason == "interrupted" and approx.report.steps == 5
        assert options.get("method") == "svgd" or len(approx.hist) == 5
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_a_callback_of_dadvi_swallows_ends_the_fit(model):
    def swallow(approx, losses, i):
        if i == 1:
            Deleted()

    inference = pymc3_vi.DADVI(model=model, random_seed=1)
    approx = inference.fit(10**4, progressbar=False, callbacks=[swallow])
    assert approx.report.reason == "interrupted" and 1 <= approx.report.steps <= 2


def test_what_a_display_swallows_ends_the_fit(model, monkeypatch):
    calls = []

    def update(self, done, comment=""):
        calls.append(done)
        if len(calls) == 3:
            try:
                press()
            except BaseException:
                pass

    monkeypatch.setattr(Progress, "update", update)
    approx = pymc3_vi.fit(10**7, model=model, random_seed=1, progressbar=False, **METHODS["steps"])
    assert approx.report.reason == "interrupted" and len(calls) == 3 and len(approx.hist) == calls[-1]


def test_a_callback_that_does_not_return_hears_the_next_one(model):
    heard = []

    def endless(approx, losses, i):
        for _ in range(3):
            try:
                press()
            except KeyboardInterrupt:
                heard.append(i)
        press()

    approx = pymc3_vi.fit(100, model=model, random_seed=1, progressbar=False, callbacks=[endless], **METHODS["steps"])
    assert heard == [1, 1, 1] and approx.report.reason == "interrupted" and len(approx.hist) == 1


def test_bookkeeping_is_not_interrupted():
    done = []
    with Interrupts() as interrupts:
        interrupts.start()
        with pytest.raises(KeyboardInterrupt):
            try:
                press()
            except BaseException:
                press()  # nothing is left to end
                done.append("except")
                try:
                    raise KeyError from None
                except KeyError:
                    press()  # nor here, in what the handling runs
                    done.append("inner")
                raise
            finally:
                press()
                done.append("finally")
        interrupts.stop()
        press()
    assert done == ["except", "inner", "finally"]


def test_one_that_comes_before_the_start_waits():
    with Interrupts() as interrupts:
        press()
        with pytest.raises(KeyboardInterrupt):
            interrupts.start()


def test_handlers_of_the_program_stay():
    mine = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        handler = signal.getsignal(signal.SIGINT)
        with Interrupts() as interrupts:
            interrupts.start()
            assert signal.getsignal(signal.SIGINT) is handler
            press()
            interrupts.check()
    finally:
        signal.signal(signal.SIGINT, mine)


class _Interrupted:
    """Presses Ctrl-C in its destructor, where an exception is lost."""

    def __del__(self):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_one_lost_in_a_destructor_while_another_unwinds_opens_no_gap():
    def work():
        held = _Interrupted()
        signal.raise_signal(signal.SIGINT)
        return held

    with Interrupts() as interrupts:
        interrupts.start()
        try:
            work()
        except KeyboardInterrupt:
            signal.raise_signal(signal.SIGINT)
            interrupts.stop()


def test_none_is_raised_into_code_that_deals_with_somebody_elses():
    with Interrupts() as interrupts:
        interrupts.start()
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            signal.raise_signal(signal.SIGINT)
            interrupts.stop()


def test_a_fit_in_code_that_deals_with_an_earlier_one_is_interrupted_all_the_same():
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt:
        with Interrupts() as interrupts:
            interrupts.start()
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
