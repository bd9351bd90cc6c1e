"""Draws at which the model has a density, for fits that left out others."""

import numpy as np
import theano.tensor as tt

from ..compiler import UNDEFINED, compile_function, without_test_values
from ..graph import substitute
from ..model import full_data, is_streamed

__all__ = ["defined_noise"]

#: Rounds of fresh draws; what is still left over is kept as it is.
ROUNDS = 100


def defined_noise(approx, noise, generator):
    """Base noise with other draws in place of those at which log p is not finite.

    Only after a fit that left out draws: its q is the posterior's stand-in where there is a density.  A sampler that
    begins at another draw ends at once, and a prediction from it is NaN.

    Parameters
    ----------
    approx : Approximation
    noise : list of ndarray (s, ...)
        One array per group.
    generator : numpy.random.Generator
        Other draws come from it, after those of `noise`.

    Returns
    -------
    list of ndarray
        `noise` itself where nothing was left out of the fit, or its data are others by now.
    """
    if not _left_out(approx) or approx.has_local or is_streamed(approx.view) or approx.fitted_to.changes():
        return noise
    noise = [np.array(array) for array in noise]
    bad = np.arange(len(noise[0]))
    for _ in range(ROUNDS):
        bad = bad[~_finite(approx, [array[bad] for array in noise])]
        if not len(bad):
            break
        for group, array in zip(approx.groups, noise):
            array[bad] = group.noise_array(len(bad), generator)
    return noise


def _left_out(approx):
    return approx.report is not None and any(run.left_out for run in approx.report.runs)


def _finite(approx, noise):
    """Whether log p is finite, for every draw."""
    cache = approx.__dict__.setdefault("_cache", {})
    if "log_density" not in cache:
        cache["log_density"] = _log_density(approx)
    at_once = approx.draws_per_call(len(noise[0]), [term.node for term in approx.view.logp_terms()])
    slices = [slice(begin, begin + at_once) for begin in range(0, len(noise[0]), at_once)]
    return np.concatenate([_finite_slice(cache["log_density"], [a[piece] for a in noise]) for piece in slices])


def _finite_slice(log_density, noise):
    try:
        return np.isfinite(log_density(*noise)[0])
    except UNDEFINED:  # an Op without a value at one of them
        if len(noise[0]) == 1:
            return np.zeros(1, dtype=bool)
        return np.concatenate([_finite_slice(log_density, [a[k : k + 1] for a in noise]) for k in range(len(noise[0]))])


@without_test_values
def _log_density(approx):
    view = approx.view
    eps = [group.symbolic_initial.type("eps") for group in approx.groups]
    z = [group.transform(e) for group, e in zip(approx.groups, eps)]
    logp = substitute(tt.add(*view.logp()), full_data(view))
    return compile_function(eps, approx.evaluate([logp], z, batched=True), name="log density of draws")
