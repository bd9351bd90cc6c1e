"""Draws of the observed variables given draws of the unobserved ones."""

import pymc3 as pm

from ..compiler import fast_build
from ..errors import ParametrizationError
from ._data import full_data, is_streamed
from ._random_state import kept_random_state
from ._trace import trace_from_arrays

__all__ = ["predictive_draws"]


def predictive_draws(view, arrays, random_seed):
    """One draw of the observed variables for every draw of the unobserved ones.

    Parameters
    ----------
    view : ModelView
    arrays : dict
        Name -> draws (s, ...) of the untransformed free variables and deterministics.
    random_seed : int
        NumPy's global generator, which PyMC3 draws from, is put back afterwards.

    Returns
    -------
    dict
        Name of an observed variable -> draws (s, ...).

    Raises
    ------
    ParametrizationError
        If the observed values are a minibatch or come from a generator: PyMC3 then draws for one batch only.
    """
    if full_data(view) or is_streamed(view):
        raise ParametrizationError(
            "Posterior predictive draws need a model whose data are whole, but these are minibatches. Build the model "
            "with all data and take the draws there: pm.sample_posterior_predictive(approx.sample(), model=model)."
        )
    # PyMC3 compiles small functions for the distributions' parameters, which are not worth a compiler.
    with kept_random_state(), fast_build():
        return pm.sample_posterior_predictive(
            trace_from_arrays(view, arrays), model=view.model, random_seed=int(random_seed), progressbar=False
        )
