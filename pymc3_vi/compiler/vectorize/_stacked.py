"""Linear algebra on stacks of matrices in NumPy; a stack is an array whose first axis runs over matrices."""

from functools import partial, singledispatch

import numpy as np
from scipy.linalg import get_lapack_funcs, solve_triangular
from theano.tensor.nlinalg import Det, MatrixInverse
from theano.tensor.slinalg import Cholesky, Solve

__all__ = ["stacked"]

# Up to this size substitution over the whole stack beats one LAPACK call per matrix.
_SMALL = 16
_MANY = 8


@singledispatch
def stacked(op, batched, *inputs):
    """Output of a single Op for a whole stack of inputs, as an array; register implementations by the type of the Op.

    Parameters
    ----------
    op : Op
    batched : tuple of bool
        Which of the inputs have the leading axis.
    *inputs : arrays

    Returns
    -------
    array or None
        None stands for "one matrix after the other", which is what happens without an implementation.
    """
    return None


@stacked.register(Cholesky)
def _cholesky(op, batched, matrices):
    try:
        factors = np.linalg.cholesky(matrices)
    except np.linalg.LinAlgError:
        if op.on_error != "nan":
            raise
        # One by one, so that only those that are not positive definite become NaN.
        factors = np.empty_like(matrices)
        for factor, matrix in zip(factors, matrices):
            try:
                factor[...] = np.linalg.cholesky(matrix)
            except np.linalg.LinAlgError:
                factor[...] = np.nan
    return factors if op.lower else np.ascontiguousarray(factors.swapaxes(-1, -2))


@stacked.register(MatrixInverse)
def _inverse(op, batched, matrices):
    return np.linalg.inv(matrices)


@stacked.register(Det)
def _determinant(op, batched, matrices):
    return np.linalg.det(matrices)


@stacked.register(Solve)
def _solve(op, batched, a, b):
    is_vector = b.ndim - int(batched[1]) == 1
    b = b[..., None] if is_vector else b
    if op.A_structure in ("lower_triangular", "upper_triangular"):
        kwargs = dict(lower=op.A_structure == "lower_triangular")
        one, many = partial(solve_triangular, check_finite=False, **kwargs), partial(_solve_triangular, **kwargs)
    else:
        one = many = np.linalg.solve
    if batched[0]:
        x = many(a, b if batched[1] else b[None])
    else:  # one matrix: all right-hand sides side by side
        columns = np.moveaxis(b, 0, -1)
        x = np.moveaxis(one(a, columns.reshape(len(a), -1)).reshape(columns.shape), -1, 0)
    return x[..., 0] if is_vector else x


def _solve_triangular(a, b, lower):
    """Solutions for matrices (S, n, n) and right-hand sides (S, n, m) or (1, n, m)."""
    n = a.shape[-1]
    dtype = np.result_type(a, b, np.float32)
    x = np.empty((len(a), n, b.shape[-1]), dtype=dtype)
    if n <= _SMALL and len(a) >= _MANY:
        _check_diagonal(a)
        for i in range(n) if lower else range(n - 1, -1, -1):
            known = slice(0, i) if lower else slice(i + 1, n)
            right = b[:, i, :]
            if known.start < known.stop:
                right = right - np.matmul(a[:, i, None, known], x[:, known, :])[:, 0, :]
            x[:, i, :] = right / a[:, i, i][:, None]
        return x
    (trtrs,) = get_lapack_funcs(("trtrs",), dtype=dtype)
    for s in range(len(a)):
        # The transpose of a C-ordered matrix is Fortran-ordered, so that nothing is copied.
        x[s], info = trtrs(a[s].T, b[s % len(b)], lower=not lower, trans=1)
        if info:
            raise np.linalg.LinAlgError(f"singular matrix: resolution failed at diagonal {info - 1}")
    return x


def _check_diagonal(a):
    if np.any(np.diagonal(a, axis1=-2, axis2=-1) == 0):
        raise np.linalg.LinAlgError("singular matrix: a diagonal element is zero")
