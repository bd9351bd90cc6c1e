"""``approx.to_inference_data()``: the fit as ArviZ takes it."""

import datetime
import json

import arviz as az
import numpy as np

from ..model import constant_arrays, model_coords, observed_arrays, predictive_draws, row_numbers, variable_dims
from ..parameters import checked
from ..validation import require
from ._model_draws import ModelDraws
from ._versions import package_versions

__all__ = ["to_inference_data"]


@checked
def to_inference_data(
    approx,
    draws=1000,
    log_likelihood=None,
    coords=None,
    dims=None,
    posterior_predictive=False,
    correct=None,
    random_seed=None,
    rows=None,
    progressbar=None,
):
    r"""Draws from the approximation, with data, densities and log-likelihoods, as ``arviz.InferenceData``.

    Parameters
    ----------
    draws : int
        Number of independent draws, which make one chain.
    log_likelihood : {None, True, False, 'subsample'}
        Whether to hold the log-likelihood of every observation, :math:`\log p(y_i \mid z_s)`, for ``az.loo``,
        ``az.waic`` and ``az.compare``.  With 'subsample', that of 4,000 rows of minibatches from all over the data.
        None is True, and for minibatches, where the result would take more than 256 MB, 'subsample' with a warning.
    coords, dims : dict, optional
        Labels of dimensions and names of the variables' dimensions, in addition to those of the model
        (``pm.Model(coords=...)`` and ``dims=``), over which they win.
    posterior_predictive : bool or dict
        Whether to draw observed values as well, one for every draw, all rows of minibatches; or such draws,
        {name: array (draws, ...)}.
    correct : {None, 'psis', 'hmc'} or correction
        With 'psis', the draws are importance-resampled, as in ``approx.sample``; with 'hmc' (or
        :class:`pymc3_vi.HMC`), they are those of chains that begin at q.
    random_seed : int, optional
    rows : array of int, optional
        Numbers of rows of minibatches or of a ``DataLoader``: log-likelihoods, observed values and predictive draws are
        those of these rows, in ascending order.  Default: all.
    progressbar : bool, optional
        Whether bars tell how many rows have their log-likelihood and their predictive draws.  Default: bars that come
        after three seconds.

    Returns
    -------
    arviz.InferenceData
        With the groups

        - ``posterior`` (1, draws, ...): free variables and deterministics.  Attributes: ``method``, ``approximation``,
          ``n`` (steps), ``seed`` (of the fit), ``draws_seed``, ``correct``, ``khat``, ``khat_threshold``,
          ``nested_rhat`` (of draws of chains, the largest), and the versions of all packages;
        - ``sample_stats`` (1, draws): ``logp`` and ``logq``, the log densities at the draws, and ``weights``,
          Pareto-smoothed importance weights with sum 1 (all equal for corrected draws and for particles, which have no
          ``logq``);
        - ``log_likelihood`` (1, draws, ...): not scaled by ``total_size``; all rows of minibatches, or the `rows`.  For
          a sample the dimension ``<name>_row`` has their numbers, and the attribute ``rows`` the number of all;
        - ``observed_data``, ``constant_data``, and ``posterior_predictive`` (1, draws, ...) where asked for.

        Log-likelihoods and predictive draws of more than 256 MB lie in a temporary file, which is gone with the object;
        ``to_netcdf`` keeps them.

    Raises
    ------
    ParametrizationError
        If `rows` are given and are not there, or the model's likelihood is no sum over rows of one data set.
        If predictive draws are asked for and the data come from a generator, from minibatches of different lengths, or
        have a ``DensityDist`` without `random`.

    Warns
    -----
    UnreliableWeightsWarning
        With ``correct='psis'``, when k-hat is above its threshold.
    UnconvergedChainsWarning
        With ``correct='hmc'``, when chains have not converged.
    UserWarning
        If data come from a generator, so that there is no log-likelihood of all of them; or if data have changed since
        the fit (``pm.set_data``): draws and predictions are for the new data, and what would compare the fit with data
        that it has not seen is left out.  Not with ``posterior_predictive=True, log_likelihood=False``.

    Notes
    -----
    ``az.loo`` takes the draws for draws from the posterior; :func:`pymc3_vi.loo` takes into account that they are not.
    """
    given = isinstance(posterior_predictive, dict)
    require(
        given or isinstance(posterior_predictive, (bool, np.bool_)),
        TypeError,
        "posterior_predictive",
        "to_inference_data",
        "True, False or a dict of draws",
        posterior_predictive,
    )
    rows = None if rows is None else row_numbers(approx.view, rows, "The 'rows' parameter", "to_inference_data")
    to_predict = log_likelihood is False and (given or bool(posterior_predictive))
    found = ModelDraws(
        approx, draws, "to_inference_data", log_likelihood, correct, random_seed, rows, progressbar, to_predict
    )
    predictive = posterior_predictive if given else None
    if not given and posterior_predictive:
        seed = found.generator.integers(2**31 - 1)
        predictive = predictive_draws(approx.view, found.values, seed, rows, progressbar)
    stats = {}
    if not found.other_data:
        stats = {"logp": found.logp, "logq": found.logq, "weights": found.normalized_weights}
    observed = {} if found.other_data else observed_arrays(approx.view, rows)
    dims, coords = dict(variable_dims(approx.view), **(dims or {})), dict(model_coords(approx.view), **(coords or {}))
    if rows is not None:
        coords.update({f"{name}_dim_0": rows for name in observed if name not in dims})
    idata = az.from_dict(
        posterior=_chain(found.values),
        posterior_predictive=None if predictive is None else _chain(predictive),
        sample_stats=_chain({name: value for name, value in stats.items() if value is not None}) or None,
        log_likelihood=_chain(found.log_likelihood) or None if found.sampled_rows is None else None,
        observed_data=observed or None,
        constant_data=constant_arrays(approx.view) or None,
        coords=coords,
        dims=dims,
    )
    if found.sampled_rows is not None:
        _add_sample(idata, found)
    attributes = _attributes(approx, found, random_seed)
    for group in idata.groups():
        idata[group].attrs.update(attributes if group == "posterior" else _library(attributes))
    return idata


def _add_sample(idata, found):
    """The log-likelihood of some rows, whose dimension is not that of the observed values."""
    values = _chain(found.log_likelihood)
    part = az.from_dict(
        log_likelihood=values,
        coords={f"{name}_row": found.sampled_rows for name in values},
        dims={name: [f"{name}_row"] for name in values},
    )
    idata.add_groups({"log_likelihood": part.log_likelihood})
    idata.log_likelihood.attrs["rows"] = found.all_rows


def _chain(arrays):
    """Arrays (s, ...) with an axis for the only chain."""
    return {name: np.asarray(value)[None] for name, value in arrays.items()}


def _attributes(approx, found, random_seed):
    """What NetCDF can hold: numbers and strings."""
    versions = package_versions()
    return {
        "created_at": datetime.datetime.now(datetime.timezone.utc).isoformat(),
        "inference_library": "pymc3_vi",
        "inference_library_version": versions["pymc3_vi"],
        "method": type(approx).__name__ if approx.report is None else approx.report.method,
        "approximation": approx.title,
        "n": len(approx.hist),
        "seed": _plain(approx.groups[0].seeds.entropy),
        "draws_seed": "" if random_seed is None else _plain(random_seed),
        "correct": "" if not found.corrected else "psis" if found.points is None else "hmc",
        "khat": found.khat,
        "khat_threshold": float("nan") if found.weights is None else found.weights.threshold,
        **({} if found.points is None else {"nested_rhat": float(np.max(found.points.nested_rhat))}),
        "versions": json.dumps(versions),
    }


def _plain(seed):
    """A seed as a number where NetCDF can hold it, else in words."""
    if isinstance(seed, (int, np.integer)) and abs(int(seed)) < 2**31:
        return int(seed)
    return str(seed)


def _library(attributes):
    return {key: attributes[key] for key in ("created_at", "inference_library", "inference_library_version")}
