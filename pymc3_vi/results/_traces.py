"""PyMC3's traces as ArviZ takes them.

ArviZ dropped ``from_pymc3`` in 0.13, but ``pm.sample`` calls it, and no earlier ArviZ works with the pandas of Python
3.11; there the function here takes its place.
"""

import arviz as az
import numpy as np
import pymc3

from ..compiler import compile_function
from ..model import (
    ModelView,
    constant_arrays,
    is_streamed,
    model_coords,
    observed_arrays,
    pointwise_logp,
    variable_dims,
)

__all__ = ["from_pymc3"]

#: PyMC3's names of sampler statistics -> ArviZ's.
_STATISTICS = {
    "model_logp": "lp",
    "mean_tree_accept": "acceptance_rate",
    "depth": "tree_depth",
    "tree_size": "n_steps",
}


def from_pymc3(
    trace=None,
    *,
    prior=None,
    posterior_predictive=None,
    log_likelihood=True,
    coords=None,
    dims=None,
    model=None,
    save_warmup=None,
    density_dist_obs=True,
):
    """A trace of PyMC3 3, and draws of the data, as ``arviz.InferenceData``.

    Parameters
    ----------
    trace : pymc3.MultiTrace, optional
    prior : dict, optional
        {name: array (draws, ...)}, as from ``pm.sample_prior_predictive``; draws of observed variables become
        ``prior_predictive``.
    posterior_predictive : dict, optional
        {name: array}, with an axis for the draws of all chains one after the other, or for chains and one for draws.
    log_likelihood : bool
        Whether to compute the log-likelihood of every observation at every draw.
    coords, dims : dict, optional
        Labels and names of dimensions, in addition to those of the model.
    model : pymc3.Model, optional
        By default that of the trace, else that of the context.
    save_warmup : bool, optional
        Whether tuning draws, where the trace has them, become groups of their own; otherwise they are left out.
    density_dist_obs : bool
        Taken for compatibility; densities without data of their own have no ``observed_data``.

    Returns
    -------
    arviz.InferenceData
    """
    if model is None and trace is not None:
        model = trace._straces[trace.chains[0]].model
    view = ModelView(pymc3.modelcontext(model))
    observed = observed_arrays(view)
    groups = dict(observed_data=observed or None, constant_data=constant_arrays(view) or None)
    if prior is not None:
        drawn = {name: np.asarray(value)[None] for name, value in prior.items() if not name.endswith("__")}
        groups["prior"] = {name: value for name, value in drawn.items() if name not in observed} or None
        groups["prior_predictive"] = {name: value for name, value in drawn.items() if name in observed} or None
    if trace is not None:
        tuning = len(trace) - trace.report.n_draws if trace.report.n_draws else 0
        parts = [("", trace[tuning:] if tuning else trace)]
        if save_warmup and tuning:
            parts.append(("warmup_", trace[:tuning]))
            groups["save_warmup"] = True
        for prefix, part in parts:
            groups[prefix + "posterior"] = _values(part)
            groups[prefix + "sample_stats"] = _statistics(part) or None
            if log_likelihood and view.observed and not is_streamed(view):
                groups[prefix + "log_likelihood"] = _log_likelihood(view, part)
    if posterior_predictive is not None:
        shape = (1, -1) if trace is None else (trace.nchains, len(parts[0][1]))
        groups["posterior_predictive"] = {
            name: _by_chain(np.asarray(value), shape) for name, value in posterior_predictive.items()
        }
    return az.from_dict(
        coords=dict(model_coords(view), **(coords or {})), dims=dict(variable_dims(view), **(dims or {})), **groups
    )


def _by_chain(value, shape):
    """An array with axes for chains and draws."""
    if value.shape[:2] == shape:
        return value
    return value.reshape(shape + value.shape[1:]) if len(value) == np.prod(shape) else value[None]


def _values(trace):
    names = [name for name in trace.varnames if not name.endswith("__")]
    return {name: np.stack(trace.get_values(name, combine=False, squeeze=False)) for name in names}


def _statistics(trace):
    found = {}
    for name in sorted(trace.stat_names):
        values = np.stack(trace.get_sampler_stats(name, combine=False, squeeze=False))
        if name != "tune" and values.dtype != object:
            found[_STATISTICS.get(name, name)] = values
    return found


def _log_likelihood(view, trace):
    nodes = pointwise_logp(view)
    function = compile_function(list(view.free), list(nodes.values()), on_unused_input="ignore")
    chains = []
    for chain in trace.chains:
        columns = [trace.get_values(v.name, chains=[chain]) for v in view.free]
        rows = [function(*[np.asarray(c, dtype=v.dtype) for c, v in zip(row, view.free)]) for row in zip(*columns)]
        chains.append([np.stack(values) for values in zip(*rows)])
    return {name: np.stack(values) for name, values in zip(nodes, zip(*chains))}
