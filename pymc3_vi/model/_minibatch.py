"""``pm.Minibatch`` on NumPy 1.23 and later.

PyMC3 indexes the data with a list of slices, which NumPy 1.23 refuses; with a tuple the meaning is the one intended.
On older NumPy both do the same.
"""

import functools

from pymc3.data import Minibatch

__all__ = ["repair_minibatch"]


def repair_minibatch():
    """Make ``pm.Minibatch`` index its data with tuples; a second call changes nothing."""
    make = Minibatch.make_static_slices
    if getattr(make, "returns_tuples", False):
        return

    @functools.wraps(make)
    def make_static_slices(user_size):
        slices = make(user_size)
        return tuple(slices) if isinstance(slices, list) else slices

    make_static_slices.returns_tuples = True
    Minibatch.make_static_slices = staticmethod(make_static_slices)
