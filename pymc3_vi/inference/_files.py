"""Saving an inference, loading it, and going on."""

from collections import namedtuple

from ..errors import FileFormatError, VariationalInferenceError
from ..parameters import checked
from ..results import load_parts, rebuilt_options, restore_point, save_inference

__all__ = ["FitState", "NotFittedError", "SavedInference"]

#: Where a fit stands: steps done `i`, the compiled `step`, the `callbacks` and whether losses are computed.
FitState = namedtuple("FitState", "i, step, callbacks, score")


class NotFittedError(VariationalInferenceError, TypeError):
    """`refine` or `resume` before `fit`."""


class SavedInference:
    """Mixin for :class:`Inference`: files, and fits that go on from them."""

    #: Whether there is anything beside the approximation that a fit goes on from.
    has_steps = True

    #: Whether steps are being made, so that a callback must not begin others.
    running = False

    def check_ready(self, caller, resume=False):
        """Raise unless a fit can begin: the model is as it was, no fit is under way, and there is one to resume."""
        if self.running:
            raise VariationalInferenceError(
                f"{caller} was called by a callback of a fit of the same inference, which is still under way. Raise "
                "StopIteration in the callback to end that fit, and call it afterwards."
            )
        if resume and self.state is None:
            raise NotFittedError(
                "The 'resume' parameter of fit must be False in the first fit: there is none to resume. "
                "Got True instead."
            )
        self.approx.view.check_unchanged()

    def __getstate__(self):
        if self.state is not None:
            raise VariationalInferenceError(
                f"A fitted {type(self).__name__} cannot be pickled or copied: it holds compiled code. Pickle its "
                ".approx, or write it with .save(path) and read it with Inference.load(path, model)."
            )
        return vars(self)

    @property
    def options(self):
        """Options of the last compiled step, `score` and `fn_kwargs` included; empty before the first fit."""
        if self._compiled is None:
            return {}
        score, options, fn_kwargs, algorithm = self._compiled[0]
        options = dict(options, score=score, fn_kwargs=fn_kwargs, algorithm=algorithm)
        if options["obj_optimizer"] is self.default_rule:
            options["obj_optimizer"] = None
        elif self._averaged is not None and options["obj_optimizer"] is self._averaged:
            options.update(obj_optimizer=self._averaged.optimizer, average=self._averaged.tail)
        return options

    def rule_snapshot(self):
        """State of the default rule beside that of the step, None without one."""
        rule = self._rule
        separate = rule is not None and self.state is not None and rule is not self.state.step
        return rule.snapshot() if separate else None

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
        if self.state is None:
            raise NotFittedError("Need to call `.fit` first: there is no fit to resume yet.")
        self.check_ready("resume")
        left = max(self.planned - self.state.i, 0)
        callbacks = self.state.callbacks if callbacks is None else callbacks
        if self.state.step is None:
            return self.fit(
                left, callbacks=callbacks, progressbar=progressbar, resume=True, **rebuilt_options(self.resume_point)
            )
        with self.report.recording(left):
            self._run(self.state.step, left, callbacks, self.state.score, progressbar, resume=True)
        return self.approx

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
    def load(cls, path, model=None, same_data=True):
        """Inference from a file that :meth:`save` or a :class:`Checkpoint` wrote.

        :meth:`resume` then runs the steps that were left, :meth:`refine` and :meth:`fit` more steps.

        Parameters
        ----------
        path : str or path
        model : pymc3.Model, optional
            The model that was fitted, built again; default is the model of the ``with`` context.
        same_data : bool
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
        found = _subclass_called(described["class"], cls)
        if found is None:
            raise FileFormatError(
                f"{path} holds a {described['class']}, which is no {cls.__name__} known here. Import the module that "
                "defines it, or use Inference.load.",
                "kind",
            )
        inference = found.__new__(found)
        # The approximation exists already, so the class's own constructor, which makes one, is passed by.
        inference._set_up(operator, approx, kernel, **keywords)
        return inference.restore(path, same_data)

    @checked
    def restore(self, path, same_data=True):
        """Take over parameters, optimizer state, random state and history from a file; returns the inference itself.

        For an inference that was built as the saved one was; needed where :meth:`load` cannot make it, for example
        with encoders or kernels of one's own.  Parameters as in :meth:`load`.
        """
        point = restore_point(self, path, same_data)
        self.history.replace(point.history)
        if point.report is not None:
            self.report = self.approx.report = point.report
        self.planned = point.planned
        self.state = FitState(point.i, None, [], bool(point.options["score"])) if point.options else None
        self.resume_point = point
        return self


def _subclass_called(name, cls):
    """`cls` or the subclass of it with this name; None when there is none."""
    stack = [cls]
    while stack:
        found = stack.pop()
        if found.__name__ == name:
            return found
        stack.extend(found.__subclasses__())
    return None
