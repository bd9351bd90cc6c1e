"""Draws from an approximation with log p and log q at each of them."""

import numpy as np
import theano

from ..compiler import building, compile_function, with_linear_algebra_in_c, without_test_values
from ..core import draws_at_once
from ..errors import ExplicitInferenceError
from ..graph import floatx, made_once, substitute
from ..model import data_size, full_data, is_streamed
from ._cost import chains_take_seconds
from ._data import check_data
from ._density import point_density
from ._row_values import RowValues, row_density

__all__ = ["IN_PYTHON", "DensityDraws", "draws_in_memory", "look_mode", "noise_of"]

#: Bytes up to which the draws themselves are kept instead of made again when they are needed a second time.
KEEP_BUDGET = 512 * 1024 * 1024
#: Values of the draws of one call where log p needs little memory beside them.
CALL_VALUES = 2**22
#: Evaluated by Python: a few thousand draws must not wait for a C compiler.
IN_PYTHON = theano.Mode("py", "fast_run").excluding("fusion", "inplace")
#: Values of the data times points from which on they must: Python takes two seconds for so many.
FOR_THE_COMPILER = 2e7


def look_mode(view, points):
    """Mode in which log p is evaluated at some points, once: Python's where that takes less time than a compiler."""
    return IN_PYTHON if points * data_size(view) < FOR_THE_COMPILER else None


def noise_of(approx, size, generator, replacements):
    """Base noise of `size` draws as arrays, one per group.

    An amortised group gets as many rows as there are with `replacements` (the whole data) in place.
    """
    arrays = []
    for group in approx.groups:
        if group.local:
            with building():
                rows = int(substitute(group.bdim, replacements).eval())
            arrays.append(floatx(generator.standard_normal((size, rows, group.ddim))))
        else:
            arrays.append(group.noise_array(size, generator))
    return arrays


class DensityDraws:
    """Independent draws z from an approximation, log p(z, data) and log q(z).

    The whole data stand in for minibatches, so that log p is the model's own.  Draws are evaluated in batches that
    fit into memory, one compiled call each.

    Parameters
    ----------
    approx : Approximation
    draws : int
    generator : numpy.random.Generator

    Attributes
    ----------
    logp, logq : ndarray (draws,)
        Float64.
    heaviest : ndarray (d,)
        The draw with the largest importance weight.
    streamed : bool
        Whether log p is only an estimate from the data that a Python generator gave last.

    Raises
    ------
    ExplicitInferenceError
        If the approximation does not define log q.
    OtherDataError
        If the model's data have changed since the fit.
    """

    def __init__(self, approx, draws, generator):
        if not approx.has_logq:
            raise ExplicitInferenceError(
                f"{approx.title} does not define log q, so its draws have no importance weights. "
                "Particles are judged by their Stein discrepancy instead: approx.diagnose()."
            )
        check_data(approx)
        self.approx = approx
        self.draws = draws
        self.streamed = is_streamed(approx.view)
        self._bit_generator = generator.bit_generator
        self._start = self._bit_generator.state
        self._generator = generator
        rows = row_density(approx)
        self.replacements = full_data(approx.view) if rows is None else {}
        if rows is not None:
            self._function = _function_of_points(approx, RowValues(rows, approx, draws))
            self._chunk = draws
        elif chains_take_seconds(approx):
            self._function = _function_of_points(approx, _values(approx), IN_PYTHON)
            self._chunk = max(CALL_VALUES // approx.ddim, 1)
        else:
            self._function = _density_function(approx, self.replacements)
            self._chunk = draws_in_memory(approx, draws)
        self._kept = [] if draws * approx.ddim * np.dtype(theano.config.floatX).itemsize <= KEEP_BUDGET else None
        self._evaluate()

    def _evaluate(self):
        logp, logq, largest = [], [], -np.inf
        for eps in self._fresh_noise():
            at_p, at_q, *z = self._function(*eps)
            logp.append(at_p)
            logq.append(at_q)
            z = self._flat(z)
            weights = np.nan_to_num(at_p - at_q, nan=-np.inf, posinf=np.inf, neginf=-np.inf)
            heaviest = int(np.argmax(weights))
            if weights[heaviest] > largest or len(logp) == 1:
                largest, self.heaviest = weights[heaviest], np.array(z[heaviest])
            if self._kept is not None:
                self._kept.append((eps, z))
        self._end = self._bit_generator.state
        self.logp = np.concatenate(logp).astype("float64")
        self.logq = np.concatenate(logq).astype("float64")

    def _fresh_noise(self):
        for begin in range(0, self.draws, self._chunk):
            yield noise_of(self.approx, min(self._chunk, self.draws - begin), self._generator, self.replacements)

    @staticmethod
    def _flat(z):
        parts = [part.reshape(len(part), -1) for part in z]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def _pairs(self):
        """(eps, z) of every chunk; what was not kept is made again from the same random numbers."""
        if self._kept is not None:
            yield from self._kept
            return
        self._bit_generator.state = self._start
        try:
            for eps in self._fresh_noise():
                yield eps, self._flat(self._function(*eps)[2:])
        finally:
            self._bit_generator.state = self._end

    def noise(self):
        """Base noise in order of the densities: lists of arrays (n, ...), one per group."""
        for eps, _ in self._pairs():
            yield eps

    def chunks(self):
        """Draws in order of the densities: pairs of a slice and z (n, d), groups side by side, rows flattened."""
        begin = 0
        for _, z in self._pairs():
            yield slice(begin, begin + len(z)), z
            begin += len(z)

    def pick_noise(self, index):
        """Base noise of the draws `index` (n,), one array per group."""
        index = np.asarray(index)
        parts = [None] * len(self.approx.groups)
        begin = 0
        for eps, _ in self._pairs():
            inside = (index >= begin) & (index < begin + len(eps[0]))
            for position, array in enumerate(eps):
                if parts[position] is None:
                    parts[position] = np.empty((len(index),) + array.shape[1:], dtype=array.dtype)
                parts[position][inside] = array[index[inside] - begin]
            begin += len(eps[0])
        return parts

    @property
    def log_weights(self):
        """log p - log q, (draws,); a draw at which log p is not a number counts as impossible."""
        weights = self.logp - self.logq
        return np.where(np.isnan(weights), -np.inf, weights)

    @property
    def undefined(self):
        """Number of draws at which log p or log q is not a number."""
        return int(np.sum(np.isnan(self.logp - self.logq)))


def _density_function(approx, replacements):
    """Compiled function noise -> log p, log q, z of every group; compiled once per approximation."""
    return made_once(approx, "density_function", lambda: _compile(approx, replacements))


def _values(approx):
    """log p at points by the function that chains use: where they are cheap, compiling another would cost more."""
    density = point_density(approx)
    return lambda z: density.slopes(z)[0]


def _function_of_points(approx, values, mode=None):
    """The same where log p is a function of points, as for models of many rows."""
    compiled = made_once(approx, "draw_function", lambda: _compile_draws(approx, mode), mode)

    def function(*eps):
        logq, *z = compiled(*eps)
        return [values(DensityDraws._flat(z).astype("float64", copy=False)), logq] + z

    return function


@without_test_values
def _compile_draws(approx, mode):
    eps = [group.symbolic_initial.type("eps") for group in approx.groups]
    z = [group.transform(e) for group, e in zip(approx.groups, eps)]
    logq = approx._sum_logq([group.log_density(e) for group, e in zip(approx.groups, eps)], z, True)
    return compile_function(eps, [logq] + z, name="draws", mode=mode)


@without_test_values
def _compile(approx, replacements):
    eps = [group.symbolic_initial.type("eps") for group in approx.groups]
    terms = approx.terms(eps, batched=True, replacements=replacements)
    nodes = [terms.sized_varlogp + terms.sized_datalogp, terms.sized_logq] + list(terms.z)
    return compile_function(eps, with_linear_algebra_in_c(nodes), name="densities")


def draws_in_memory(approx, draws):
    """How many of `draws` draws one compiled call that reads the whole data should make, for want of memory."""
    view = approx.view
    return draws_at_once(approx, substitute(view.logp(), full_data(view)), draws)
