"""Points drawn from a model's prior."""

import numpy as np
import pymc3 as pm

from ..compiler import fast_build
from ..errors import StartError
from ._random_state import kept_random_state

__all__ = ["prior_points"]


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
            draws = pm.sample_prior_predictive(count, model=view.model, var_names=names, random_seed=int(random_seed))
    except (ValueError, NotImplementedError, AttributeError, TypeError) as error:
        raise StartError(
            f"Start points cannot be drawn from the prior: {error} Pass start='map' or start={{'name': value}} instead."
        ) from None
    for k in range(count):
        yield view.start({name: np.asarray(draws[name])[k] for name in names})
