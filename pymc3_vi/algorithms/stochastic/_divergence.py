"""Fits that end far above where they began: noticed, said, and taken back to their best state."""

import numpy as np

from ...errors import ConvergenceWarning
from ...validation import warn_user
from .._non_finite import TermsAtDraws

__all__ = ["DivergenceWatch"]

#: Windows that a fit is divided into, and the least steps of one.
WINDOWS, SMALLEST = 20, 20
#: Draws at which states are compared.
DRAWS = 20
#: How far a fit has diverged: spreads of the losses of its best state, and nats in each dimension beside a few.
SPREADS, FEW, EACH = 10.0, 5.0, 0.5
#: Without entropy log p falls honestly too, from a mode to where the mass is and while particles spread: more of them.
EACH_OF_LOGP = 100.0


class DivergenceWatch:
    """Callback that keeps the state of the start and that of the window with the lowest median loss.

    In the end they are compared with what the fit has led to, at the same draws and under the log density of that
    moment, which callbacks may have changed; of data that come as a stream, losses are compared as they were.

    Parameters
    ----------
    task : Task
    step : Step
    first, n : int
        Steps done before, and steps of this fit.
    """

    def __init__(self, task, step, first, n):
        self.params, self.losses, self.step, self.task = list(task.approx.params), task.losses, step, task
        self.first, self.window = first, max(n // WINDOWS, SMALLEST)
        self._begin, self._seen, self._lowest = len(task.losses()), 0, np.inf
        #: Step after which it was -> parameters: the start, and the best since.
        self._states = {first: self._values()}

    def _values(self):
        return [p.get_value() for p in self.params]

    def next_call(self, i):
        """At the end of the next window."""
        if not self.step.has_loss:
            return self.first + 10**12
        return self.first + ((i - self.first) // self.window + 1) * self.window

    def __call__(self, approx, losses, i):
        losses = self.losses()[self._begin :]
        whole = len(losses) // self.window
        if whole > self._seen and np.median(losses[(whole - 1) * self.window : whole * self.window]) < self._lowest:
            self._lowest = np.median(losses[(whole - 1) * self.window : whole * self.window])
            self._states = {self.first: self._states[self.first], i: self._values()}
        self._seen = whole

    def finish(self, optimizer, is_default):
        """Warn of a fit that has diverged, and put its best state back.

        Returns
        -------
        bool
            Whether it had.

        Warns
        -----
        ConvergenceWarning
            Names the optimizer with its rate.
        """
        if not self._may_have_diverged():
            return False
        found = self._recorded() if self.step.reads_stream else self._compared()
        if found is None:
            return False
        medians = {at: np.median(losses) for at, losses in found.items()}
        best = min(self._states, key=lambda at: float(medians[at]))
        if not np.isfinite(medians[best]):
            return False
        spread = np.median(np.abs(found[best] - medians[best]))
        each = EACH if self.step.has_loss else EACH_OF_LOGP
        dimensions = sum(group.ddim for group in self.task.approx.groups)
        if not medians["end"] > medians[best] + SPREADS * spread + FEW + each * dimensions:
            return False
        self._put(self._states[best])
        what = "loss" if self.step.has_loss else "negative log density"
        advice = "Begin elsewhere (start=...), or take more steps"
        if not is_default:
            advice = (
                f"Take a smaller learning rate than that of {optimizer!r}, or the default rule (obj_optimizer=None)"
            )
        warn_user(
            f"The fit has diverged: the median {what} is {medians[self.first]:,.5g} at its start, "
            f"{medians[best]:,.5g} at its best and {medians['end']:,.5g} at its end. The parameters are those after "
            f"step {best:,}, where it was lowest. {advice}.",
            ConvergenceWarning,
        )
        return True

    def _put(self, values):
        for param, value in zip(self.params, values):
            param.set_value(value)

    # ---------------------------------------------------------------- what is compared
    def _may_have_diverged(self):
        """Whether the last losses are above the first, or above those of the best window; True without losses."""
        if not self.step.has_loss:
            return True
        losses = self.losses()[self._begin :]
        if not len(losses):
            return False
        return np.median(losses[-min(len(losses) // 4 + 1, SMALLEST) :]) > min(losses[0], self._lowest)

    def _recorded(self):
        """Losses of the first, best and last windows, for streams that cannot be put back; None where they are few."""
        losses, window = self.losses()[self._begin :], self.window
        if len(losses) < 3 * window:
            return None
        ends = {at: max(at - self.first, window) for at in self._states}
        return {"end": losses[-window:], **{at: losses[end - window : end] for at, end in ends.items()}}

    def _compared(self):
        """Losses of the kept states and of the last one at the same draws; None where nothing can give them."""
        measure = self._measure()
        if measure is None:
            return None
        found, end = {"end": measure()}, self._values()
        for at, values in self._states.items():
            self._put(values)
            found[at] = measure()
        self._put(end)
        return found

    def _measure(self):
        """What gives the losses of the parameters as they are, always at the same draws; None where nothing can."""
        approx, step, seeds = self.task.approx, self.step, self.task.approx.groups[0].seeds
        if approx.has_local and not step.has_loss:
            return None
        if step.has_loss:
            noise = step.graph.noise.sample(DRAWS, seeds.generator("divergence"))
            return lambda: np.nan_to_num(step.trial(noise, streams=True), nan=np.inf, posinf=np.inf)
        try:
            look = TermsAtDraws.of(approx, self.task.options.get("more_replacements"), slopes=False)
        except Exception:  # looking must never be what ends a fit
            return None

        def measure():
            generator = seeds.generator("divergence")
            draws = zip(*(group.noise_array(DRAWS, generator) for group in approx.groups))
            return np.array([_minus_logp(look, draw) for draw in draws])

        return measure


def _minus_logp(look, draw):
    try:
        value = -sum(float(np.sum(term)) for term in look(draw)[0])
    except Exception:  # a user's Op may raise anything
        return np.inf
    return value if np.isfinite(value) else np.inf
