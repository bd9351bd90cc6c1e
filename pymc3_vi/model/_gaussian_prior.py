"""A Gaussian log density in the place of a model's prior."""

import numpy as np
import theano
import theano.tensor as tt

__all__ = ["GaussianPrior"]

LOG_2PI = float(np.log(2 * np.pi))


class GaussianPrior:
    r"""log N(z; mean, A^{-1}) of the free variables, flat one after the other on the unconstrained scale.

    Parameters
    ----------
    names : list of str
        Of the free variables, in the order of the flat vector.
    mean : ndarray (d,)
    factor : ndarray (d,), (d, d) or (1 + k, d)
        Inverse standard deviations; or F with A = F F^T; or, with `few`, D and below it P and B of
        :math:`z_l^\top D z_l` and so on, see ``ArrowCurvature``.
    few : ndarray (k,), optional
    """

    def __init__(self, names, mean, factor, few=None):
        self.names, self.mean, self.factor = list(names), np.asarray(mean, "float64"), np.asarray(factor, "float64")
        self.few = None if few is None else np.asarray(few, dtype="int64")

    def node(self, free):
        """Scalar graph of the log density of the variables `free`."""
        by_name = {v.name: v for v in free}
        flat = [by_name[name].flatten() for name in self.names]
        moved = (flat[0] if len(flat) == 1 else tt.concatenate(flat)) - _shared(self.mean)
        squares, log_det = self._arrow(moved) if self.few is not None else self._plain(moved)
        return -0.5 * squares + _shared(log_det - 0.5 * len(self.mean) * LOG_2PI)

    def _plain(self, moved):
        if self.factor.ndim == 1:
            return tt.sum((moved * _shared(self.factor)) ** 2), np.sum(np.log(self.factor))
        return tt.sum(tt.dot(moved, _shared(self.factor)) ** 2), np.linalg.slogdet(self.factor)[1]

    def _arrow(self, moved):
        few, many = self.few, np.delete(np.arange(len(self.mean)), self.few)
        roots, pull, block = np.sqrt(self.factor[0, many]), self.factor[1:, many], self.factor[1:, few]
        half = np.linalg.cholesky(block)
        led = moved[few]
        squares = tt.sum(((moved[many] + tt.dot(led, _shared(pull))) * _shared(roots)) ** 2)
        squares += tt.sum(tt.dot(led, _shared(half)) ** 2)
        return squares, np.sum(np.log(roots)) + np.sum(np.log(np.diag(half)))

    def to_arrays(self):
        """Dict of what it is made of."""
        return {"names": self.names, "mean": self.mean, "factor": self.factor, "few": self.few}


def _shared(value):
    """Not a constant, which would be compiled into functions: those of one refinement serve the next."""
    value = np.asarray(value, dtype=theano.config.floatX)
    return theano.shared(value, "prior", **({"borrow": True} if value.ndim else {}))
