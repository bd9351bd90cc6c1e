"""The data that a log density reads, remembered so that other data are noticed later."""

import numpy as np
import theano
from theano.graph.basic import ancestors

__all__ = ["DataRead"]


class DataRead:
    """Arrays that the log density of a model reads at this moment: ``pm.Data``, shared variables, minibatches' rows.

    The arrays themselves are kept, not copies: ``pm.set_data`` and ``set_value`` put others in their place.

    Parameters
    ----------
    view : ModelView
    own : list of shared variables
        Parameters of the approximation, which are no data.
    differences : list of str
        Where the data are known to be others already, in words.
    """

    def __init__(self, view, own=(), differences=()):
        self._differences = list(differences)
        leaves = ancestors([view.with_rows(term.node) for term in view.logp_terms()])
        shared = [v for v in leaves if isinstance(v, theano.compile.SharedVariable) and v not in set(own)]
        # Random states, which minibatches are drawn with, have an update of their own.
        self._arrays = [(v, _array(v)) for v in shared if getattr(v, "default_update", None) is None]

    def changes(self):
        """What has changed since, in words; empty when nothing has."""
        found = [_words(v, then, _array(v)) for v, then in self._arrays if not _same(then, _array(v))]
        return self._differences + found


def _array(variable):
    return variable.get_value(borrow=True)


def _same(then, now):
    if then is now:
        return True
    if not (isinstance(then, np.ndarray) and isinstance(now, np.ndarray)):
        return True  # sparse matrices and random states are not compared
    return then.shape == now.shape and np.array_equal(then, now, equal_nan=then.dtype.kind == "f")


def _words(variable, then, now):
    name = repr(variable.name) if variable.name else "a shared variable without a name"
    return name if then.shape == now.shape else f"{name} (shape {then.shape}, now {now.shape})"
