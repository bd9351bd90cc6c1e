"""Whether a fit has run away to where no posterior is."""

import numpy as np

from ..errors import ConvergenceWarning
from ..validation import warn_user

__all__ = ["warn_if_unbounded"]

#: Parameters of q beyond this are no place or scale of data in any unit; their squares soon overflow.
LARGEST = 1e30


def warn_if_unbounded(approx):
    """Warn, naming the variables, if a parameter of q is beyond `LARGEST`.

    Warns
    -----
    ConvergenceWarning
    """
    for group in approx.groups:
        sizes = [float(np.abs(param.get_value(borrow=True)).max(initial=0.0)) for param in group.params]
        if max(sizes, default=0.0) > LARGEST:
            names = _names(group)
            warn_user(
                f"The fit has run away: parameters of q are as large as {max(sizes):.2g} for {', '.join(names)}. The "
                "posterior seems to have no bound there, as with a flat prior that no data speak against. Give these "
                "variables proper priors.",
                ConvergenceWarning,
            )


def _names(group):
    """Variables whose own entries are that large; all of the group where that cannot be told."""
    large = np.zeros(group.ddim, dtype=bool)
    for param in group.params:
        value = np.abs(param.get_value(borrow=True))
        if value.shape == large.shape:
            large |= value > LARGEST
    if not large.any():
        return [variable.name for variable in group.group]
    found = group.ordering.unflatten(large.astype("float64"))
    return [name for name, entries in found.items() if np.any(entries)]
