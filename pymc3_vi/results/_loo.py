"""Leave-one-out cross-validation of models whose posterior is known by draws from an approximation."""

import warnings

import arviz as az
import numpy as np
from scipy.special import logsumexp

from ..core import Approximation
from ..diagnostics import ImportanceWeights, check_data, khat_threshold, nearly_equal
from ..errors import UnreliableWeightsWarning, VariationalInferenceError
from ..parameters import checked
from ..validation import require, unknown_name, warn_user
from ._inference_data import to_inference_data

__all__ = ["loo"]

#: Factor of the log score on each of ArviZ's scales.
SCALES = {"log": 1, "negative_log": -1, "deviance": -2}

#: Error of a score, in nats, up to which nearly equal weights are taken as they are.
CLOSE_SCORE = 0.1


@checked
def loo(data, draws=4000, var_name=None, scale=None, random_seed=None):
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

    Returns
    -------
    arviz.ELPDData
        As from ``az.loo(..., pointwise=True)``: the estimate, its standard error, ``p_loo``, ``loo_i`` and
        ``pareto_k`` of every observation.  ``az.compare`` takes it.

    Raises
    ------
    VariationalInferenceError
        If `data` has no log-likelihood, or no densities at the draws.
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
    """
    if isinstance(data, Approximation):
        check_data(data)
        data = to_inference_data(data, draws, random_seed=random_seed)
    scale = az.rcParams["stats.ic_scale"] if scale is None else scale
    likelihood = _log_likelihood(data, var_name).stack(__sample__=("chain", "draw"))
    likelihood = likelihood.transpose(..., "__sample__")
    log_weights = _log_weights(data)
    smoothed, khat = az.psislw(log_weights - likelihood)
    scores = logsumexp(smoothed.values + likelihood.values, axis=-1)
    unreliable = ~(khat.values <= khat_threshold(likelihood.shape[-1])) & ~_harmless(smoothed.values, likelihood.values)
    whole = np.log(ImportanceWeights(log_weights).weights)
    in_sample = logsumexp(whole + likelihood.values, axis=-1)
    return _as_elpd(data, likelihood.name, scale, scores, in_sample, khat, int(np.sum(unreliable)))


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


def _as_elpd(data, name, scale, scores, in_sample, khat, bad):
    """ArviZ's own result for these data with our numbers in it, so that it prints and compares as ever."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = az.loo(data, pointwise=True, var_name=name, scale=scale)
    if bad:
        threshold = khat_threshold(int(result["n_samples"]))
        warn_user(
            f"k-hat of {bad} of {khat.size} observations is above {threshold:.2f}: their cross-validation is not "
            "reliable. approx.diagnose() says how well the approximation itself can be corrected.",
            UnreliableWeightsWarning,
        )
    scores = SCALES[scale] * scores
    result.iloc[0] = float(scores.sum())
    result.iloc[1] = float(np.sqrt(scores.size * scores.var()))
    result["p_loo"] = float(in_sample.sum() - scores.sum() / SCALES[scale])
    result["warning"] = bool(bad)
    result["loo_i"] = result["loo_i"].copy(data=scores)
    result["pareto_k"] = khat.rename(result["pareto_k"].name)
    return result
