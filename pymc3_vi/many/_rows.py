"""Fits to some rows of one data set: bootstrap and cross-validation."""

from collections import namedtuple

import numpy as np
from scipy import special

from ..approximations.gaussian import fixed_noise
from ..errors import ParametrizationError
from ..model import ModelView, row_inputs
from ..parameters import checked
from ..validation import require
from ._batches import opened
from ._data_sets import DataSets, key_of
from ._density import BatchDensity
from ._fit_many import collect
from ._newton import stretch

__all__ = ["CrossValidation", "bootstrap", "kfold"]

#: Points of the check that rows can be put in another order, and relative difference that is rounding.
_POINTS, _ROUNDING = 3, 1e-6
#: Pairs of draws of q that held-out rows are predicted with.
_PAIRS = 512


def _rows_of(model, seed):
    """View of a model, its inputs with a row for every observation, and their values, checked to be all that has."""
    view = ModelView(model)
    inputs, arrays = row_inputs(view)
    count = len(next(iter(arrays.values())))
    generator = np.random.Generator(np.random.SFC64([seed, 2]))
    order = generator.permutation(count)
    other = {name: np.stack([array, array[order]]) for name, array in arrays.items()}
    start = view.layout().flatten(view.start())
    z = start + 0.1 * generator.standard_normal((_POINTS, len(start)))
    plain, moved = BatchDensity(view, inputs).slopes(np.stack([z, z]), DataSets.stacked(other))[0]
    there = np.isfinite(plain) & np.isfinite(moved)
    if np.any(np.abs(plain - moved)[there] > _ROUNDING * (1 + np.abs(plain[there]))):
        raise ParametrizationError(
            f"The log density changes when the {count} rows of {', '.join(arrays)} are put in another order, so that "
            "other parts of the model belong to single rows. Put covariates and group indices into pm.Data; variables "
            "with a value for each row leave nothing to learn about rows that are left out."
        )
    return view, inputs, arrays, count


@checked
def bootstrap(
    model,
    n=200,
    method="advi",
    var_names=None,
    draws=100,
    random_seed=None,
    path=None,
    progressbar=True,
    cores=1,
    client=None,
):
    """Fits to bootstrap samples of a model's data: what the data's own randomness does to the posterior.

    Each sample has as many rows as the data, drawn with replacement; observed values and ``pm.Data`` containers of
    their length stay together.  The spread of ``fits.table["mean"]`` over samples is the sampling error of the
    posterior means, whether the model is right or not, and the draws of all samples together are those of the bagged
    posterior.

    Parameters
    ----------
    model : pymc3.Model
    n : int
        Number of samples.
    method : {'advi', 'dadvi', 'fullrank_advi'}
    var_names, draws, random_seed, path, progressbar, cores, client
        As for :func:`fit_many`.

    Returns
    -------
    FitCollection
        A row a sample.

    Raises
    ------
    ParametrizationError
        If something else in the model belongs to single rows.

    References
    ----------
    Bühlmann: Discussion of Big Bayes stories and BayesBag, Statistical Science 29(1), 2014.  Huggins, Miller:
    Reproducible model selection using bagged posteriors, Bayesian Analysis 18(1), 2023.
    """
    seed = opened(path, random_seed)
    view, inputs, arrays, count = _rows_of(model, seed)

    def samples():
        for k in range(n):
            rows = np.random.Generator(np.random.SFC64([seed, *key_of(k)])).integers(0, count, count)
            yield k, {name: array[rows] for name, array in arrays.items()}

    where = dict(path=path, progressbar=progressbar, cores=cores, client=client)
    return collect(view, inputs, samples(), n, method, seed, var_names, draws, **where)


class CrossValidation(namedtuple("CrossValidation", "elpd, se, pointwise, folds, fits")):
    """Predictive accuracy by cross-validation.

    Attributes
    ----------
    elpd, se : float
        Expected log pointwise predictive density of new data of the same size, and its standard error.
    pointwise : ndarray (rows,)
        Log predictive density of each row, given the rows of the other folds.
    folds : ndarray (rows,)
        The fold that each row was left out in.
    fits : FitCollection
        A row a fold.
    """

    __slots__ = ()

    def __repr__(self):
        return f"<elpd {self.elpd:.2f} +- {self.se:.2f} by {len(self.fits)} folds of {len(self.folds)} rows>"


@checked
def kfold(model, k=10, method="fullrank_advi", random_seed=None, path=None, progressbar=True, cores=1, client=None):
    r"""Predictive accuracy of a model by k-fold cross-validation.

    .. math:: \widehat{elpd} = \sum_i \log E_{q_{-f(i)}} p(y_i \mid z)

    with :math:`q_{-f(i)}` fitted to all folds but the one that row i is in.

    Parameters
    ----------
    model : pymc3.Model
        Observed values and ``pm.Data`` containers of their length are cut into folds of rows.
    k : int
        Number of folds, at most that of rows (which leaves out one at a time).
    method : {'advi', 'dadvi', 'fullrank_advi'}
    random_seed : int, optional
        Of the folds as well.
    path, progressbar, cores, client
        As for :func:`fit_many`.

    Returns
    -------
    CrossValidation

    Raises
    ------
    ParametrizationError
        If something else in the model belongs to single rows.
    VariationalInferenceError
        The error of the first fold that could not be fitted.

    References
    ----------
    Vehtari, Gelman, Gabry: Practical Bayesian model evaluation using leave-one-out cross-validation and WAIC,
    Statistics and Computing 27, 2017, section 2.3.
    """
    seed = opened(path, random_seed)
    view, inputs, arrays, count = _rows_of(model, seed)
    require(k <= count, ValueError, "k", "kfold", f"at most the number of rows ({count})", k)
    folds = np.random.Generator(np.random.SFC64([seed, 3])).permutation(np.arange(count) % k)
    rest = ((fold, {name: array[folds != fold] for name, array in arrays.items()}) for fold in range(k))
    where = dict(path=path, progressbar=progressbar, cores=cores, client=client)
    fits = collect(view, inputs, rest, k, method, seed, **where)
    for error in fits.failed.values():
        raise error
    density, eps = BatchDensity(view, inputs), fixed_noise(fits.mu.shape[1], _PAIRS, seed)
    pointwise = np.empty(count)
    for fold in range(k):
        z = fits.mu[fold] + stretch(eps, fits.scale[fold : fold + 1])
        held_out = {name: array[folds == fold][None] for name, array in arrays.items()}
        pointwise[folds == fold] = special.logsumexp(density.rows(z, held_out)[0], axis=0) - np.log(len(eps))
    return CrossValidation(float(pointwise.sum()), float(np.sqrt(count * pointwise.var())), pointwise, folds, fits)
