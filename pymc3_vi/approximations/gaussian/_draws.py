"""Base noise for averages: mirrored pairs of a scrambled Sobol sequence."""

import numpy as np
from scipy import linalg, special
from scipy.stats import qmc

__all__ = ["Draws", "matched_pairs", "LARGEST_SOBOL_DIMENSION"]

#: Beyond this dimension scrambling costs more than the steps, and pseudo-random pairs are used.
LARGEST_SOBOL_DIMENSION = 1000

_TINY = 2.0**-40  # keeps a point of the unit cube away from its faces


def matched(half):
    """`half` (n, d) linearly changed to unit variances, and to no correlations where n is at least d."""
    count, d = half.shape
    if count < d:
        return half / np.sqrt(np.mean(half**2, axis=0))
    root = np.linalg.cholesky(half.T.dot(half) / count)
    return linalg.solve_triangular(root, half.T, lower=True).T


def matched_pairs(half):
    """Mirrored pairs (2 n, d) of :func:`matched` noise: mean zero and exact second moments."""
    half = matched(half)
    return np.concatenate([half, -half])


class Draws:
    r"""Endless sequence of standard-normal vectors in mirrored pairs :math:`\epsilon, -\epsilon`.

    Averages over a mirrored pair are free of all odd terms, so that the gradient of a quadratic log density with
    respect to the mean has no noise at all; a Sobol sequence makes those of smooth even terms converge faster than
    :math:`1/\sqrt n`.  Each vector alone is exactly standard normal.

    Parameters
    ----------
    d : int
        Dimension.
    seed : int
        The same seed gives the same sequence, however it is cut into pieces.

    References
    ----------
    Buchholz, Wenzel, Mandt: Quasi-Monte Carlo variational inference, ICML 2018, section 3.
    """

    def __init__(self, d, seed):
        self.d, self.seed = int(d), int(seed)
        self.taken = 0
        self._source = None

    def pairs(self, count):
        """The next `count` pairs as (2 count, d); row 2i + 1 is row 2i with the other sign."""
        half = self._half(count)
        out = np.empty((2 * len(half), self.d))
        out[0::2] = half
        out[1::2] = -half
        return out

    def _half(self, count):
        if self._source is None:
            self._source = self._open()
        self.taken += count
        if isinstance(self._source, np.random.Generator):
            return self._source.standard_normal((count, self.d))
        # A first count that is no power of two would be warned of; suppressing that would act on all threads.
        firsts = [1, count - 1] if self._source.num_generated == 0 and count > 1 else [count]
        uniform = np.concatenate([self._source.random(n) for n in firsts])
        return special.ndtri(np.clip(uniform, _TINY, 1 - _TINY))

    def _open(self):
        """The source, wound forward to where this sequence stands."""
        generator = np.random.Generator(np.random.SFC64(self.seed))
        if self.d > LARGEST_SOBOL_DIMENSION:
            if self.taken:
                generator.standard_normal((self.taken, self.d))
            return generator
        source = qmc.Sobol(self.d, scramble=True, seed=generator)
        return source.fast_forward(self.taken) if self.taken else source

    def peek(self, count):
        """(count, d) vectors that no :meth:`pairs` of this sequence returns."""
        return Draws(self.d, self.seed + 1 + self.taken)._half(count)

    def go_to(self, taken):
        """Stand behind the first `taken` pairs."""
        self.taken, self._source = int(taken), None
