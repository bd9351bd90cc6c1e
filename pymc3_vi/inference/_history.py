"""Losses so far: one growing array, and the view of it that callbacks get."""

import numpy as np

__all__ = ["History", "LossView"]


class LossView(np.ndarray):
    """Array of the losses so far that formats, compares and converts as its last element.

    ``f"{losses:.2f}"``, ``float(losses)`` and ``losses < 100`` speak of the latest loss; indexing, slicing,
    arithmetic and NumPy functions see the whole array.
    """

    def __new__(cls, array):
        return np.asarray(array, dtype="float64").view(cls)

    def _latest(self):
        if self.ndim == 0:
            return float(np.asarray(self))
        return float(np.asarray(self)[-1]) if self.size else float("nan")

    def __format__(self, spec):
        return format(self._latest(), spec)

    def __float__(self):
        return self._latest()

    def __int__(self):
        return int(self._latest())

    def __bool__(self):
        return bool(self._latest())

    def _compare(self, other, operation):
        if np.ndim(other) == 0:
            return operation(self._latest(), float(other) if other is not None else other)
        return operation(np.asarray(self), np.asarray(other))

    def __lt__(self, other):
        return self._compare(other, lambda a, b: a < b)

    def __le__(self, other):
        return self._compare(other, lambda a, b: a <= b)

    def __gt__(self, other):
        return self._compare(other, lambda a, b: a > b)

    def __ge__(self, other):
        return self._compare(other, lambda a, b: a >= b)

    def __eq__(self, other):
        return self._compare(other, lambda a, b: a == b)

    def __ne__(self, other):
        return self._compare(other, lambda a, b: a != b)

    __hash__ = None

    def __array_finalize__(self, obj):
        pass

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        # Results of arithmetic are plain arrays: only the losses themselves stand for their last element.
        plain = [np.asarray(x) if isinstance(x, LossView) else x for x in inputs]
        if "out" in kwargs:
            kwargs["out"] = tuple(np.asarray(x) if isinstance(x, LossView) else x for x in kwargs["out"])
        return getattr(ufunc, method)(*plain, **kwargs)

    def __getitem__(self, index):
        return np.asarray(self)[index]

    def __repr__(self):
        return f"LossView({np.asarray(self)!r})"

    def __str__(self):
        return str(self._latest())


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
