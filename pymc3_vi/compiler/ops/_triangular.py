"""Cholesky factors, triangular systems and triangles, with C code through LAPACK and BLAS."""

import numpy as np
import scipy.linalg
import theano
import theano.tensor as tt
from theano.graph.basic import Apply
from theano.graph.op import COp

from .._csrc import c_source
from ._batch_matmul import batch_matmul
from ._capsules import declarations, initialisation
from ._kernels import CTYPES, VECTOR_KERNELS, check_floats

__all__ = ["CholeskyFactor", "CholeskyGrad", "TriangularSolve", "Triangle"]


class _MatrixOp(COp):
    """An Op on matrices ``(n, n)`` or stacks of them ``(S, n, n)``."""

    routines = ()
    #: Whether what it gives is square, too.
    is_square = True

    def _check_matrix(self, matrix):
        if matrix.ndim not in (2, 3):
            raise TypeError(f"{type(self).__name__} needs a matrix or a stack of matrices. Got {matrix.type} instead.")

    def c_headers(self, **kwargs):
        return ["<numpy/arrayobject.h>", "<math.h>"]

    def c_support_code(self, **kwargs):
        return [VECTOR_KERNELS, *declarations(self.routines), c_source("linalg.h")]

    def c_init_code(self, **kwargs):
        return initialisation(self.routines)

    def c_code_cache_version(self):
        return (2,)

    @staticmethod
    def _letter(node):
        return "d" if node.outputs[0].type.dtype == "float64" else "s"

    def infer_shape(self, fgraph, node, shapes):
        return [shapes[0]]


def _transposed(matrices):
    """Matrices with their last two axes exchanged."""
    return matrices.T if matrices.ndim == 2 else matrices.dimshuffle(0, 2, 1)


def _matmul(a, b):
    return tt.dot(a, b) if a.ndim == 2 else batch_matmul(a, b)


class Triangle(_MatrixOp):
    r"""One triangle of a matrix, with zeros elsewhere and a factor on the diagonal.

    Parameters
    ----------
    lower : bool
    diagonal : float
        Factor of the elements on the diagonal.
    """

    __props__ = ("lower", "diagonal")

    def __init__(self, lower=True, diagonal=1.0):
        self.lower, self.diagonal = lower, float(diagonal)

    def make_node(self, x):
        x = tt.as_tensor_variable(x)
        self._check_matrix(x)
        check_floats([x], type(self).__name__)
        return Apply(self, [x], [x.type()])

    def perform(self, node, inputs, output_storage):
        (x,) = inputs
        if x.shape[-1] != x.shape[-2]:
            raise ValueError(f"Triangle needs square matrices. Got shape {x.shape[-2:]}.")
        result = np.tril(x) if self.lower else np.triu(x)
        index = np.arange(x.shape[-1])
        result[..., index, index] *= self.diagonal
        output_storage[0][0] = result

    def L_op(self, inputs, outputs, output_grads):
        return [self(output_grads[0])]

    def R_op(self, inputs, eval_points):
        return [None if eval_points[0] is None else self(eval_points[0])]

    def c_code(self, node, name, inputs, outputs, sub):
        (x,), (z,), fail = inputs, outputs, sub["fail"]
        ndim = node.inputs[0].type.ndim
        return c_source(
            "triangle.c",
            T=CTYPES[node.outputs[0].type.dtype],
            x=x,
            fail=fail,
            z=z,
            ndim=ndim,
            last=ndim - 1,
            count=f"PyArray_DIM({x}, 0)" if ndim == 3 else "1",
            offset=f"s * PyArray_STRIDE({x}, 0)" if ndim == 3 else "0",
            before_last=ndim - 2,
            lower=int(self.lower),
            diagonal=self.diagonal,
        )


class CholeskyFactor(_MatrixOp):
    r"""Triangular factor of positive definite matrices: :math:`A = L L^\top`, or :math:`A = U^\top U`.

    Only the triangle of `A` that belongs to the factor is read, and only it has a gradient.

    Parameters
    ----------
    lower : bool
    on_error : {"raise", "nan"}
        What to do with a matrix that is not positive definite.
    """

    __props__ = ("lower", "on_error")
    routines = ("potrf",)

    def __init__(self, lower=True, on_error="raise"):
        self.lower, self.on_error = lower, on_error

    def make_node(self, x):
        x = tt.as_tensor_variable(x)
        self._check_matrix(x)
        check_floats([x], type(self).__name__)
        return Apply(self, [x], [x.type()])

    def perform(self, node, inputs, output_storage):
        (x,) = inputs
        if x.shape[-1] != x.shape[-2]:
            raise ValueError(f"CholeskyFactor needs square matrices. Got shape {x.shape[-2:]}.")
        factors = np.empty(x.shape, dtype=x.dtype)
        stack = x.reshape((-1,) + x.shape[-2:])
        for matrix, factor in zip(stack, factors.reshape(stack.shape)):
            try:
                factor[...] = scipy.linalg.cholesky(matrix, lower=self.lower, check_finite=False)
                broken = np.isnan(np.diagonal(factor)).any()
            except np.linalg.LinAlgError:
                broken = True
            if broken:
                if self.on_error == "raise":
                    raise np.linalg.LinAlgError("Cholesky: the matrix is not positive definite.")
                factor[...] = np.nan
        output_storage[0][0] = factors

    def L_op(self, inputs, outputs, output_grads):
        (factor,), (g,) = outputs, output_grads
        if not self.lower:
            factor, g = _transposed(factor), _transposed(g)
        grad = CholeskyGrad()(factor, g)
        return [grad if self.lower else _transposed(grad)]

    def c_code(self, node, name, inputs, outputs, sub):
        (x,), (z,), fail = inputs, outputs, sub["fail"]
        ndim, letter = node.inputs[0].type.ndim, self._letter(node)
        on_error = (
            f"""{{
                    pv_linalg_error("Cholesky: the matrix is not positive definite (leading minor %ld).", (long)info);
                    {fail}
                }}"""
            if self.on_error == "raise"
            else "for (npy_intp i = 0; i < n * n; ++i) out[i] = NAN;"
        )
        return c_source(
            "cholesky_factor.c",
            T=CTYPES[node.outputs[0].type.dtype],
            x=x,
            fail=fail,
            z=z,
            ndim=ndim,
            last=ndim - 1,
            count=f"PyArray_DIM({x}, 0)" if ndim == 3 else "1",
            uplo="U" if self.lower else "L",
            offset=f"s * PyArray_STRIDE({x}, 0)" if ndim == 3 else "0",
            before_last=ndim - 2,
            lower=int(self.lower),
            letter=letter,
            on_error=on_error,
        )


class CholeskyGrad(_MatrixOp):
    r"""Gradient through :math:`A = L L^\top`, from the gradient of the lower factor.

    .. math:: S = L^{-\top}\, \Phi(L^\top \bar L)\, L^{-1}, \qquad
              \bar A = \mathrm{tril}(S + S^\top) - \mathrm{diag}(S),

    where :math:`\Phi` takes the lower triangle and halves its diagonal.  The C code goes through the factor in blocks,
    backwards, which needs a fifth of the operations.

    References
    ----------
    I. Murray (2016), Differentiation of the Cholesky decomposition, arXiv:1602.07527, eqs. 9 and 10, and section 3.3.
    """

    __props__ = ("version",)  # Theano does not cache modules of Ops with empty props
    routines = ("gemm", "trmm", "trsm")
    version = 1

    def c_support_code(self, **kwargs):
        return super().c_support_code(**kwargs) + [
            c_source("cholesky_grad.h", letter=letter, T=ctype) for letter, ctype in (("s", "float"), ("d", "double"))
        ]

    def c_code_cache_version(self):
        return (2,)

    def make_node(self, factor, g):
        factor, g = tt.as_tensor_variable(factor), tt.as_tensor_variable(g)
        self._check_matrix(factor)
        check_floats([factor, g], type(self).__name__)
        if factor.ndim != g.ndim:
            raise TypeError(f"CholeskyGrad needs a factor and a gradient of one rank. Got {factor.type} and {g.type}.")
        return Apply(self, [factor, g], [factor.type()])

    def perform(self, node, inputs, output_storage):
        factors, grads = inputs
        if factors.shape != grads.shape:
            raise ValueError(f"CholeskyGrad: the shapes {factors.shape} and {grads.shape} must be equal.")
        result = np.empty(factors.shape, dtype=factors.dtype)
        shape = (-1,) + factors.shape[-2:]
        for factor, grad, out in zip(factors.reshape(shape), grads.reshape(shape), result.reshape(shape)):
            if np.isnan(factor).any():
                out[...] = np.nan
                continue
            inner = np.tril(factor.T @ np.tril(grad))
            inner[np.diag_indices_from(inner)] /= 2
            inner = scipy.linalg.solve_triangular(factor, inner, lower=True, trans=1, check_finite=False)
            inner = scipy.linalg.solve_triangular(factor, inner.T, lower=True, trans=1, check_finite=False).T
            out[...] = np.tril(inner + inner.T) - np.diag(np.diag(inner))
        output_storage[0][0] = result

    def L_op(self, inputs, outputs, output_grads):
        # By the same formula in Ops that have gradients themselves.  It is one of placeholders: the gradient `g` may
        # depend on the factor, and that path is not part of this derivative.
        factor, g = [x.type() for x in inputs]
        solve = TriangularSolve(lower=True, transposed=True)
        halved = Triangle(lower=True, diagonal=0.5)
        inner = solve(factor, halved(_matmul(_transposed(factor), Triangle()(g))))
        inner = _transposed(solve(factor, _transposed(inner)))
        formula = halved(inner + _transposed(inner))
        found = theano.gradient.Lop(formula, [factor, g], output_grads[0])
        return theano.clone(found, {factor: inputs[0], g: inputs[1]})

    def c_code(self, node, name, inputs, outputs, sub):
        (factor, g), (z,), fail = inputs, outputs, sub["fail"]
        ndim, letter = node.inputs[0].type.ndim, self._letter(node)
        return c_source(
            "cholesky_grad.c",
            T=CTYPES[node.outputs[0].type.dtype],
            factor=factor,
            fail=fail,
            g=g,
            ndim=ndim,
            z=z,
            last=ndim - 1,
            count=f"PyArray_DIM({factor}, 0)" if ndim == 3 else "1",
            offset=f"s * PyArray_STRIDE({g}, 0)" if ndim == 3 else "0",
            before_last=ndim - 2,
            letter=letter,
        )


class TriangularSolve(_MatrixOp):
    r"""Solution of :math:`A X = B`, or of :math:`A^\top X = B`, for triangular `A`.

    The other triangle of `A` is not read.  In a stack, singular matrices have NaN for solutions.

    Parameters
    ----------
    lower : bool
        Which triangle of `A` is used.
    transposed : bool
    """

    __props__ = ("lower", "transposed")
    routines = ("trsm",)
    is_square = False

    def __init__(self, lower=True, transposed=False):
        self.lower, self.transposed = lower, transposed

    def make_node(self, a, b):
        a, b = tt.as_tensor_variable(a), tt.as_tensor_variable(b)
        check_floats([a, b], type(self).__name__)
        self._check_matrix(a)
        if b.ndim != a.ndim and (a.ndim, b.ndim) != (2, 1):
            raise TypeError(
                f"TriangularSolve needs a matrix and a vector or matrix, or two stacks of matrices. "
                f"Got {a.type} and {b.type}."
            )
        return Apply(self, [a, b], [b.type()])

    def infer_shape(self, fgraph, node, shapes):
        return [shapes[1]]

    def perform(self, node, inputs, output_storage):
        a, b = inputs
        if a.shape[-1] != a.shape[-2]:
            raise ValueError(f"TriangularSolve needs square matrices. Got shape {a.shape[-2:]}.")
        if a.shape[-1] != b.shape[a.ndim - 2] or (a.ndim == 3 and len(a) != len(b)):
            raise ValueError(f"TriangularSolve: the shapes {a.shape} and {b.shape} do not match.")
        result = np.empty(b.shape, dtype=b.dtype)
        pairs = zip(a, b, result) if a.ndim == 3 else [(a, b, result)]
        for matrix, right, out in pairs:
            if not np.all(np.diagonal(matrix)):
                if a.ndim == 3:  # the others have solutions
                    out[...] = np.nan
                    continue
                raise np.linalg.LinAlgError("TriangularSolve: the matrix is singular.")
            out[...] = scipy.linalg.solve_triangular(
                matrix, right, lower=self.lower, trans=int(self.transposed), check_finite=False
            )
        output_storage[0][0] = result

    def L_op(self, inputs, outputs, output_grads):
        # M. B. Giles (2008), An extended collection of matrix derivative results, section 2.3.1
        a, (x,), (g,) = inputs[0], outputs, output_grads
        b_bar = TriangularSolve(self.lower, not self.transposed)(a, g)
        left, right = (x, b_bar) if self.transposed else (b_bar, x)
        if x.ndim == 1:
            left, right = left.dimshuffle(0, "x"), right.dimshuffle(0, "x")
        is_outer = x.broadcastable[-1] or x.ndim == 1  # as a product of elements it is fused with what is done to it
        product = left * _transposed(right) if is_outer else _matmul(left, _transposed(right))
        return [-tt.patternbroadcast(Triangle(self.lower)(product), a.broadcastable), b_bar]

    def c_code(self, node, name, inputs, outputs, sub):
        (a, b), (z,), fail = inputs, outputs, sub["fail"]
        ndim, letter = node.inputs[0].type.ndim, self._letter(node)
        is_vector = node.inputs[1].type.ndim == 1
        return c_source(
            "triangular_solve.c",
            T=CTYPES[node.outputs[0].type.dtype],
            a=a,
            fail=fail,
            last=ndim - 1,
            n_columns="1" if is_vector else f"(int)PyArray_DIM({b}, {ndim - 1})",
            count=f"PyArray_DIM({a}, 0)" if ndim == 3 else "1",
            b=b,
            before_last=ndim - 2,
            other_count=f"PyArray_DIM({b}, 0) != count" if ndim == 3 else "0",
            stack=int(ndim == 3),
            z=z,
            lower=int(self.lower),
            plain=int(not self.transposed),
            forward=int(self.lower != self.transposed),
            letter=letter,
        )
