"""The flat vector: which variable lies where."""

from collections import OrderedDict, namedtuple

import numpy as np
import theano

from ..compiler.ops import unpack
from ..errors import ParametrizationError

__all__ = ["FlatLayout", "FlatBijection", "VarMap"]

#: One variable of a layout under PyMC3's field names (``approx.bij.ordering.vmap``).
VarMap = namedtuple("VarMap", "var, slc, shp, dtyp")


class FlatLayout:
    """Maps variables to slices of a flat vector of length `size`.

    Parameters
    ----------
    entries : iterable of (name, shape, dtype, broadcastable)
        In the order in which they lie in the vector.  A leading -1 in `shape` stands for a length that is only
        known when the graph runs (amortised variables); it does not count towards `size`.
    """

    def __init__(self, entries=()):
        self.vmap = []
        self.by_name = OrderedDict()
        self.broadcastables = {}
        self.size = 0
        for name, shape, dtype, broadcastable in entries:
            self._append(name, tuple(int(n) for n in shape), dtype, tuple(broadcastable))

    def _append(self, name, shape, dtype, broadcastable):
        length = int(np.prod([n for n in shape if n != -1], dtype=int))
        entry = VarMap(name, slice(self.size, self.size + length), shape, dtype)
        self.vmap.append(entry)
        self.by_name[name] = entry
        self.broadcastables[name] = broadcastable
        self.size += length

    def __getitem__(self, name):
        return self.by_name[name]

    def __contains__(self, name):
        return name in self.by_name

    def __len__(self):
        return len(self.vmap)

    @property
    def names(self):
        """Variable names in vector order."""
        return list(self.by_name)

    def flatten(self, values):
        """Vector (d,) of the arrays in the dict `values`; names that are not in the layout are ignored."""
        out = np.empty(self.size, dtype=theano.config.floatX)
        for entry in self.vmap:
            value = np.asarray(values[entry.var])
            length = entry.slc.stop - entry.slc.start
            if value.size != length:
                raise ParametrizationError(
                    f"The value of variable {entry.var!r} must have shape {entry.shp}. Got shape {value.shape} instead."
                )
            out[entry.slc] = value.ravel()
        return out

    def unflatten(self, array):
        """Dict of arrays from an array whose last axis is the flat vector; leading axes are kept."""
        array = np.asarray(array)
        out = OrderedDict()
        for entry in self.vmap:
            out[entry.var] = array[..., entry.slc].reshape(array.shape[:-1] + entry.shp).astype(entry.dtyp)
        return out

    def labels(self):
        """One label per element of the vector: ``mu``, ``theta[0]``, ``w[1,2]``."""
        out = []
        for entry in self.vmap:
            if not entry.shp:
                out.append(entry.var)
            else:
                out.extend(f"{entry.var}[{','.join(map(str, index))}]" for index in np.ndindex(*entry.shp))
        return out

    def slices(self, z):
        """Dict name -> tensor cut out of the symbolic `z`, (d,) or (S, d), with its shape restored."""
        shapes = [entry.shp for entry in self.vmap]
        dtypes = [entry.dtyp for entry in self.vmap]
        pieces = unpack(z, shapes, dtypes, [self.broadcastables[entry.var] for entry in self.vmap])
        return OrderedDict(zip(self.names, pieces))


class FlatBijection:
    """``approx.bij``: PyMC3's names for the layout (`map`, `rmap`, `ordering`)."""

    def __init__(self, layout):
        self.ordering = layout

    def map(self, point):
        """Dict of arrays -> flat vector (d,)."""
        return self.ordering.flatten(point)

    def rmap(self, array):
        """Flat vector (d,) -> dict of arrays."""
        return dict(self.ordering.unflatten(array))
