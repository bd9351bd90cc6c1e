"""Inference: an operator, an approximation and a test function, fitted step by step."""
import warnings
from collections import namedtuple

import numpy as np

from ..core import StepOptions
from ..engines import Step, StepDiverged
from ..errors import VariationalInferenceError
from ..validation import accepted_keywords, check_callable, check_positive_int, reject_unknown_keywords
from ._annealing import AnnealedAdam
from ._history import History
from ._loop import run_loop
from ._non_finite import non_finite_error

__all__ = ["Inference", "FitState"]

#: Where a fit stands: steps done `i`, the compiled `step`, the `callbacks` and whether losses are computed.
FitState = namedtuple("FitState", "i, step, callbacks, score")


class Inference:
    """Base class of variational inference: fits an approximation by stochastic optimization.

    Parameters
    ----------
    op : Operator class
    approx : Approximation
    tf : TestFunction, kernel name, callable or None
    **kwargs
        Keywords of the operator.

    Attributes
    ----------
    hist : ndarray
        Loss of every step of every fit, float64.
    objective : ObjectiveFunction
    state : FitState or None
        Where the last fit stands; None before the first.
    """

    def __init__(self, op, approx, tf, **kwargs):
        reject_unknown_keywords(kwargs, accepted_keywords(op.__init__), type(self).__name__)
        self.objective = op(approx, **kwargs)(tf)
        self.history = History()
        self.state = None
        self._compiled = None
        #: Rule of fits without an explicit optimizer.
        self.default_rule = AnnealedAdam()

    @property
    def approx(self):
        """The approximation that is fitted."""
        return self.objective.approx

    @property
    def hist(self):
        """Losses so far."""
        return self.history.array

    # ---------------------------------------------------------------- fitting
    def fit(
        self, n=10000, score=None, callbacks=None, progressbar=True, obj_n_mc=1, tf_n_mc=None, obj_optimizer=None,
        test_optimizer=None, more_obj_params=None, more_tf_params=None, more_updates=None, more_replacements=None,
        total_grad_norm_constraint=None, fn_kwargs=None, **kwargs,
    ):
        """Run `n` optimization steps.

        A second call goes on from where the first stopped and extends `hist`; with the same options it compiles
        nothing.

        Parameters
        ----------
        n : int
            Number of steps.
        score : bool, optional
            Whether to compute the loss of every step; default: if the operator has one.
        callbacks : list of callables, optional
            Called as ``callback(approx, losses, i)``; StopIteration ends the fit cleanly.
        progressbar : bool
        obj_n_mc : int
            Monte Carlo draws per step for the objective's gradient.
        tf_n_mc : int, optional
            The same for a trainable test function.
        obj_optimizer, test_optimizer : callable, optional
            ``(loss_or_grads, params) -> updates``, e.g. ``pymc3_vi.adam(learning_rate=0.01)``.  By default Adam with
            a rate that falls over the `n` steps, and the average of the last two fifths of the iterates as the result.
        more_obj_params, more_tf_params : list of shared variables, optional
            Further parameters to train, e.g. an encoder's weights.
        more_updates : dict, optional
            Further updates to make in every step.
        more_replacements : dict, optional
            Replacements in the graph before gradients are taken.
        total_grad_norm_constraint : float, optional
            Largest allowed norm of the gradient of all parameters together.
        fn_kwargs : dict, optional
            Passed to the Theano function.

        Returns
        -------
        Approximation

        Raises
        ------
        NonFiniteError
            When the loss or a parameter becomes NaN or infinite; the approximation keeps the last finite parameters
            and the history.
        TypeError
            For an unknown keyword, with the close match.
        """
        reject_unknown_keywords(kwargs, accepted_keywords(Inference.fit), "fit")
        n = check_positive_int(n, "n", "fit", minimum=0)
        callbacks = self._check_callbacks(callbacks)
        score = self._maybe_score(score)
        options = dict(
            obj_n_mc=obj_n_mc, tf_n_mc=tf_n_mc, obj_optimizer=obj_optimizer, test_optimizer=test_optimizer,
            more_obj_params=more_obj_params, more_tf_params=more_tf_params, more_updates=more_updates,
            more_replacements=more_replacements, total_grad_norm_constraint=total_grad_norm_constraint,
        )
        self._rule = None
        if obj_optimizer is None:
            self._rule = options["obj_optimizer"] = self.default_rule
        step = self._step(score, options, fn_kwargs)
        self._run(step, n, callbacks, score, progressbar)
        return self.approx

    def refine(self, n, progressbar=True):
        """Run `n` more steps of the last fit: same compiled step, optimizer state and callbacks.

        Raises
        ------
        VariationalInferenceError
            Before the first fit.
        """
        if self.state is None:
            raise _NotFittedError("Need to call `.fit` first: there is no fit to refine yet.")
        n = check_positive_int(n, "n", "refine", minimum=0)
        self._run(self.state.step, n, self.state.callbacks, self.state.score, progressbar)

    def run_profiling(self, n=1000, score=None, **kwargs):
        """Run `n` steps under Theano's profiler (on Theano's own engine) and return its profile."""
        score = self._maybe_score(score)
        fn_kwargs = dict(kwargs.pop("fn_kwargs", None) or {}, profile=True)
        reject_unknown_keywords(kwargs, StepOptions._fields, "run_profiling")
        step = Step(self.objective.build_step(score=score, **kwargs), fn_kwargs=fn_kwargs)
        step.run(check_positive_int(n, "n", "run_profiling"))
        return step.profile

    # ---------------------------------------------------------------- parts of a fit
    def _maybe_score(self, score):
        has_loss = self.objective.op.returns_loss
        if score is None:
            return has_loss
        if score and not has_loss:
            warnings.warn(f"score=True is ignored: {self.objective.op} has no loss.", stacklevel=3)
        return bool(score) and has_loss

    @staticmethod
    def _check_callbacks(callbacks):
        if callbacks is None:
            return []
        callbacks = [callbacks] if callable(callbacks) else list(callbacks)
        for callback in callbacks:
            check_callable(callback, "callbacks", "fit", "(approx, losses, i)")
        return callbacks

    def _step(self, score, options, fn_kwargs):
        """The compiled step for these options, the last one again when they have not changed."""
        key = (score, options, fn_kwargs)
        if self._compiled is not None and _same(self._compiled[0], key):
            return self._compiled[1]
        step = Step(self.objective.build_step(score=score, **options), fn_kwargs=fn_kwargs)
        step.recorded_losses = lambda: self.history.array
        self._compiled = (key, step)
        return step

    def _run(self, step, n, callbacks, score, progressbar):
        first = self.state.i if self.state is not None else 0
        recorded = len(self.history)
        done = 0
        rule = self._rule
        if rule is not None:
            rule.begin(n)
        try:
            end = run_loop(self.approx, step, n, self.history, first, callbacks, progressbar)
            done = end.steps
            if rule is not None:
                rule.finish()
        except StepDiverged as stop:
            done = stop.steps
            raise non_finite_error(self.approx, step, stop, first + done + 1) from None
        except BaseException:
            done = len(self.history) - recorded
            raise
        finally:
            self.approx.hist = np.array(self.history.array)
            self.state = FitState(first + done, step, callbacks, score)


class _NotFittedError(VariationalInferenceError, TypeError):
    """`refine` before `fit`."""


def _same(a, b):
    """Equality of nested options that treats graphs and functions by identity."""
    if a is b:
        return True
    if isinstance(a, (tuple, list)) and type(a) is type(b):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return len(a) == len(b) and all(k in b and _same(v, b[k]) for k, v in a.items())
    return isinstance(a, (int, float, str, bool)) and type(a) is type(b) and a == b


