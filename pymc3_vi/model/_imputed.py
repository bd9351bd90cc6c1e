"""Values that PyMC3 imputes for masked observations: which of them q cannot represent."""

import pymc3 as pm

from ..errors import ParametrizationError

__all__ = ["check_imputed"]

_SUFFIX = "_missing"


def check_imputed(variables, discrete):
    """Raise ParametrizationError for imputed values that are discrete or bounded.

    PyMC3 makes a variable of the masked observations, ``<name>_missing``, without a transform: on the unconstrained
    scale a Gaussian would give probability to values that the distribution forbids.

    Parameters
    ----------
    variables, discrete : list of FreeRV
    """
    for variable in variables:
        parent = getattr(variable.distribution, "parent_dist", None)
        if parent is None or not variable.name.endswith(_SUFFIX):
            continue
        observed = variable.name[: -len(_SUFFIX)]
        what = f"{variable.name!r}, the imputed values of the masked observations of {observed!r},"
        kind = type(parent).__name__
        if variable in discrete:
            raise ParametrizationError(
                f"{what} are discrete ({kind}), which variational inference does not support. Leave the masked "
                f"observations of {observed!r} out of the data, or sample the model with pm.sample."
            )
        if getattr(parent, "transform", None) is not None and isinstance(parent, pm.Continuous):
            raise ParametrizationError(
                f"{what} are bounded ({kind}), and PyMC3 gives imputed values no transform: q would have values "
                f"outside of the support. Make them a variable of their own: pm.{kind}({variable.name!r}, ..., "
                f"shape=...) beside pm.{kind}({observed!r}, ..., observed=<the values that are there>)."
            )
