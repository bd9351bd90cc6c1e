"""The optimizer of fits without an explicit one: Adam in the problem's units, with a rate that falls."""

import math

import numpy as np
import theano
import theano.tensor as tt

from ...updates import adam, get_or_compute_grads
from ._clock import Clock

__all__ = ["AnnealedAdam"]


class AnnealedAdam:
    r"""Adam whose rate falls to almost zero over the steps asked for.

    Over the n steps of one call of ``fit`` the rate of step t is

    .. math:: \eta_t = \eta \left(\varphi + (1 - \varphi) \tfrac12 (1 + \cos \pi t / n)\right)

    so the first steps travel and the last ones settle.

    Parameters
    ----------
    learning_rate : float
        Rate of the first step, :math:`\eta`.
    final : float
        Fraction :math:`\varphi` of it that is left in the end.
    beta2 : float
        Decay of Adam's mean square; smaller forgets large early gradients sooner.
    rates : dict, optional
        Shared variable -> factor of its rate, for those that move more slowly than the others.
    log_params : list of shared variables
        Parameters :math:`\rho` of scales :math:`\sigma = \log(1 + e^\rho)`: steps are those of :math:`\log \sigma`.
    by_row : list of shared variables
        Parameters whose elements all have units of their own; others have one for each element of the last axis.

    Notes
    -----
    Adam sees :math:`\theta / u` with units u (:attr:`units`) that come from the problem, so that nothing depends on the
    units of the data: with data and prior in other units it takes the same steps.
    """

    #: An average over the tail gains most from noise whose moments match within a block.
    balanced_noise = True

    def __init__(self, learning_rate=0.05, final=0.02, beta2=0.999, rates=None, log_params=(), by_row=()):
        self.rates, self.log_params = dict(rates or {}), set(log_params)
        #: Shared variable -> shared array: the unit in which it moves, 1 until :meth:`measure` says more.
        self.units = {}
        #: Parameters with rows that have units of their own.
        self.by_row = set(by_row)
        self.learning_rate, self.final, self.beta2 = learning_rate, final, beta2
        self.clock = Clock()

    @classmethod
    def of(cls, objective, **settings):
        """The one for the parameters of an objective, which know their scales and how fast they may move."""
        groups = objective.approx.groups
        rates = {param: rate for group in groups for param, rate in group.param_rates.items()}
        log_params = [param for group in groups for param in group.log_params]
        by_row = [param for group in groups if group.batched and not group.local for param in group.params]
        found = cls(rates=rates, log_params=log_params, by_row=by_row, **settings)
        if objective.op.units is not None:
            found.units[objective.op.units] = objective.op.units
        return found

    def __repr__(self):
        return f"AnnealedAdam(learning_rate={self.learning_rate}, final={self.final}, beta2={self.beta2})"

    def __call__(self, loss_or_grads, params):
        wave = np.float64(0.5) * (np.float64(1.0) + tt.cos(np.float64(math.pi) * self.clock.fraction))
        final = np.float64(self.final)
        rate = np.float64(self.learning_rate) * (final + (np.float64(1.0) - final) * wave)
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
            shape = param.get_value(borrow=True).shape
            value = np.ones(shape if param in self.by_row else shape[-1:], dtype=param.dtype)
            self.units[param] = theano.shared(value, f"{param.name}_unit")
        return self.units[param]

    def measure(self, units):
        """Set the units: shared variable -> array of its last axis."""
        for param, unit in units.items():
            if param in self.units:
                self.units[param].set_value(np.asarray(unit, dtype=param.dtype))

    def snapshot(self):
        """The units."""
        return {"units": [unit.get_value() for unit in self.units.values()]}

    def restore(self, snapshot):
        """Take over a :meth:`snapshot`."""
        for unit, value in zip(self.units.values(), snapshot.get("units", ())):
            unit.set_value(np.asarray(value, dtype=unit.dtype))
