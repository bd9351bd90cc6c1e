"""Losses so far: one growing array, and the view of it that callbacks get."""

import numpy as np

__all__ = ["History", "LossView"]


class _Latest(np.ndarray):
    """Array that as a truth value is its last element; operations on it that give booleans are such arrays again."""

    def _latest(self):
        if self.ndim == 0:
            return np.asarray(self)[()]
        return np.asarray(self)[-1] if self.size else np.asarray(np.nan, dtype="float64")[()]

    def __bool__(self):
        return bool(self._latest()) if self.size else False

    __hash__ = None

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        plain = [np.asarray(x) if isinstance(x, _Latest) else x for x in inputs]
        if "out" in kwargs:
            kwargs["out"] = tuple(np.asarray(x) if isinstance(x, _Latest) else x for x in kwargs["out"])
        result = getattr(ufunc, method)(*plain, **kwargs)
        entrywise = method == "__call__" and isinstance(result, np.ndarray) and result.dtype == bool
        return result.view(_Latest) if entrywise and result.shape == self.shape else result

    def __getitem__(self, index):
        return np.asarray(self)[np.asarray(index) if isinstance(index, _Latest) else index]


class LossView(_Latest):
    """Array of the losses so far that formats and converts as its last element.

    ``f"{losses:.2f}"`` and ``float(losses)`` speak of the latest loss; indexing, slicing, arithmetic, comparisons and
    NumPy functions see the whole array.  ``losses < 100`` has an entry for every loss and as a truth value, as in
    ``if losses < 100:``, speaks of the latest one.
    """

    def __new__(cls, array):
        return np.asarray(array, dtype="float64").view(cls)

    def __format__(self, spec):
        return format(float(self), spec)

    def __float__(self):
        return float(self._latest())

    def __int__(self):
        return int(self._latest())

    def __repr__(self):
        return f"LossView({np.asarray(self)!r})"

    def __str__(self):
        return str(float(self))


class History:
    """Float64 array that grows in amortised constant time."""

    def __init__(self):
        self._data = np.empty(0)
        self._size = 0

    def __len__(self):
        return self._size

    def extend(self, values):
        """Append the losses `values`."""
        values = np.atleast_1d(values)
        need = self._size + len(values)
        if need > len(self._data):
            grown = np.empty(max(need, 2 * len(self._data), 1024))
            grown[: self._size] = self._data[: self._size]
            self._data = grown
        self._data[self._size : need] = values
        self._size = need

    def replace(self, values):
        """Forget all losses and take `values` instead."""
        self._data, self._size = np.empty(0), 0
        self.extend(values)

    @property
    def array(self):
        """Losses so far, a read-only view."""
        view = self._data[: self._size]
        view.flags.writeable = False
        return view

    def running_mean(self, window=1000):
        """Mean of the finite ones among the last `window` losses; NaN when there is none."""
        tail = self._data[max(0, self._size - window) : self._size]
        tail = tail[np.isfinite(tail)]
        return float(np.mean(tail)) if len(tail) else float("nan")
