"""``approx.summary()``: means, standard deviations and intervals of all variables in a table."""

import html
import itertools

import arviz as az
import numpy as np
import pandas as pd

from ..core import CORRECTIONS, find_correction
from ..diagnostics import CORRECT, check_data, diagnose, warn_if_unreliable
from ..errors import VariationalInferenceError
from ..model import model_coords, variable_dims
from ..parameters import checked
from ..validation import unknown_name
from ._model_draws import ModelDraws
from ._response_draws import has_response, response_draws

__all__ = ["Summary", "summary"]

RESPONSE = "response_sd: with the correlations that mean field leaves out (linear response)."
NO_RESPONSE = "No response_sd: the fit is not at its optimum, or its linear response is no covariance."


class Summary(pd.DataFrame):
    """Table with a note below it; parts of it are plain data frames.

    Attributes
    ----------
    note : str
    diagnosis : Diagnosis or None
    """

    _metadata = ["note", "diagnosis"]
    note, diagnosis = "", None

    @property
    def _constructor(self):
        return pd.DataFrame

    def __repr__(self):
        return f"{super().__repr__()}\n{self.note}"

    def _repr_html_(self):
        return f"{super()._repr_html_()}<p>{html.escape(self.note)}</p>"


@checked
def summary(approx, draws=4000, var_names=None, hdi_prob=0.94, correct=None, round_to=3, random_seed=None):
    r"""Posterior means, standard deviations and highest-density intervals with their Monte Carlo errors.

    .. math:: \hat\mu = \sum_s w_s f_s, \qquad \mathrm{se}(\hat\mu)^2 = \sum_s w_s^2 (f_s - \hat\mu)^2, \qquad
              \mathrm{se}(\hat\sigma)^2
              = \sum_s w_s^2 \left[\frac{(f_s - \hat\mu)^2 - \hat\sigma^2}{2 \hat\sigma}\right]^2

    with w = 1 / draws, or Pareto-smoothed importance weights; errors of draws of chains sum over each chain first.

    Parameters
    ----------
    draws : int
        At least 100.
    var_names : str or list of str, optional
        Default: all free variables and deterministics.
    hdi_prob : float
        Probability inside the interval.
    correct : {None, 'psis', 'hmc'} or correction
        With 'psis', draws are weighted, so that the table is that of the posterior as long as k-hat is below its
        threshold; with 'hmc' (or :class:`pymc3_vi.HMC`), draws are those of chains that begin at q and end at the
        posterior; else it is that of the approximation.
    round_to : int or None
        Decimals; None keeps all.
    random_seed : int, optional

    Returns
    -------
    Summary
        Data frame with one row a scalar and ArviZ's columns ``mean``, ``sd``, ``hdi_3%``, ``hdi_97%``, ``mcse_mean``,
        ``mcse_sd``; ``.note`` has the verdict on the fit and is printed with it, ``.diagnosis`` the whole report.
        That of a mean field of at most 200 values and no rows that are read in blocks also has ``response_sd``: by
        linear response, with the correlations that mean field leaves out, from at least 1,024 gradients of log p and
        16 a value (see :meth:`Approximation.lrvb_cov`); NaN where the fit is not at its optimum.

    Raises
    ------
    UnknownNameError
        For a variable that the model does not have.
    ExplicitInferenceError
        For ``correct='psis'`` and an approximation without log q.

    Warns
    -----
    UnreliableWeightsWarning
        With ``correct='psis'``, when the weights cannot be relied on.
    UnconvergedChainsWarning
        With ``correct='hmc'``, when chains have not converged.
    """
    correction = find_correction(correct, "summary", approx)
    if correction is not None:
        check_data(approx)
    by_weights = correction is CORRECTIONS.get("psis")
    found = ModelDraws(
        approx,
        draws,
        "summary",
        correct=False if by_weights else correct,
        random_seed=random_seed,
        densities=by_weights,
    )
    by_q = not by_weights and found.points is None
    names = _names(found, var_names)
    diagnosis, note = _verdict(approx, correction, found, random_seed)
    weights, index = np.full(draws, 1.0 / draws), slice(None)
    if by_weights:
        found.require_weights("summary")
        if diagnosis is not None:
            warn_if_unreliable(diagnosis, "the corrected results")
        weights = found.weights.weights
        index = found.weights.resample(draws, found.generator)
    columns = ["mean", "sd"] + [f"hdi_{100 * p:g}%" for p in ((1 - hdi_prob) / 2, (1 + hdi_prob) / 2)]
    columns += ["mcse_mean", "mcse_sd"]
    rows = [_moments(found.values[name], weights, index, hdi_prob, found.points) for name in names]
    if by_q and has_response(approx):
        columns.append("response_sd")
        noise = response_draws(approx, draws, found.generator)
        values = None if noise is None else found.values_at(noise)
        for k, name in enumerate(names):
            sd = np.full(len(rows[k]), np.nan) if noise is None else _flat(values[name]).std(axis=0)
            rows[k] = np.column_stack([rows[k], sd])
        note += f" {RESPONSE if noise is not None else NO_RESPONSE}"
    labels = [label for name in names for label in _labels(approx.view, name, found.values[name].shape[1:])]
    values = np.concatenate(rows) if round_to is None else np.concatenate(rows).round(round_to)
    table = Summary(values, index=labels, columns=columns)
    table.note, table.diagnosis = note, diagnosis
    return table


def _moments(draws, weights, index, hdi_prob, points):
    """Rows of the table for one variable with draws (s, ...)."""
    draws = _flat(draws)
    mean = weights @ draws
    centered = draws - mean
    variance = weights @ centered**2
    sd = np.sqrt(variance)

    def error(values):
        if points is not None:
            return points.error(weights[:, None] * values)
        return np.sqrt(weights**2 @ values**2)

    sd_error = error(centered**2 - variance) / (2 * np.maximum(sd, np.finfo("float64").tiny))
    interval = az.hdi(draws[index][None], hdi_prob=hdi_prob).reshape(-1, 2)
    return np.column_stack([mean, sd, interval, error(centered), sd_error])


def _flat(draws):
    """Draws (s, ...) as (s, k)."""
    return np.asarray(draws, dtype="float64").reshape(len(draws), -1)


def _labels(view, name, shape):
    """Names of a variable's entries, with the model's coordinates where its dimensions have some."""
    if not shape:
        return [name]
    coords, dims = model_coords(view), variable_dims(view).get(name, [None] * len(shape))
    axes = [coords.get(dim, range(size)) for dim, size in zip(dims, shape)]
    return [f"{name}[{', '.join(map(str, entry))}]" for entry in itertools.product(*axes)]


def _verdict(approx, correction, found, random_seed):
    """Diagnosis and the note that is printed below the table."""
    try:
        check_data(approx)
        report = approx.verdict or diagnose(approx, random_seed=random_seed, correct=None)
    except VariationalInferenceError as error:
        return None, f"No diagnosis: {error}"
    khat = "" if report.khat is None else f"k-hat {report.khat:.2f} (usable below {report.threshold:.2f}). "
    if found.points is not None:
        return report, found.points.note()
    if correction is not None:
        return report, f"Importance-corrected. {khat}{'' if report.usable else report.sentence}".rstrip()
    by = "hmc" if report.chains and report.chains.reliable else "psis"
    hint = f" summary(correct='{by}') tabulates them." if report.verdict == CORRECT else ""
    return report, f"{khat}{report.sentence}{hint}"


def _names(found, var_names):
    known = list(found.values)
    if var_names is None:
        return known
    for name in var_names:
        if name not in known:
            raise unknown_name(name, known, "var_names", "summary")
    return var_names
