"""The rule of fits without an explicit optimizer: annealed Adam and the average of the last iterates."""

import math

import numpy as np
import theano
import theano.tensor as tt

from ..errors import ConvergenceWarning
from ..updates import adam, get_or_compute_grads, tail_average
from ..validation import check_number, warn_user

__all__ = ["AnnealedAdam", "TailAveraged"]


#: Part of the steps after which a change of the log density comes too late.
LATE = 0.7


class AnnealedAdam:
    r"""Adam whose rate falls to almost zero over the steps asked for, with the tail of the iterates averaged.

    Over the n steps of one call of ``fit`` the rate of step t is

    .. math:: \eta_t = \eta \left(\varphi + (1 - \varphi) \tfrac12 (1 + \cos \pi t / n)\right)

    so the first steps travel and the last ones settle.  The final parameters are the average of the iterates from
    step :math:`(1 - \tau) n` on (Polyak and Juditsky 1992).  n is a shared scalar: another n compiles nothing.

    Parameters
    ----------
    learning_rate : float
        Rate of the first step, :math:`\eta`.
    final : float
        Fraction :math:`\varphi` of it that is left in the end.
    tail : float
        Fraction :math:`\tau` of the steps that is averaged; 0 keeps the last iterate.
    beta2 : float
        Decay of Adam's mean square; smaller forgets large early gradients sooner.
    rates : dict, optional
        Shared variable -> factor of its rate, for those that move more slowly than the others.
    log_params : list of shared variables
        Parameters :math:`\rho` of scales :math:`\sigma = \log(1 + e^\rho)`: steps are those of :math:`\log \sigma`.

    Notes
    -----
    Adam sees :math:`\theta / u` with units u (:attr:`units`) that come from the problem, so that nothing depends on the
    units of the data: with data and prior in other units it takes the same steps.
    """

    #: The average over the tail gains most from noise whose moments match within a block.
    balanced_noise = True

    def __init__(self, learning_rate=0.05, final=0.02, tail=0.4, beta2=0.999, rates=None, log_params=()):
        self.rates, self.log_params = dict(rates or {}), set(log_params)
        #: Shared variable -> shared array: the unit in which it moves, 1 until :meth:`measure` says more.
        self.units = {}
        self.learning_rate, self.final, self.tail, self.beta2 = learning_rate, final, tail, beta2
        self._step = theano.shared(np.int64(0), "annealing_step")
        self._begin = theano.shared(np.int64(0), "annealing_begin")
        self._length = theano.shared(np.float64(1.0), "annealing_length")
        self._average_from = theano.shared(np.int64(0), "average_from")
        self.averages = {}
        self.last_iterate = {}
        #: The last change of the log density: names of what was changed, and after how many steps.
        self.changed = None

    def __call__(self, loss_or_grads, params):
        done = tt.clip(tt.cast(self._step - self._begin, "float64") / self._length, 0.0, 1.0)
        wave = np.float64(0.5) * (np.float64(1.0) + tt.cos(np.float64(math.pi) * done))
        final = np.float64(self.final)
        rate = np.float64(self.learning_rate) * (final + (np.float64(1.0) - final) * wave)
        updates = self._in_units(loss_or_grads, params, rate)
        if self.tail:
            updates = tail_average(updates, params, self._average_from, self._step)
            self.averages = dict(updates.averages)
        updates[self._step] = self._step + 1
        return updates

    def _in_units(self, loss_or_grads, params, rate):
        grads = get_or_compute_grads(loss_or_grads, params)
        slopes, places = [], []
        for param, grad in zip(params, grads):
            unit = self._unit(param)
            if param in self.log_params:
                sigma = tt.nnet.softplus(param)
                slopes.append(grad * sigma / tt.nnet.sigmoid(param))
            else:
                slopes.append(grad * unit)
            # The origin moves along: only the step away from it counts.
            zero = np.zeros(param.get_value(borrow=True).shape, dtype=param.dtype)
            places.append(theano.shared(zero, f"{param.name}_step", broadcastable=param.broadcastable))
        updates = adam(slopes, places, learning_rate=rate, beta2=self.beta2)
        for param, place in zip(params, places):
            step = updates.pop(place) * np.asarray(self.rates.get(param, 1.0), dtype=param.dtype)
            if param in self.log_params:
                sigma = tt.nnet.softplus(param) * tt.exp(step)
                updates[param] = sigma + tt.log(-tt.expm1(-sigma))
            else:
                updates[param] = param + self._unit(param) * step
        updates.params = list(params)
        return updates.match_types()

    def _unit(self, param):
        if param not in self.units:
            value = np.ones(param.get_value(borrow=True).shape[-1:], dtype=param.dtype)
            self.units[param] = theano.shared(value, f"{param.name}_unit")
        return self.units[param]

    def measure(self, units):
        """Set the units: shared variable -> array of its last axis."""
        for param, unit in units.items():
            if param in self.units:
                self.units[param].set_value(np.asarray(unit, dtype=param.dtype))

    def begin(self, n):
        """Spread the schedule over the next `n` steps."""
        self.last_iterate, self.changed = {}, None
        now = int(self._step.get_value())
        self._begin.set_value(np.int64(now))
        self._length.set_value(np.float64(max(n, 1)))
        self._average_from.set_value(np.int64(now + n - math.ceil(self.tail * n)))

    def density_changed(self, names, i):
        """Say that the log density is another one from step number `i` of this fit on: older iterates do not count."""
        self.changed = names, i
        now = self._step.get_value()
        if now > self._average_from.get_value():
            self._average_from.set_value(now)

    def reopen(self):
        """Go on with the steps of an interrupted fit: undo its :meth:`finish`, keep the schedule."""
        for param, value in self.last_iterate.items():
            param.set_value(value)
        self.last_iterate = {}

    def snapshot(self):
        """Where the schedule began, how long it is, and the last iterate if :meth:`finish` replaced it."""
        last = [self.last_iterate[p] for p in self.averages] if self.last_iterate else None
        return {
            "begin": int(self._begin.get_value()),
            "length": float(self._length.get_value()),
            "average_from": int(self._average_from.get_value()),
            "last_iterate": last,
            "units": [unit.get_value() for unit in self.units.values()],
        }

    def restore(self, snapshot):
        """Take over a :meth:`snapshot`."""
        self._begin.set_value(np.int64(snapshot["begin"]))
        self._length.set_value(np.float64(snapshot["length"]))
        self._average_from.set_value(np.int64(snapshot["average_from"]))
        for unit, value in zip(self.units.values(), snapshot.get("units", ())):
            unit.set_value(np.asarray(value, dtype=unit.dtype))
        last = snapshot["last_iterate"]
        self.last_iterate = {} if last is None else dict(zip(self.averages, last))

    def finish(self):
        """Put the average of the tail into the parameters; the last iterate stays in `last_iterate`.

        Warns
        -----
        ConvergenceWarning
            When the log density was changed so late that the steps left were too few or too small to follow.
        """
        self._warn_of_late_change()
        if int(self._step.get_value()) <= int(self._average_from.get_value()):
            return  # stopped before the tail began
        for param, average in self.averages.items():
            value = average.get_value()
            if np.isfinite(value).all():
                self.last_iterate[param] = param.get_value()
                param.set_value(value)

    def _warn_of_late_change(self):
        length = self._length.get_value()
        if self.changed is None or self.changed[1] <= LATE * length:
            return
        names, i = self.changed
        warn_user(
            f"A callback changed {', '.join(names)}, which the log density reads, up to step {i:,} of {length:,.0f}, "
            "when steps had become small: the result may lag behind. Make the last change in the first half of the "
            "steps, or call fit again.",
            ConvergenceWarning,
        )

    def __repr__(self):
        values = f"learning_rate={self.learning_rate}, final={self.final}, tail={self.tail}, beta2={self.beta2}"
        return f"AnnealedAdam({values})"


class TailAveraged(AnnealedAdam):
    """An optimizer of the user's, with the tail of its iterates averaged.

    Parameters
    ----------
    optimizer : callable
    tail : float
        Fraction of the steps that is averaged.
    """

    balanced_noise = False

    def __init__(self, optimizer, tail):
        super().__init__(tail=check_number(tail, "average", "fit", low=0, high=1, low_open=True))
        self.optimizer = optimizer

    def __call__(self, loss_or_grads, params):
        updates = tail_average(self.optimizer(loss_or_grads, params), params, self._average_from, self._step)
        self.averages = dict(updates.averages)
        updates[self._step] = self._step + 1
        return updates

    def __repr__(self):
        return f"TailAveraged({self.optimizer!r}, tail={self.tail})"
