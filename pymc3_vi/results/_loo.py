"""Leave-one-out cross-validation of models whose posterior is known by draws from an approximation."""

import warnings

import arviz as az
import numpy as np
import xarray as xr
from scipy.special import logsumexp

from ..core import Approximation
from ..diagnostics import ImportanceWeights, check_data, khat_threshold, nearly_equal, row_density
from ..errors import UnreliableWeightsWarning, VariationalInferenceError
from ..parameters import checked
from ..validation import require, unknown_name, warn_user
from ._inference_data import to_inference_data
from ._loo_rows import RowScores, scores_of
from ._model_draws import ModelDraws

__all__ = ["loo"]

#: Factor of the log score on each of ArviZ's scales.
SCALES = {"log": 1, "negative_log": -1, "deviance": -2}

#: Bytes of the log-likelihoods that are looked at together.
BLOCK_BYTES = 2**26

#: Error of a score, in nats, up to which nearly equal weights are taken as they are.
CLOSE_SCORE = 0.1


@checked
def loo(data, draws=4000, var_name=None, scale=None, random_seed=None, subsample=None, progressbar=None):
    r"""Pareto-smoothed leave-one-out cross-validation with draws from an approximation.

    .. math:: \widehat{\mathrm{elpd}} = \sum_i \log \sum_s \bar w_{is}\, p(y_i \mid z_s), \qquad
              w_{is} \propto \frac{p(z_s, D)}{q(z_s)} \, \frac{1}{p(y_i \mid z_s)}

    with weights smoothed and normalised over s for each observation i.  ``az.loo`` leaves out the first factor: it
    judges the approximation's predictions as if its draws came from the posterior.

    Parameters
    ----------
    data : Approximation or arviz.InferenceData
        An approximation with log q, or what ``approx.to_inference_data(...)`` returned.
    draws : int
        Number of draws from an approximation; without use for InferenceData, which have theirs.
    var_name : str, optional
        Observed variable, when there are several.
    scale : {'log', 'negative_log', 'deviance'}, optional
        Default: ArviZ's setting ``stats.ic_scale``.
    random_seed : int, optional
    subsample : int or False, optional
        Of an approximation of a model that reads many rows (minibatches, ``DataLoader``): number of rows whose scores
        are computed with all draws; False for all of them.  By default those of 4,000 to 64,000 rows, until the error
        of the sample is a tenth of the standard error of the estimate.  The scores of the other rows come from a few
        draws, corrected by the mean difference in the sample.
    progressbar : bool, optional
        Whether a bar tells how many of many rows have their scores.  Default: one that comes after three seconds.

    Returns
    -------
    arviz.ELPDData
        As from ``az.loo(..., pointwise=True)``: the estimate, its standard error, ``p_loo``, ``loo_i`` and
        ``pareto_k`` of every observation.  ``az.compare`` takes it.  With a sample also ``subsampling_se``, the
        standard error that it adds, and ``subsample``, its number of rows; ``pareto_k`` is NaN outside of it.

    Raises
    ------
    VariationalInferenceError
        If `data` has no log-likelihood, that of a sample of rows, or no densities at the draws.
    UnknownNameError
        If `var_name` is not an observed variable.

    Warns
    -----
    UnreliableWeightsWarning
        When k-hat of some observation is above its threshold and its weights are not nearly equal.

    References
    ----------
    Magnusson, Andersen, Jonasson, Vehtari: Bayesian Leave-one-out Cross-validation for Large Data, ICML 2019, eq. 5-7.
    Vehtari, Gelman, Gabry: Practical Bayesian Model Evaluation Using Leave-one-out Cross-validation and WAIC,
    Statistics and Computing 27, 2017.
    Magnusson, Andersen, Jonasson, Vehtari: Leave-One-Out Cross-Validation for Bayesian Model Comparison in Large Data,
    AISTATS 2020 (the sample of rows).
    """
    scale = az.rcParams["stats.ic_scale"] if scale is None else scale
    if isinstance(data, Approximation):
        check_data(data)
        density = row_density(data)
        if density is not None and data.has_logq:
            return _of_rows(data, density.model, draws, var_name, scale, random_seed, subsample, progressbar)
        data = to_inference_data(data, draws, random_seed=random_seed)
    likelihood, log_weights = _log_likelihood(data, var_name).transpose("chain", "draw", ...), _log_weights(data)
    found = zip(*_block_by_block(log_weights, likelihood.values.reshape(len(log_weights), -1)))
    scores, in_sample, khat, unreliable = (np.concatenate(parts) for parts in found)
    p_loo, bad = float(in_sample.sum() - scores.sum()), int(unreliable.sum())
    _warn(bad, khat.size, len(log_weights))
    result = _filled(likelihood.name, len(log_weights), scale, scores, p_loo, bool(bad))
    form = likelihood.isel(chain=0, draw=0, drop=True)
    result["loo_i"], result["pareto_k"] = (
        form.copy(data=values.reshape(form.shape)).rename(result[key].name)
        for key, values in (("loo_i", SCALES[scale] * scores), ("pareto_k", khat))
    )
    return result


def _block_by_block(log_weights, likelihood):
    """Scores, those of the whole data, k-hats and whether they are too large, of some observations (s, n) at a time."""
    whole = np.log(ImportanceWeights(log_weights).weights)
    size = max(BLOCK_BYTES // (8 * len(log_weights)), 1)
    for begin in range(0, likelihood.shape[1], size):
        block = np.ascontiguousarray(likelihood[:, begin : begin + size].T, dtype="float64")
        scores, khat, smoothed = scores_of(log_weights, block)
        yield scores, logsumexp(whole + block, axis=-1), khat, _unreliable(khat, smoothed, block)


def _of_rows(approx, model, draws, var_name, scale, random_seed, subsample, progressbar):
    """From a sample of many rows, or from all of them, block after block."""
    found = ModelDraws(approx, draws, "loo", False, False, random_seed)
    log_weights = np.where(np.isnan(found.logp - found.logq), -np.inf, found.logp - found.logq)
    count = model.rows if subsample is False else None if subsample is True else subsample
    rows = RowScores(approx, model, var_name, found.z, log_weights, count, _unreliable, progressbar)
    _warn(rows.unreliable, len(rows.rows), draws)
    result = _filled(rows.name, draws, scale, rows.scores, rows.p_loo, bool(rows.unreliable))
    dims = [f"{rows.name}_dim_0"]
    result["loo_i"] = xr.DataArray(SCALES[scale] * rows.scores, dims=dims, name=result["loo_i"].name)
    result["pareto_k"] = xr.DataArray(rows.khat, dims=dims, name=result["pareto_k"].name)
    result["subsampling_se"], result["subsample"] = abs(SCALES[scale]) * rows.error, len(rows.rows)
    return result


def _unreliable(khat, log_weights, likelihood):
    """Where the weights (..., s) of an observation cannot be trusted."""
    return ~(khat <= khat_threshold(likelihood.shape[-1])) & ~_harmless(log_weights, likelihood)


def _harmless(log_weights, likelihood):
    r"""Where the weights (..., s) of an observation are so nearly equal that their tail cannot move its score.

    k-hat knows no scale, so it says nothing of weights that hardly differ.  The error of a score,
    :math:`\sqrt{\sum_s w_s^2 (p_s / \bar p - 1)^2}` with p the likelihoods and :math:`\bar p` their weighted mean,
    must then be small as well.
    """
    weights = np.exp(log_weights)
    share = np.exp(likelihood - logsumexp(log_weights + likelihood, axis=-1)[..., None])
    error = np.sqrt(np.sum((weights * (share - 1)) ** 2, axis=-1))
    return nearly_equal(weights) & (2 * error < CLOSE_SCORE)


def _log_likelihood(data, var_name):
    """Log-likelihood (chain, draw, ...) of one observed variable."""
    if "log_likelihood" not in data.groups():
        raise VariationalInferenceError(
            "loo needs the log-likelihood of every observation, which these InferenceData do not have. "
            "Make them with approx.to_inference_data(log_likelihood=True)."
        )
    if "rows" in data.log_likelihood.attrs:
        raise VariationalInferenceError(
            "loo needs the log-likelihood of every observation, and these InferenceData have that of a sample of rows. "
            "Pass the approximation itself: pymc3_vi.loo(approx) takes a sample of its own and tells its error."
        )
    names = list(data.log_likelihood.data_vars)
    if var_name is None:
        require(
            len(names) == 1,
            ValueError,
            "var_name",
            "loo",
            f"given when there are several observed variables: {names}",
            var_name,
        )
        return data.log_likelihood[names[0]]
    if var_name not in names:
        raise unknown_name(var_name, names, "var_name", "loo", "log-likelihood")
    return data.log_likelihood[var_name]


def _log_weights(data):
    """log p - log q at the draws (s,); zeros for draws that are taken for draws from the posterior."""
    stats = data.sample_stats if "sample_stats" in data.groups() else {}
    if data.posterior.attrs.get("correct"):
        return np.zeros(data.posterior.sizes["chain"] * data.posterior.sizes["draw"])
    if "logp" not in stats or "logq" not in stats:
        raise VariationalInferenceError(
            "loo needs log p and log q at the draws: an approximation with a density, or InferenceData from its "
            "to_inference_data. For particles and for NUTS, whose draws have no log q, use arviz.loo."
        )
    log_weights = (stats["logp"] - stats["logq"]).values.reshape(-1)
    return np.where(np.isnan(log_weights), -np.inf, log_weights)


def _warn(bad, rows, draws):
    if bad:
        warn_user(
            f"k-hat of {bad:,} of {rows:,} observations is above {khat_threshold(draws):.2f}: their cross-validation "
            "is not reliable. approx.diagnose() says how well the approximation itself can be corrected.",
            UnreliableWeightsWarning,
        )


def _filled(name, draws, scale, scores, p_loo, bad):
    """ArviZ's own result for two rows of as many draws with our numbers in it, so that it prints and compares as ever.

    What it has for every row is still to be put in.
    """
    form = az.from_dict(posterior={"x": np.zeros((1, draws))}, log_likelihood={name: np.zeros((1, draws, 2))})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = az.loo(form, pointwise=True, var_name=name, scale=scale)
    scores = SCALES[scale] * scores
    result.iloc[0] = float(scores.sum())
    result.iloc[1] = float(np.sqrt(scores.size * scores.var()))
    result["p_loo"], result["warning"], result["n_data_points"] = p_loo, bad, scores.size
    return result
