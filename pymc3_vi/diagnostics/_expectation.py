"""Expectations of model expressions under the posterior, by importance weighting."""

from collections import namedtuple

import numpy as np

from ..compiler import compile_function, without_test_values
from ..core import CORRECTIONS, find_correction
from ..graph import substitute
from ..model import full_data
from ..parameters import checked
from ._judged_draws import JudgedDraws
from ._resample import warn_if_unreliable

__all__ = ["Expectation", "expectation"]


class Expectation(namedtuple("Expectation", "value, error, khat, ess")):
    """An expectation with its Monte Carlo standard error.

    Attributes
    ----------
    value, error : ndarray
        In the shape of the node.
    khat : float or None
        Of the importance weights; None without correction.
    ess : float
        Effective number of draws.
    """

    __slots__ = ()


@checked
def expectation(approx, node, draws=10_000, correct="psis", random_seed=None):
    r"""Posterior expectation of an expression of the model's variables.

    .. math:: E[f] \approx \sum_s w_s f(z_s), \qquad
              \mathrm{se}^2 = \sum_s w_s^2 \left(f(z_s) - \sum_t w_t f(z_t)\right)^2

    Parameters
    ----------
    node : Variable or str
        Expression, or name of a variable of the model.
    draws : int
        Number of draws from q.
    correct : {'psis', 'hmc', None} or correction
        With 'psis', w are Pareto-smoothed importance weights, so that the answer is that of the posterior as long as
        k-hat is below its threshold; with 'hmc' (or :class:`pymc3_vi.HMC`), draws are those of chains that begin at q,
        and the error is that of the chains; with None, w = 1 / draws and the answer is that of q.
    random_seed : int, optional

    Returns
    -------
    Expectation
        ``value, error, khat, ess``.

    Warns
    -----
    UnconvergedChainsWarning
        When chains have not converged.
    UnreliableWeightsWarning
        When the weights cannot be relied on: by the last ``diagnose()`` on the same parameters, else by these draws.

    References
    ----------
    Vehtari et al.: Pareto Smoothed Importance Sampling, JMLR 25(72), 2024, section 2.
    """
    correction = find_correction(correct, "expectation", approx)
    node = approx.view.nodes(node, "node", "expectation", closed=True)
    generator = approx.generator(random_seed)
    if correction is None:
        return _plain(approx, node, draws, generator)
    if correction is not CORRECTIONS.get("psis"):
        return _at_points(approx, node, correction(approx, draws, generator))
    found = JudgedDraws(approx, draws, generator)
    warn_if_unreliable(found.judgement(), "the expectation and its error")
    source, weights = found.source, found.weights
    function = _node_function(approx, node, source.replacements)
    values = (function(*eps) for eps in source.noise())
    value, error = _weighted_moments(values, weights.weights)
    return Expectation(value, error, weights.khat, weights.ess)


def _plain(approx, node, draws, generator):
    function = _node_function(approx, node, {})
    size = approx.draws_per_call(draws, [node])
    sizes = [min(size, draws - begin) for begin in range(0, draws, size)]
    values = (function(*[g.noise_array(n, generator) for g in approx.groups]) for n in sizes)
    value, error = _weighted_moments(values, np.full(draws, 1.0 / draws))
    return Expectation(value, error, None, float(draws))


def _at_points(approx, node, points):
    points.warn("the expectation and its error", stacklevel=4)
    function = _node_function(approx, node, full_data(approx.view), of_noise=False)
    size = approx.draws_per_call(len(points.z), [node])
    parts = points.parts(approx)
    chunks = [function(*[p[begin : begin + size] for p in parts]) for begin in range(0, len(points.z), size)]
    values = np.concatenate([np.asarray(c, dtype="float64") for c in chunks])
    value = values.mean(axis=0)
    error = points.error((values - value) / len(values))
    square, variance = np.square(error), values.var(axis=0)
    worth = np.divide(variance, square, out=np.full(np.shape(square), float(len(values))), where=square > 0)
    return Expectation(value, error, None, float(np.min(worth, initial=float(len(values)))))


@without_test_values
def _node_function(approx, node, replacements, of_noise=True):
    eps = [g.symbolic_initial.type("eps") for g in approx.groups]
    z = [substitute(g.transform(e), replacements) for g, e in zip(approx.groups, eps)] if of_noise else eps
    return compile_function(eps, approx.evaluate(substitute(node, replacements), z, batched=True), name="expectation")


def _weighted_moments(chunks, weights):
    """Weighted mean and standard error of values that come in chunks (n, ...)."""
    first = squares = products = 0.0
    begin = 0
    for values in chunks:
        values = np.asarray(values, dtype="float64")
        w = weights[begin : begin + len(values)]
        begin += len(values)
        if begin == len(values):
            shift = values.mean(0)  # keeps the squares below from cancelling
        values = values - shift
        first = first + np.tensordot(w, values, axes=1)
        products = products + np.tensordot(w**2, values, axes=1)
        squares = squares + np.tensordot(w**2, values**2, axes=1)
    variance = squares - 2 * first * products + first**2 * np.sum(weights**2)
    return shift + first, np.sqrt(np.maximum(variance, 0.0))
