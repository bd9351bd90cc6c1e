"""The correction of draws that a verdict recommends, for as long as the parameters are those that it was given on."""

import hashlib

import numpy as np

__all__ = ["Recommendation", "parameter_digest"]


def parameter_digest(approx):
    """Digest of all parameters of an approximation, bytes."""
    digest = hashlib.sha256()
    for group in approx.groups:
        for param in group.params:
            digest.update(np.ascontiguousarray(param.get_value(borrow=True)).tobytes())
    return digest.digest()


class Recommendation:
    """Mixin for :class:`Approximation`: what draws get when nobody says how they are to be corrected."""

    _recommended: tuple = (None, None)
    _judged: tuple = (None, None)

    @property
    def recommended(self):
        """Correction that ``correct=None`` stands for: ``'hmc'``, ``'psis'`` or None.

        Set by ``fit(method='auto')``; forgotten when parameters change.
        """
        digest, correction = self._recommended
        return correction if correction is not None and digest == parameter_digest(self) else None

    def recommend(self, correction):
        """Have `correction`, the name of one or None, stand for ``correct=None`` as long as parameters stay."""
        self._recommended = (parameter_digest(self), correction)

    @property
    def verdict(self):
        """The last diagnosis by chains, or of ``fit(method='auto')``; forgotten when parameters change."""
        digest, diagnosis = self._judged
        return diagnosis if diagnosis is not None and digest == parameter_digest(self) else None

    def keep_verdict(self, diagnosis):
        """Have tables show this diagnosis as long as parameters stay."""
        self._judged = (parameter_digest(self), diagnosis)
