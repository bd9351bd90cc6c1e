"""Stochastic gradients: an optimizer, and if wanted the average of its last iterates."""

import numpy as np
from theano.graph.fg import MissingInputError

from ...errors import ConvergenceWarning, ParameterValueError
from ...steps import Step
from ...validation import warn_user
from .._algorithm import Algorithm
from ._clock import Clock
from ._divergence import DivergenceWatch
from ._pilot import begin_at_pilot
from ._pre_flight import check_draws
from ._tail_average import TailAverage

__all__ = ["StochasticGradients"]

#: Part of the steps after which a change of the log density comes too late.
LATE = 0.7


class StochasticGradients(Algorithm):
    """Compiled gradient steps by any optimizer.

    Parameters
    ----------
    optimizer : callable, optional
        ``(loss_or_grads, params) -> updates``; default is the fit's `obj_optimizer`, or :class:`AnnealedAdam`.
    average : float, optional
        The result is the average of this last fraction of the iterates; default is the fit's `average`.
    pilot : {'posterior', 'prior'}
        The mean field from which the default optimizer takes its units, and where it begins: by few fixed draws on the
        whole data, or that of the prior, at once; with the latter q begins narrow at its start point.

    Raises
    ------
    ParameterValueError
        For another `pilot`.
    """

    name = "stochastic"
    takes_optimizer = True

    def __init__(self, optimizer=None, average=None, pilot="posterior"):
        if pilot not in ("posterior", "prior"):
            raise ParameterValueError(
                f"The 'pilot' parameter of StochasticGradients must be 'posterior' or 'prior'. Got {pilot!r} instead."
            )
        self.optimizer, self.average, self.pilot = optimizer, average, pilot

    # ---------------------------------------------------------------- before the first step
    def obstacle(self, task):
        return None

    def prepare(self, task):
        super().prepare(task)
        optimizer = self.optimizer or task.options.get("obj_optimizer")
        average = task.average if self.average is None else self.average
        #: Whether the package's own optimizer is run, which begins at a pilot and moves in units of the problem.
        self.is_default = optimizer is None
        if optimizer is None:
            optimizer, average = task.default_optimizer, task.default_average if average is None else average
            self.clock = optimizer.clock
        else:
            self.clock = Clock() if average else None
        self.optimizer = optimizer
        self.tail = TailAverage(average, self.clock) if average else None
        self._changed = self._divergence = None
        self.compiled = self._compile(optimizer if self.clock is None else _Timed(optimizer, self.tail, self.clock))
        self.compiled.recorded_losses = task.losses

    def _compile(self, optimizer):
        options = dict(self.task.options, obj_optimizer=optimizer)
        try:
            return Step(self.task.objective.build_step(score=self.task.score, **options), fn_kwargs=self.task.fn_kwargs)
        except MissingInputError as error:
            raise ParameterValueError(
                f"A step of {self.task.objective.op} depends on a variable that has no value. Give it one by the "
                "'more_replacements' parameter of fit, or make it a theano.shared in the model, in 'obj_optimizer', "
                f"'more_updates' or 'cost_part_grad_scale'. Theano says: {str(error).splitlines()[0]}"
            ) from None

    # ---------------------------------------------------------------- a run
    @property
    def steps_done(self):
        """Steps of all runs."""
        return self.compiled.steps_done

    @property
    def left_out(self):
        """Draws that no step used."""
        return self.compiled.left_out

    @property
    def sees_density(self):
        """Whether steps compute the density itself, as a loss does, and not its gradient alone."""
        return self.compiled.has_loss or not self.task.objective.op.returns_loss

    @property
    def remembers(self):
        """Whether iterates of another log density would be averaged, or the rate be too small to follow."""
        return self.clock is not None

    @property
    def profile(self):
        """Theano's profile of the step, when compiled with ``profile=True``."""
        return self.compiled.profile

    def begin(self, n, first=False):
        self._forget_units()
        if first:
            if n and self.is_default:
                begin_at_pilot(self.task, n, of_prior=self.pilot == "prior")
            check_draws(self.task.approx, self.compiled, n, self.task.options.get("more_replacements"))
        self._changed = None
        if self.clock is not None:
            self.clock.start(n)
        if self.tail is not None:
            self.tail.start(n)

    def reopen(self):
        self._forget_units()
        if self.tail is not None:
            self.tail.undo()

    def _forget_units(self):
        """Kernels divide by the default optimizer's units only while it runs."""
        units = self.task.objective.op.units
        if units is not None and not self.is_default:
            units.set_value(np.ones_like(units.get_value()))

    def watches(self, first, n):
        self._divergence = DivergenceWatch(self.task, self.compiled, first, n) if n else None
        return [self._divergence] if n else []

    def run(self, k):
        return self.compiled.run(k)

    def recent_losses(self):
        return self.compiled.recent_losses()

    def density_changed(self, names, i):
        self._changed = names, i
        if self.tail is not None:
            self.tail.forget()

    def result(self):
        if self._changed is not None:
            self._warn_of_late_change(*self._changed)
        if self.tail is not None:
            self.tail.apply()
        if self._divergence is not None and self._divergence.finish(self.optimizer, self.is_default) and self.tail:
            self.tail.last_iterate = {}

    def _warn_of_late_change(self, names, i):
        length = float(self.clock.length.get_value())
        if i <= LATE * length:
            return
        warn_user(
            f"A callback changed {', '.join(names)}, which the log density reads, up to step {i:,} of {length:,.0f}, "
            "when steps had become small: the result may lag behind. Make the last change in the first half of the "
            "steps, or call fit again.",
            ConvergenceWarning,
        )

    @property
    def last_iterate(self):
        return {} if self.tail is None else self.tail.last_iterate

    def release(self):
        self.compiled.release()

    # ---------------------------------------------------------------- state
    def _parts(self):
        """What has a state beside the compiled step."""
        return [
            part for part in (self.clock, self.tail, self.optimizer if self.is_default else None) if part is not None
        ]

    def snapshot(self):
        schedule = {}
        for part in self._parts():
            schedule.update(part.snapshot())
        return {"rule": self.name, "step": self.compiled.snapshot(), "schedule": schedule}

    def restore(self, snapshot):
        if snapshot.get("rule") != self.name:
            raise ValueError("the saved step is not one of stochastic gradients")
        self.compiled.restore(snapshot["step"])
        for part in self._parts():
            part.restore(snapshot["schedule"])

    # ---------------------------------------------------------------- for reports
    def describe(self):
        average = "" if self.tail is None else f", average of the last {self.tail.fraction:.0%} of the iterates"
        return f"stochastic gradients by {_words(self.optimizer)}{average}"

    def failing_noise(self):
        return [
            block.shared.get_value(borrow=True)[self.compiled.position] for block in self.compiled.graph.noise.blocks
        ]


def _words(optimizer):
    """An optimizer in words; the address of a function tells nothing."""
    return getattr(optimizer, "__name__", None) or repr(optimizer)


class _Timed:
    """An optimizer, the average of its iterates and the clock of both, as one optimizer."""

    def __init__(self, optimizer, tail, clock):
        self.optimizer, self.tail, self.clock = optimizer, tail, clock
        #: See :class:`AnnealedAdam`.
        self.balanced_noise = getattr(optimizer, "balanced_noise", False)

    def __repr__(self):
        return repr(self.optimizer)

    def __call__(self, loss_or_grads, params):
        updates = self.optimizer(loss_or_grads, params)
        if self.tail is not None:
            updates = self.tail(updates, params)
        updates[self.clock.now] = self.clock.now + 1
        return updates
