"""Inference: an operator, an approximation and a test function, fitted step by step."""

import time

import numpy as np

from ..algorithms import AnnealedAdam, Task, choose
from ..compiler import small_algebra
from ..core import StepOptions
from ..diagnostics import Converged, gradients_explained, warn_of_steps
from ..errors import ParameterValueError, VariationalInferenceError
from ..html_tables import html_table
from ..parameters import checked
from ..results import FitReport, load_parts, rebuilt_options, restore_point, resume_algorithm, save_inference
from ..validation import accepted_keywords, reject_unknown_keywords, warn_user
from ._families import warn_of_families
from ._history import History
from ._new_rows import refine_with_rows
from ._run import profile_algorithm, run_algorithm
from ._same import same
from ._state import FitState, check_ready, fitting, subclass_called

__all__ = ["Inference", "FitState"]


class Inference:
    """Base class of variational inference: fits an approximation step by step.

    Parameters
    ----------
    op : Operator class
    approx : Approximation
    tf : TestFunction, kernel name, callable or None
    **kwargs
        Keywords of the operator.

    Attributes
    ----------
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
        self.state, self.planned = None, 0
        #: Whether steps are being made, so that a callback must not begin others.
        self.running = False
        #: Where the fit stood that was loaded from a file, until the first step is made.
        self.resume_point = None
        #: Accuracy at which the last fit was to end, and what watches for it; None where the algorithm does.
        self.tol = self.goal = None
        #: What finds q, and why it was taken; None before the first fit.
        self.algorithm, self.reason = None, ""
        self._made = {p: p.get_value() for p in self.approx.params}
        self._looked_at, self._key = False, None
        self._set_defaults()

    def _set_defaults(self):
        """The optimizer of fits without one, and the part of its iterates that is averaged."""
        self.default_optimizer, self.default_average = AnnealedAdam.of(self.objective), 0.4

    def __getstate__(self):
        if self.state is not None:
            raise VariationalInferenceError(
                f"A fitted {type(self).__name__} cannot be pickled or copied: it holds compiled code. Pickle its "
                ".approx, or write it with .save(path) and read it with Inference.load(path, model)."
            )
        return vars(self)

    # ---------------------------------------------------------------- where it stands
    @property
    def approx(self):
        """The approximation that is fitted."""
        return self.objective.approx

    @property
    def hist(self):
        """Loss of every step of every fit, float64."""
        return self.history.array

    @property
    def last_iterate(self):
        """Parameters as the last step left them, by shared variable; a fit's result may be an average instead."""
        replaced = {} if self.algorithm is None else self.algorithm.last_iterate
        return {**{param: param.get_value() for param in self.approx.params}, **replaced}

    @property
    def options(self):
        """Options of the last fit that decide its steps; empty before the first."""
        return {} if self._key is None else dict(self._key)

    @property
    def has_begun(self):
        """Whether a q was found from which steps can be made."""
        return self.state is not None and (self.state.step is None or self.state.step.has_begun)

    def is_untouched(self):
        """Whether the parameters are those that the approximation had when the inference was made."""
        return all(np.array_equal(p.get_value(borrow=True), value) for p, value in self._made.items())

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
        tol="auto",
        average=None,
        algorithm="auto",
        client=None,
        **kwargs,
    ):
        """Run `n` optimization steps, or fewer where the optimum is known before, see `tol`.

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
            ``(loss_or_grads, params) -> updates``, e.g. ``pymc3_vi.adam(learning_rate=0.01)``.
        more_obj_params, more_tf_params : list of shared variables, optional
            Further parameters to train, e.g. an encoder's weights.
        more_updates : dict, optional
            Further updates to make in every step.
        more_replacements : dict, optional
            Replacements in the graph before gradients are taken.
        total_grad_norm_constraint : float, optional
            Largest allowed norm of the gradient of all parameters together.
        fn_kwargs : dict, optional
            Passed to the Theano function.  ``{"engine": "theano"}`` uses Theano's own linker, from which the
            default differs by rounding.
        resume : bool
            Take the `n` steps as the rest of the fit before, whose schedule goes on, instead of as a new fit; see
            ``resume``.
        tol : float, 'auto' or None
            Stop before `n` steps when the result is known to this many sds of q (sds relative), and warn when it is not
            by then; None makes all steps.  Newton steps tell how far they are, elsewhere :class:`~pymc3_vi.Converged`
            watches.  ``'auto'``: 0.01 without a warning for at least 1,000 Newton steps without callbacks, else None.
        average : float, optional
            With an `obj_optimizer`: the result is the average of this last fraction of the iterates (the default rules
            average by themselves); ``last_iterate`` has the parameters before averaging.
        algorithm : str or Algorithm
            How q is found; ``approx.report`` says what was taken and why.  ``'stochastic'``: gradient steps by
            `obj_optimizer`, by default an annealed Adam whose last iterates are averaged.  ``'newton'``: averaged
            Newton steps, for Gaussian families on whole data.  ``'passes'``: few passes over all rows of minibatches,
            where the likelihood is a sum over them, with `n` times the batch size as budget of rows.
            ``'fixed_draws'``: see DADVI.  ``'auto'``: gradients with an `obj_optimizer`, otherwise passes or Newton
            steps where they can be taken.  An :class:`~pymc3_vi.algorithms.Algorithm` brings settings of its own.
        client : dask.distributed.Client or concurrent.futures.Executor, optional
            Whose workers read the rows of a ``DataLoader`` or ``pm.Minibatch`` in passes, each its own part of a file;
            the result is the same for any number of workers.

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
            score=self._maybe_score(score),
            fn_kwargs=fn_kwargs,
            average=average,
            algorithm=algorithm,
        )
        return self._fit(n, options, callbacks, progressbar, resume, tol, client)

    @checked
    def refine(self, n, progressbar=True, data=None):
        """Run `n` more steps of the last fit: same compiled step, optimizer state and callbacks.

        Where the optimum is known to the `tol` of that fit it makes fewer, or none, and ``approx.report`` says so.
        With `data`, the steps are passes over new rows, whose prior is q: see :func:`~pymc3_vi.Approximation.refine`.
        """
        check_ready(self, "refine")
        if data is not None:
            refine_with_rows(self, n, data, progressbar)
            return
        if self.state.step is None:  # loaded from a file
            self.fit(n, callbacks=self.state.callbacks, progressbar=progressbar, **rebuilt_options(self.resume_point))
            return
        with self.report.recording(n):
            self._run(n, self.state.callbacks, self.state.score, progressbar)

    @checked
    def resume(self, callbacks=None, progressbar=True):
        """Run the steps that an interrupted fit still had to do, as if it had not been interrupted.

        Parameters
        ----------
        callbacks : list of callables, optional
            Callbacks for the rest.  Default: those of the fit that was interrupted, in the same process; files do not
            hold callbacks.
        progressbar : bool

        Returns
        -------
        Approximation

        Raises
        ------
        VariationalInferenceError
            Before the first fit.
        FileFormatError
            If the file could not hold an option of the fit, e.g. a function of one's own: call
            ``fit(..., resume=True)`` with the same options then.
        """
        check_ready(self, "resume")
        left = max(self.planned - self.state.i, 0)
        callbacks = self.state.callbacks if callbacks is None else callbacks
        if self.state.step is None:  # loaded from a file
            options = rebuilt_options(self.resume_point)
            return self.fit(left, callbacks=callbacks, progressbar=progressbar, resume=True, **options)
        with self.report.recording(left):
            self._run(left, callbacks, self.state.score, progressbar, resume=True)
        return self.approx

    @checked
    def run_profiling(self, n=1000, score=None, algorithm="auto", average=None, **kwargs):
        """Run `n` steps of what :meth:`fit` runs under Theano's profiler (on Theano's own engine); returns its profile.

        Parameters as in :meth:`fit`.  Steps are not recorded; parameters are left where they led.
        """
        fn_kwargs = dict(kwargs.pop("fn_kwargs", None) or {}, profile=True)
        reject_unknown_keywords(kwargs, StepOptions._fields, "run_profiling")
        options = dict(
            kwargs, score=self._maybe_score(score), fn_kwargs=fn_kwargs, average=average, algorithm=algorithm
        )
        return profile_algorithm(*self._chosen(options)[:2], n)

    # ---------------------------------------------------------------- parts of a fit
    def _maybe_score(self, score):
        has_loss = self.objective.op.returns_loss
        if score is None:
            return has_loss
        if score and not has_loss:
            warn_user(f"score=True is ignored: {self.objective.op} has no loss.")
        return bool(score) and has_loss

    def _fit(self, n, options, callbacks, progressbar, resume, tol=None, client=None):
        """A fit with complete options."""
        with fitting(self, resume), self.report.recording(n):
            self.tol = None if tol == "auto" and callbacks else tol  # who looks at every step, or counts them, gets all
            self._prepare(n, options, client)
            watched = self.algorithm.aim_at(self.tol) or self.tol in ("auto", None)
            self.goal = None if watched else Converged(self.tol)
            if self.resume_point is not None:
                resume_algorithm(self.resume_point, self.algorithm, self.options, self.goal)
                self.resume_point = None
            self._run(n, callbacks or [], self.algorithm.task.score, progressbar, resume)
        return self.approx

    def _look_at_model(self):
        """What the graphs and families say before anything is compiled; looked at once."""
        if not self._looked_at:
            warn_of_steps(self.approx.view)
            warn_of_families(self.approx)
            self._looked_at = True

    def _task(self, options, score, fn_kwargs=None, average=None):
        """What an algorithm is asked to do."""
        if average is not None and options.get("obj_optimizer") is None:
            raise ParameterValueError(
                "The 'average' parameter of fit needs an obj_optimizer: the default rules average by themselves. "
                f"Got average={average!r} without one."
            )
        return Task(
            self.objective,
            options,
            score,
            fn_kwargs,
            average,
            default_optimizer=self.default_optimizer,
            default_average=self.default_average,
            is_untouched=self.is_untouched,
            losses=lambda: self.history.array,
        )

    def _chosen(self, options, client=None):
        """Task, algorithm and why it was taken, for the options of a fit."""
        options = dict(options)
        algorithm, *named = [options.pop(name) for name in ("algorithm", "score", "fn_kwargs", "average")]
        task = self._task(options, *named)._replace(client=client)
        return (task, *choose(task, algorithm))

    def _prepare(self, n, options, client=None):
        """Have the algorithm for these options, the last one again when they have not changed."""
        known = self._key is not None and same(self._key, options) and self.algorithm.task.client is client
        if known and self.algorithm.can_go_on:
            if n:
                self._look_at_model()
            return
        task, algorithm, reason = self._chosen(options, client)
        if n:
            self._look_at_model()
        begin = time.perf_counter()
        with small_algebra(self.approx.ddim), gradients_explained(self.approx.view, algorithm.order):
            algorithm.prepare(task)
        self.algorithm, self.reason, self._key = algorithm, reason, options
        self.report.compiled(begin)

    def _run(self, n, callbacks, score, progressbar, resume=False):
        with gradients_explained(self.approx.view, self.algorithm.order):  # passes make theirs here
            run_algorithm(self, self.algorithm, n, callbacks, score, progressbar, resume)

    # ---------------------------------------------------------------- files
    @checked
    def save(self, path):
        """Write the inference to a file: parameters, optimizer state, random state, history.

        A fit that goes on from there takes the same steps as if it had never stopped.  :class:`Checkpoint` calls this
        every so many steps.

        Parameters
        ----------
        path : str or path
            An existing file is replaced in one stroke.
        """
        save_inference(self, path)

    @classmethod
    @checked
    def load(cls, path, model=None, same_data=True, data=None):
        """Inference from a file that :meth:`save` or a :class:`Checkpoint` wrote.

        :meth:`resume` then runs the steps that were left, :meth:`refine` and :meth:`fit` more steps.

        Parameters
        ----------
        path : str or path
        model : pymc3.Model, optional
            The model that was fitted, built again; default is the model of the ``with`` context.
        same_data, data
            See :func:`pymc3_vi.load`.

        Returns
        -------
        Inference
            Of the class that was saved.

        Raises
        ------
        FileFormatError
            ``error.reason`` and the message say why.
        """
        approx, described, operator, keywords, kernel = load_parts(path, model, same_data)
        found = subclass_called(described["class"], cls, path)
        inference = found.__new__(found)
        # The approximation exists already, so the class's own constructor, which makes one, is passed by.
        inference._set_up(operator, approx, kernel, **keywords)
        return inference.restore(path, same_data, data)

    @checked
    def restore(self, path, same_data=True, data=None):
        """Take over parameters, optimizer state, random state and history from a file; returns the inference itself.

        For an inference that was built as the saved one was; needed where :meth:`load` cannot make it, for example
        with encoders or kernels of one's own.  Parameters as in :meth:`load`.
        """
        point = restore_point(self, path, same_data, data)
        self.history.replace(point.history)
        if point.report is not None:
            self.report = self.approx.report = point.report
        self.planned = point.planned
        self.state = FitState(point.i, None, [], bool(point.options.get("score", True))) if point.options else None
        self.resume_point = point
        return self
