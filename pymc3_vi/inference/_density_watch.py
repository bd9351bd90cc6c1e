"""Notices when a callback changes what the log density reads: shared variables and data."""

import numpy as np

from ..graph import shared_inputs, substitute

__all__ = ["DensityWatch"]

#: Entries of an array that are looked at beside its identity, which tells all but changes in place.
LOOKED_AT = 1000


class DensityWatch:
    """Callback after all others of a fit.

    Parameters
    ----------
    approx : Approximation
    callbacks : list of callables
        Those that may change something; without any nothing is watched.
    changed : callable
        ``(names, i)``: called with the names of the variables that were changed before step `i` + 1.
    replacements : dict, optional
        Made in the model before draws are put in.
    """

    def __init__(self, approx, callbacks, changed, replacements=None):
        self.callbacks, self.changed = list(callbacks), changed
        self._variables = []
        if self.callbacks:
            nodes = substitute([term.node for term in approx.view.logp_terms()], replacements)
            own = set(approx.params)
            self._variables = [
                v for v in shared_inputs(nodes) if v not in own and getattr(v, "default_update", None) is None
            ]
        self._seen = [_signature(v) for v in self._variables]

    def next_call(self, i):
        """When the next of the other callbacks is due."""
        due = [getattr(callback, "next_call", None) for callback in self.callbacks]
        return min(i + 1 if next_call is None else max(int(next_call(i)), i + 1) for next_call in due)

    def __call__(self, approx, losses, i):
        self.look(i)

    def look(self, i):
        """Tell of changes since the last look."""
        now = [_signature(v) for v in self._variables]
        names = [v.name or str(v) for v, a, b in zip(self._variables, self._seen, now) if not _equal(a, b)]
        self._seen = now
        if names:
            self.changed(names, i)


def _signature(variable):
    """The array itself, which holds its identity, and a copy of a part of it."""
    value = variable.get_value(borrow=True)
    if not isinstance(value, np.ndarray):
        return value, None
    flat = value.reshape(-1) if value.flags.c_contiguous else value.ravel()
    return value, np.array(flat[:: max(flat.size // LOOKED_AT, 1)])


def _equal(a, b):
    return a[0] is b[0] and (a[1] is None or np.array_equal(a[1], b[1]))
