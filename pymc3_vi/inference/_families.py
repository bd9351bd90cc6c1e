"""What is said of families that cannot represent a variable, before a fit."""

from ..approximations import MeanFieldGroup
from ..errors import MeanFieldWarning
from ..model import simplex_variables
from ..validation import warn_user

__all__ = ["warn_of_families"]


def warn_of_families(approx):
    """Warn of mean-field groups that hold a simplex.

    Warns
    -----
    MeanFieldWarning
        The unconstrained values are log ratios; the logarithm of the last part is minus their sum, so that independent
        values give it the variance of all others together.
    """
    for group in approx.groups:
        if not isinstance(group, MeanFieldGroup) or group.batched:
            continue
        for variable, parts in simplex_variables(group.group):
            if parts > 2:
                warn_user(
                    f"Mean field takes the log ratios of the {parts} parts of {variable.name!r} for independent, which "
                    "makes the sd of its last part too large, by a factor of up to the root of their number. Give it a "
                    f"full-rank group of its own, Group([{variable.name!r}], vfam='full_rank') beside Group(None, "
                    "vfam='mean_field'), or fit with method='fullrank_advi'.",
                    MeanFieldWarning,
                )
