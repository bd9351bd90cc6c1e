"""``fit_many``: one model, many data sets."""

from itertools import chain

import numpy as np

from ..approximations.gaussian import LARGEST_DENSE_DIMENSION
from ..diagnostics import check_gradients, warn_of_steps
from ..errors import ConvergenceWarning, ParametrizationError
from ..inference import Progress
from ..model import ModelView, built_with, data_containers, fixed_data, model_fingerprint
from ..parameters import checked
from ..validation import require, warn_user
from ._batches import Fitter, PartFiles, batches, opened
from ._collection import joined
from ._data_sets import labelled
from ._workers import fitted_in_order, submitter

__all__ = ["collect", "fit_many"]

#: Whether the family of a method is mean field.
DIAGONAL = {"advi": True, "dadvi": True, "fullrank_advi": False}


@checked
def fit_many(
    model,
    data,
    method="advi",
    by=None,
    var_names=None,
    draws=100,
    start=None,
    random_seed=None,
    path=None,
    progressbar=True,
    cores=1,
    client=None,
):
    """Fit one model to many data sets together.

    The model is compiled once, with its data as inputs.  Each data set's fit ends at the optimum of the family for
    fixed draws, as :class:`DADVI`'s does, is judged by importance weights, and does not depend on the others.

    Parameters
    ----------
    model : pymc3.Model or callable
        With ``pm.Data`` containers for what differs between data sets; the others stay as they are.  Or a function that
        takes the data by keyword, as symbolic variables, and returns the model.
    data : dict, DataFrame or iterable
        One of: a dict from names of containers to arrays with a leading axis of data sets, or to lists of arrays of any
        lengths; a dict from labels to data sets, each a dict from names to arrays; a data frame with a column per
        container, together with `by`; an iterable of dicts, which is read as it is fitted.
    method : {'advi', 'dadvi', 'fullrank_advi'}
        The family: mean field for the first two, which are the same here, or full rank.
    by : str, optional
        Column of a data frame that tells the data sets apart.
    var_names : list of str, optional
        Variables of the table and of the draws, deterministics included.  Default: the free ones.
    draws : int
        Draws of every posterior that are kept, for ``to_inference_data``.
    start : dict, optional
        Start values by variable name.
    random_seed : int, optional
        The random numbers of each data set follow from it and from the data set's label.
    path : str or path, optional
        Folder in which every fitted batch is written at once.  Called again with the same arguments, for example after
        a crash, only what is missing is fitted.
    progressbar : bool
    cores : int
        Processes that batches are fitted in; with more than one, scripts need ``if __name__ == "__main__":``, as for
        ``pm.sample``.  Each compiles once.  Results are the same with any number.
    client : dask.distributed.Client or concurrent.futures.Executor, optional
        Where batches are fitted instead: anything with ``submit(function, *arguments)``.

    Returns
    -------
    FitCollection
        A data set that cannot be fitted is a row with its error.

    Raises
    ------
    ParametrizationError
        If the model has no data containers, more than 200 values, or reads minibatches.
    GradientError
        If an Op of the model has no gradient.
    UnknownNameError
        If `data` names what the model does not have.
    WorkerError
        If the client is closed or has no workers, or these lack the package.

    Warns
    -----
    ConvergenceWarning
        If it was interrupted (Ctrl-C): what had been fitted is returned.

    Examples
    --------
    >>> with pm.Model() as model:  # doctest: +SKIP
    ...     x, y = pm.Data("x", np.zeros(50)), pm.Data("y", np.zeros(50))
    ...     slope, noise = pm.Normal("slope", 0, 10), pm.HalfNormal("noise", 5)
    ...     pm.Normal("obs", slope * x, noise, observed=y)
    >>> fits = pymc3_vi.fit_many(model, {"x": xs, "y": ys}, random_seed=1)  # doctest: +SKIP
    >>> fits.table["mean"]["slope"]  # doctest: +SKIP
    """
    model, inputs, data = _inputs(model, data, by)
    view = ModelView(model)
    inputs = data_containers(view) if inputs is None else inputs
    if not inputs:
        raise ParametrizationError(
            "The model reads no data containers, so it is the same for all data sets. Put what differs into "
            "pm.Data('y', values) and observe that, or pass a function that builds the model from its data."
        )
    data_sets = labelled(data, list(inputs), by)
    keywords = dict(var_names=var_names, draws=draws, start=start, path=path, progressbar=progressbar)
    return collect(view, inputs, data_sets, _size(data), method, random_seed, cores=cores, client=client, **keywords)


def _inputs(model, data, by):
    """The model, its inputs where they are known already, and `data`, none of it used up."""
    if not callable(model):
        return model, None, data
    if by is None and not isinstance(data, (dict, list, tuple)):
        data = iter(data)
        first = next(data, None)
        require(first is not None, ValueError, "data", "fit_many", "at least one data set", data)
        data = chain([first], data)
    else:
        first = next(labelled(data, _Any(), by), (None, None))[1]
        require(first is not None, ValueError, "data", "fit_many", "at least one data set", data)
    model, inputs = built_with(model, first)
    return model, inputs, data


class _Any(list):
    """Names of containers before there is a model: any will do."""

    def __contains__(self, name):
        return True


def _size(data):
    """Number of data sets, 0 where nobody knows."""
    if not isinstance(data, (dict, list, tuple)) or not data:
        return 0
    first = next(iter(data.values())) if isinstance(data, dict) else None
    return len(data) if first is None or isinstance(first, dict) else len(first)


def collect(
    view,
    inputs,
    data_sets,
    size,
    method,
    random_seed,
    var_names=None,
    draws=100,
    start=None,
    path=None,
    progressbar=True,
    cores=1,
    client=None,
):
    """:class:`FitCollection` of an iterator over (label, dict of name to array); see :func:`fit_many`.

    Parameters
    ----------
    size : int
        Number of data sets; 0 where nobody knows.
    """
    view.check_continuous()
    warn_of_steps(view)
    check_gradients(view)
    for name in var_names or ():
        view.nodes(name, "var_names", "fit_many")
    begin = view.layout().flatten(view.start(start)).astype("float64")
    if len(begin) > LARGEST_DENSE_DIMENSION:
        raise ParametrizationError(
            f"fit_many fits models of up to {LARGEST_DENSE_DIMENSION} values, and this one has {len(begin)}. Fit it in "
            "a loop: pm.set_data(...) and pymc3_vi.fit(...)."
        )
    first = next(data_sets, None)
    require(first is not None, ValueError, "data", "fit_many", "at least one data set", data_sets)
    names = [name for name in inputs if name in first[1]] if hasattr(first[1], "keys") else list(inputs)
    inputs = {name: inputs[name] for name in names}
    seed = opened(path, random_seed)
    recipe = (view.model, inputs, var_names, DIAGONAL[method], seed, draws, begin)
    fitter = Fitter(*recipe)
    fixed = dict(fingerprint=model_fingerprint(view), fixed=fixed_data(view, inputs), seen=list(fitter.density.nodes))
    files = PartFiles(path, dict(fixed, method=method, names=names, draws=draws, start=begin.tolist(), seed=seed))
    labels, parts, failed, shapes = {}, [], {}, {}
    progress, done = Progress(size, progressbar), 0
    try:
        with submitter(recipe, cores, client) as (workers, ahead):
            cut = batches(chain([first], data_sets), inputs, names, fitter.largest)
            for batch, part in fitted_in_order(cut, files, fitter, workers, ahead):
                labels.update((position, label) for position, label, _ in batch)
                failed.update((labels[position], error) for position, error in part.errors)
                if part.arrays is not None:
                    shapes = part.shapes
                    parts.append((part.arrays["positions"], part.arrays))
                done += len(batch)
                progress.update(done, f"{len(failed):,} failed")
    except KeyboardInterrupt:
        warn_user(f"Interrupted: {done:,} data sets were fitted and are returned.", ConvergenceWarning)
    progress.close(done)
    order = np.array(sorted(labels), dtype=int)
    parts = [(np.searchsorted(order, positions), part) for positions, part in parts]
    found = joined(parts, [labels[k] for k in order], shapes, failed, method, seed, len(begin))
    found.compiled = fitter.density.compiled
    return found
