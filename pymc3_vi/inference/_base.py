"""Inference: an operator, an approximation and a test function, fitted step by step."""

import time

import numpy as np
from theano.graph.fg import MissingInputError

from ..algorithms import passes_for
from ..algorithms.newton import NewtonStep, newton_step
from ..callbacks import Callback
from ..core import StepOptions
from ..diagnostics import Converged
from ..errors import ConvergenceWarning, ParameterTypeError, ParameterValueError
from ..html_tables import html_table
from ..model import DataRead
from ..parameters import checked
from ..results import FitReport, rebuilt_options, resume_step
from ..steps import Step, StepDiverged
from ..updates import PartialOptimizer, Schedule
from ..validation import accepted_keywords, reject_unknown_keywords, warn_user
from ._algorithm_step import AlgorithmStep
from ._annealing import AnnealedAdam, TailAveraged
from ._density_watch import DensityWatch
from ._divergence import DivergenceWatch
from ._families import warn_of_families
from ._files import FitState, NotFittedError, SavedInference
from ._gradients import check_gradients
from ._history import History
from ._interrupts import Interrupts
from ._left_out import warn_of_left_out
from ._loop import run_loop
from ._non_finite import non_finite_error
from ._pilot import begin_at_pilot
from ._pre_flight import check_draws
from ._unbounded import warn_if_unbounded

__all__ = ["Inference", "FitState"]


class Inference(SavedInference):
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
    planned : int
        Step at which the last fit was to end.
    report : FitReport
        What was run; ``approx.report`` after a fit.
    """

    @checked
    def __init__(self, op, approx, tf, **kwargs):
        reject_unknown_keywords(kwargs, accepted_keywords(op.__init__), type(self).__name__)
        self._set_up(op, approx, tf, **kwargs)

    def _set_up(self, op, approx, tf, **kwargs):
        """What `__init__` and :meth:`load` have in common."""
        self.objective = op(approx, **kwargs)(tf)
        self.history = History()
        self.report = FitReport(type(self).__name__, str(self.objective.op))
        self.state = None
        self._made = {p: p.get_value() for p in self.approx.params}
        self.planned = 0
        self._looked_at = False
        #: Where the fit stood that was loaded from a file, until the first step is made.
        self.resume_point = None
        self._compiled = None
        self._rule = self._averaged = None
        #: Rule of fits without an explicit optimizer.
        self.default_rule = self._annealed()

    #: Order of the derivatives that fits need.
    order = 1

    def _annealed(self, **options):
        groups = self.approx.groups
        rates = {param: rate for group in groups for param, rate in group.param_rates.items()}
        rule = AnnealedAdam(rates=rates, log_params=[p for group in groups for p in group.log_params], **options)
        units = self.objective.op.units
        if units is not None:
            rule.units[units] = units
        return rule

    @property
    def approx(self):
        """The approximation that is fitted."""
        return self.objective.approx

    @property
    def hist(self):
        """Losses so far."""
        return self.history.array

    @property
    def last_iterate(self):
        """Parameters as the last step left them, by shared variable; a fit's result may be an average instead."""
        values = {param: param.get_value() for param in self.approx.params}
        values.update(getattr(self._rule, "last_iterate", {}))
        return values

    def __repr__(self):
        return f"<{self.report.brief()}; {self.approx.title}>"

    def _repr_html_(self):
        return html_table([("approximation", self.approx.title), *self.report.rows()], type(self).__name__)

    # ---------------------------------------------------------------- fitting
    @checked
    def fit(
        self,
        n=10000,
        score=None,
        callbacks=None,
        progressbar=True,
        obj_n_mc=1,
        tf_n_mc=None,
        obj_optimizer=None,
        test_optimizer=None,
        more_obj_params=None,
        more_tf_params=None,
        more_updates=None,
        more_replacements=None,
        total_grad_norm_constraint=None,
        fn_kwargs=None,
        resume=False,
        tol=None,
        average=None,
        algorithm="auto",
        **kwargs,
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
            ``(loss_or_grads, params) -> updates``, e.g. ``pymc3_vi.adam(learning_rate=0.01)``.  By default Gaussian
            families on whole data are fitted by ``NewtonStep``, everything else by
            ``AnnealedAdam``; both return an average of the iterates.
        more_obj_params, more_tf_params : list of shared variables, optional
            Further parameters to train, e.g. an encoder's weights.
        more_updates : dict, optional
            Further updates to make in every step.
        more_replacements : dict, optional
            Replacements in the graph before gradients are taken.
        total_grad_norm_constraint : float, optional
            Largest allowed norm of the gradient of all parameters together.
        fn_kwargs : dict, optional
            Passed to the Theano function.  ``{"engine": "exact"}`` makes the steps equal to those of Theano's linker to
            the last bit, ``{"engine": "theano"}`` uses that linker; the default differs from it by rounding.
        resume : bool
            Take the `n` steps as the rest of the fit before, whose schedule goes on, instead of as a new fit; see
            ``resume``.
        tol : float, optional
            Stop before `n` steps when the average of the iterates is known to this many standard deviations, and warn
            when it is not by then; see :class:`~pymc3_vi.Converged`.
        average : float, optional
            With an `obj_optimizer`: the result is the average of this last fraction of the iterates (the default rules
            average by themselves); ``last_iterate`` has the parameters before averaging.
        algorithm : {'auto', 'passes', 'stochastic'}
            ``'passes'`` fits a likelihood that is a sum over the rows of minibatches in few passes over all of them,
            with `n` times the batch size as budget of rows; ``'auto'`` takes it without an `obj_optimizer` where it can
            be taken, see ``pymc3_vi.algorithms.Passes``.  ``'stochastic'`` never does.

        Returns
        -------
        Approximation

        Raises
        ------
        StartError
            When the log density is not finite at the start, or at none of 20 draws of q before the first step.
        NonFiniteError
            When the loss or a parameter becomes NaN or infinite whatever the draw, or with more than two thirds of the
            draws; the approximation keeps the last finite parameters and the history.  Single draws without a finite
            log density or gradient are left out of their step; ``approx.report`` tells how many.
        TypeError
            For an unknown keyword, with the close match.
        """
        reject_unknown_keywords(kwargs, accepted_keywords(Inference.fit), "fit")
        self.check_ready("fit", resume)
        callbacks = callbacks or []
        converged = None if tol is None else Converged(tol)
        if converged is not None:
            callbacks = callbacks + [converged]
        score = self._maybe_score(score)
        options = dict(
            more_obj_params=more_obj_params,
            more_replacements=more_replacements,
            more_tf_params=more_tf_params,
            more_updates=more_updates,
            obj_n_mc=obj_n_mc,
            obj_optimizer=obj_optimizer,
            test_optimizer=test_optimizer,
            tf_n_mc=tf_n_mc,
            total_grad_norm_constraint=total_grad_norm_constraint,
        )
        with self.report.recording(n):
            self._look_at_model(n)
            self._rule = None
            if average is not None:
                self._rule = options["obj_optimizer"] = self._averaging(obj_optimizer, average)
            elif obj_optimizer is None:
                self._rule = options["obj_optimizer"] = self.default_rule
            step = self._step(score, options, fn_kwargs, algorithm)
            if isinstance(step, (NewtonStep, AlgorithmStep)):
                self._rule = step
            if isinstance(step, AlgorithmStep):  # it knows itself how far it is
                step.algorithm.aim_at(tol)
                callbacks = [c for c in callbacks if c is not converged]
                converged = None
            self._run(step, n, callbacks, score, progressbar, resume)
            if converged is not None and not converged.converged and self.report.reason == "done":
                warn_user(converged.advice(), ConvergenceWarning)
        return self.approx

    @checked
    def refine(self, n, progressbar=True):
        """Run `n` more steps of the last fit: same compiled step, optimizer state and callbacks.

        Raises
        ------
        VariationalInferenceError
            Before the first fit.
        """
        if self.state is None:
            raise NotFittedError("Need to call `.fit` first: there is no fit to refine yet.")
        self.check_ready("refine")
        if self.state.step is None:  # loaded from a file
            self.fit(n, callbacks=self.state.callbacks, progressbar=progressbar, **rebuilt_options(self.resume_point))
            return
        with self.report.recording(n):
            self._run(self.state.step, n, self.state.callbacks, self.state.score, progressbar)

    @checked
    def run_profiling(self, n=1000, score=None, **kwargs):
        """Run `n` steps under Theano's profiler (on Theano's own engine) and return its profile."""
        score = self._maybe_score(score)
        fn_kwargs = dict(kwargs.pop("fn_kwargs", None) or {}, profile=True)
        reject_unknown_keywords(kwargs, StepOptions._fields, "run_profiling")
        step = Step(self.objective.build_step(score=score, **kwargs), fn_kwargs=fn_kwargs)
        step.run(n)
        return step.profile

    # ---------------------------------------------------------------- parts of a fit
    def _maybe_score(self, score):
        has_loss = self.objective.op.returns_loss
        if score is None:
            return has_loss
        if score and not has_loss:
            warn_user(f"score=True is ignored: {self.objective.op} has no loss.")
        return bool(score) and has_loss

    def _averaging(self, optimizer, average):
        """The rule for `average`, the last one again when nothing has changed."""
        if optimizer is None:
            raise ParameterValueError(
                "The 'average' parameter of fit needs an obj_optimizer: the default rules average by themselves. "
                f"Got average={average!r} without one."
            )
        last = self._averaged
        if last is None or last.tail != average or not _same(last.optimizer, optimizer):
            self._averaged = TailAveraged(optimizer, average)
        return self._averaged

    def _step(self, score, options, fn_kwargs, algorithm):
        """The compiled step for these options, the last one again when they have not changed."""
        key = (score, options, fn_kwargs, algorithm)
        if self._compiled is not None and _same(self._compiled[0], key) and self._compiled[1].can_go_on:
            self._take_up(self._compiled[1])
            return self._compiled[1]
        begin = time.perf_counter()
        step = self._default_step(score, options, fn_kwargs, algorithm)
        if step is None:
            step = self._compile(score, options, fn_kwargs)
        step.recorded_losses = lambda: self.history.array
        self._compiled = (key, step)
        self.report.compiled(begin)
        self._take_up(step)
        return step

    def _default_step(self, score, options, fn_kwargs, algorithm):
        """Step of a rule that needs no optimizer; None where stochastic gradients remain."""
        demanded = algorithm == "passes"
        if self._rule is not self.default_rule:
            if demanded:
                raise ParameterTypeError(
                    "fit got algorithm='passes' together with an optimizer. Leave one of them out."
                )
            return None
        found = None if algorithm == "stochastic" else passes_for(self.objective, options, demanded)
        if found is not None and not isinstance(found, dict):
            return AlgorithmStep(found, self.objective, score)
        return newton_step(self.objective, options, score, fn_kwargs, whole_data=found)

    def _compile(self, score, options, fn_kwargs):
        try:
            return Step(self.objective.build_step(score=score, **options), fn_kwargs=fn_kwargs)
        except MissingInputError as error:
            raise ParameterValueError(
                f"A step of {type(self).__name__} depends on a variable that has no value. Give it one by the "
                "'more_replacements' parameter of fit, or make it a theano.shared in the model, in 'obj_optimizer', "
                f"'more_updates' or 'cost_part_grad_scale'. Theano says: {str(error).splitlines()[0]}"
            ) from None

    def _take_up(self, step):
        """Put the state of a loaded fit into the first step after loading."""
        if self.resume_point is not None:
            resume_step(self.resume_point, step, self.options, self._rule)
            self.resume_point = None

    @property
    def has_begun(self):
        """Whether a q was found from which steps can be made."""
        step = None if self.state is None else self.state.step
        return self.state is not None and not (isinstance(step, (NewtonStep, AlgorithmStep)) and step.arrival is None)

    def is_untouched(self):
        """Whether the parameters are those that the approximation had when the inference was made."""
        return all(np.array_equal(p.get_value(borrow=True), value) for p, value in self._made.items())

    def _look_at_model(self, n):
        """What the graphs and families say before anything is compiled; looked at once."""
        if n and not self._looked_at:
            self._looked_at = True
            check_gradients(self.approx, self.order)
            warn_of_families(self.approx)

    def _watch(self, callbacks, rule, first):
        """What tells `rule`, which keeps something from step to step, of another log density."""

        def changed(names, i):
            rule.density_changed(names, i - first)

        return DensityWatch(self.approx, callbacks, changed, self.options.get("more_replacements"))

    def _run(self, step, n, callbacks, score, progressbar, resume=False):
        with Interrupts() as interrupts:
            first, before = self.state.i if self.state is not None else 0, step.steps_done
            left_out = step.left_out.count
            units = self.objective.op.units
            if units is not None and self._rule is not self.default_rule:
                units.set_value(np.ones_like(units.get_value()))
            if not first and not resume and n and self._rule is self.default_rule:
                begin_at_pilot(self, n)
            if not first:
                check_draws(self.approx, step, n, self.options.get("more_replacements"))
            self.state, self.planned = FitState(first, step, callbacks, score), first + n
            self.approx.report = self.report
            self.report.stepping(self.options, None if self._rule is self._averaged else self._rule)
            for callback in callbacks:
                if isinstance(callback, Callback):
                    callback.bind(self)
            rule = self._rule
            if rule is not None:
                rule.reopen() if resume else rule.begin(n)
            watch = self._watch(callbacks if rule is not None else [], rule, first)
            watching = callbacks + [watch] if watch.callbacks else callbacks
            divergence = None
            if isinstance(step, Step) and step.has_loss and n:
                divergence = DivergenceWatch(list(self.approx.params), self.history, first, n)
                watching = watching + [divergence]
            try:
                self.running = True
                end = run_loop(self.approx, step, n, self.history, first, watching, progressbar, interrupts)
                self.report.ended(end.reason, end.message)
                if rule is not None:
                    watch.look(first + end.steps)
                    rule.finish()
                warn_if_unbounded(self.approx)
                if divergence is not None:
                    divergence.finish(self.options.get("obj_optimizer") or rule or "adam")
                if isinstance(step, AlgorithmStep):
                    self.report.found(repr(step))
                else:
                    warn_of_left_out(self.approx, step, before)
            except StepDiverged as stop:
                raise non_finite_error(self.approx, step, stop, first + step.steps_done - before + 1) from None
            finally:
                self.running = False
                done = step.steps_done - before
                self.approx.hist = np.array(self.history.array)
                self.approx.fitted_to = DataRead(self.approx.view, self.approx.params)
                self.state = FitState(first + done, step, callbacks, score)
                self.report.stepped(done)
                self.report.left_out(step.left_out.count - left_out)
                step.release()


def _same(a, b):
    """Equality of nested options: optimizers by name and hyperparameters, graphs and functions by identity."""
    if a is b:
        return True
    if isinstance(a, (tuple, list)) and type(a) is type(b):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return len(a) == len(b) and all(k in b and _same(v, b[k]) for k, v in a.items())
    if isinstance(a, PartialOptimizer) and isinstance(b, PartialOptimizer):
        return a.func is b.func and _same(a.args, b.args) and _same(a.keywords, b.keywords)
    return isinstance(a, (int, float, str, bool, Schedule)) and type(a) is type(b) and a == b
