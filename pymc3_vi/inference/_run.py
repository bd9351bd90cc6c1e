"""One run of an algorithm: its frame, the loop, and what is kept and said afterwards."""

import contextlib

import numpy as np

from ..algorithms import non_finite_error
from ..callbacks import Callback
from ..compiler import small_algebra
from ..errors import ConvergenceWarning, VariationalInferenceError
from ..model import DataRead
from ..steps import StepDiverged
from ..validation import warn_user
from ._density_watch import DensityWatch
from ._interrupts import Interrupts
from ._left_out import warn_of_left_out
from ._loop import run_loop
from ._state import FitState
from ._unbounded import warn_if_unbounded

__all__ = ["profile_algorithm", "run_algorithm"]


def run_algorithm(inference, algorithm, n, callbacks, score, progressbar, resume=False):
    """Run `n` steps and leave `inference` in the state that they lead to, whatever ends them.

    Parameters
    ----------
    inference : Inference
    algorithm : Algorithm
        Prepared for the approximation of `inference`.
    n : int
    callbacks : list of callables
        Those of the user.
    score, progressbar : bool
    resume : bool
        Whether the steps are the rest of an earlier run.

    Raises
    ------
    StartError, NonFiniteError
        See :meth:`Inference.fit`.
    """
    approx, history, report = inference.approx, inference.history, inference.report
    goal = [] if inference.goal is None else [inference.goal]
    with Interrupts() as interrupts:
        first, before = 0 if inference.state is None else inference.state.i, algorithm.steps_done
        if resume:
            algorithm.reopen()
        else:
            with small_algebra(approx.ddim):
                algorithm.begin(n, first=not first)
        algorithm.left_out.begin_run()
        inference.state, inference.planned = FitState(first, algorithm, callbacks, score), first + n
        approx.report = report
        report.stepping(inference.options, algorithm.describe(), inference.reason)
        _bind(inference, callbacks + ([] if resume else goal))
        watching = callbacks + goal
        watch = _watch(inference, algorithm, watching, first)
        watching = watching + ([watch] if watch.callbacks else []) + algorithm.watches(first, n)
        try:
            with contextlib.nullcontext() if callbacks else algorithm.undisturbed():
                end = run_loop(approx, algorithm, n, history, first, watching, progressbar, interrupts)
                report.ended(end.reason, end.message)
                watch.look(first + end.steps)
                with small_algebra(approx.ddim):
                    algorithm.result()
            if end.reason == "done" and algorithm.ending is not None:
                report.ended("done", algorithm.ending)
            report.found(algorithm.describe())
            warn_if_unbounded(approx)
            warn_of_left_out(approx, algorithm, before)
        except StepDiverged as stop:
            raise non_finite_error(algorithm, stop, first + algorithm.steps_done - before + 1) from None
        finally:
            done = algorithm.steps_done - before
            approx.hist = np.array(history.array)
            approx.fitted_to = DataRead(approx.view, approx.params)
            inference.state = FitState(first + done, algorithm, callbacks, score)
            report.stepped(done, algorithm.left_out.in_run)
            algorithm.release()
    if inference.goal is not None and not inference.goal.converged and report.reason == "done":
        warn_user(inference.goal.advice(), ConvergenceWarning)


def profile_algorithm(task, algorithm, n):
    """Theano's profile of `n` steps, which are not recorded; parameters are left where they led.

    Raises
    ------
    VariationalInferenceError
        If the algorithm has no function that Theano profiles.
    """
    with small_algebra(task.objective.approx.ddim):
        algorithm.prepare(task)
        algorithm.begin(n, first=True)
        algorithm.run(n)
        algorithm.result()
    if algorithm.profile is None:
        raise VariationalInferenceError(
            f"algorithm={algorithm.name!r} has no step that Theano could profile. Profile algorithm='stochastic' on "
            "the same model."
        )
    return algorithm.profile


def _bind(inference, callbacks):
    for callback in callbacks:
        if isinstance(callback, Callback):
            callback.bind(inference)


def _watch(inference, algorithm, callbacks, first):
    """What tells `algorithm`, which keeps something from step to step, of another log density."""

    def changed(names, i):
        algorithm.density_changed(names, i - first)

    replacements = inference.options.get("more_replacements")
    return DensityWatch(inference.approx, callbacks if algorithm.remembers else [], changed, replacements)
