"""Points to evaluate models at: flat vectors of the free variables in model order."""

from pymc3_vi.compiler.ops import unpack

import numpy as np


def dimension(model):
    """Number of elements of all free variables."""
    return int(sum(np.prod(v.dshape, dtype=int) for v in model.free_RVs))


def split(model, z):
    """Dict of free variable to its part of the flat vector `z`, or of every row of a matrix `z`."""
    free = model.free_RVs
    shapes = [tuple(int(n) for n in v.dshape) for v in free]
    return dict(zip(free, unpack(z, shapes, [v.dtype for v in free], [v.broadcastable for v in free])))


def start_vector(model):
    """The model's test point as a flat vector."""
    return np.concatenate([np.ravel(model.test_point[v.name]) for v in model.free_RVs]).astype("float64")
