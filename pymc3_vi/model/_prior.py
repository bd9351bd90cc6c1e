"""Points drawn from a model's prior."""

import numpy as np
from pymc3.distributions.distribution import _DrawValuesContext, draw_values

from ..compiler import fast_build
from ..errors import ParametrizationError, StartError
from ._inputs import observed_inputs
from ._random_state import kept_random_state

__all__ = ["prior_points", "simulated"]


def prior_points(view, count, random_seed):
    """Draws of the free variables from their prior.

    Parameters
    ----------
    view : ModelView
    count : int
    random_seed : int
        NumPy's global generator, which PyMC3 draws from, is put back afterwards.

    Yields
    ------
    dict
        Name -> array on the unconstrained scale, as :meth:`ModelView.start` gives it.

    Raises
    ------
    StartError
        If PyMC3 cannot draw from a prior, e.g. from a flat one.
    """
    names = [view.untransformed_name(name) for name in view.names]
    try:
        with kept_random_state(), fast_build():
            draws = _draws(view, names, count, int(random_seed))
    except (ValueError, NotImplementedError, AttributeError, TypeError) as error:
        raise StartError(
            f"Start points cannot be drawn from the prior: {error} Pass start='map' or start={{'name': value}} instead."
        ) from None
    for k in range(count):
        yield view.start({name: np.asarray(draws[name])[k] for name in names})


def _draws(view, names, count, seed):
    """Joint draws of variables by name, one variable after the other, in the order in which they were made.

    ``pm.sample_prior_predictive`` draws in the order of a set of names, which is another one in every process.
    """
    order = list(view.model.named_vars)  # parents come before their children
    np.random.seed(seed)
    with _DrawValuesContext():  # what has been drawn in it is drawn no more
        return {n: draw_values([view.model[n]], size=count)[0] for n in sorted(names, key=order.index)}


def simulated(view, names, count, random_seed):
    """Parameters drawn from the prior, and data drawn given each of them.

    Parameters
    ----------
    view : ModelView
    names : list of str
        Variables whose values are wanted.
    count : int
    random_seed : int
        NumPy's global generator, which PyMC3 draws from, is put back afterwards.

    Returns
    -------
    truths, data : dict of str to array (count, ...)
        By variable, and by observed variable.

    Raises
    ------
    ParametrizationError
        For what has no draws that belong to the log density: potentials, ``total_size``, flat priors, densities without
        ``random``.
    """
    potentials = [p.name for p in view.model.potentials]
    if potentials or view.is_scaled():
        what = f"the potential {potentials[0]!r}" if potentials else "a total_size"
        raise ParametrizationError(
            f"Data can be simulated only from a model that is all distributions, and this one has {what}. Write it as "
            "distributions of variables."
        )
    tensors = observed_inputs(view)
    try:
        with kept_random_state(), fast_build():
            wanted = list(dict.fromkeys([*names, *tensors]))
            draws = _draws(view, wanted, count, _short(random_seed))
    except (ValueError, NotImplementedError, AttributeError, TypeError, KeyError) as error:
        raise ParametrizationError(
            f"Data cannot be simulated: {error} Every prior and likelihood must be one that PyMC3 can draw from."
        ) from None
    data = {name: np.asarray(draws[name]).astype(tensor.dtype) for name, tensor in tensors.items()}
    return {name: np.asarray(draws[name]) for name in names}, data


def _short(seed):
    """A seed as NumPy's global generator takes it: 32 bits, made of all of those of `seed`."""
    return int(np.random.SeedSequence(int(seed)).generate_state(1)[0])
