"""Products of stacks of matrices, through BLAS."""

import numpy as np
import theano.tensor as tt
from theano.gradient import DisconnectedType
from theano.graph.basic import Apply
from theano.graph.op import COp

from ._capsules import declarations, initialisation
from ._kernels import CTYPES, VECTOR_KERNELS, check_floats

__all__ = ["BatchMatmul", "batch_matmul"]

# Products for which BLAS takes longer to prepare than to compute.
_SMALL_PRODUCTS = """
// z (n, m) = a (n, k) b (k, m) for a factor b that stays in the first cache: blocks of 4 rows and two vectors of
// columns, with their sums in registers.  `steps` are the distances of rows and of columns of each factor.
template <typename T> static void pv_blocked_product(npy_intp n, npy_intp m, npy_intp k, const T* a,
                                                     const npy_intp* steps_a, const T* b, const npy_intp* steps_b,
                                                     T* padded, T* z) {
    typedef typename pv_vec<T>::type V;
    const npy_intp w = 32 / sizeof(T), block = 2 * w, blocks = (m + block - 1) / block;
    for (npy_intp j = 0; j < blocks * block; ++j)
        for (npy_intp l = 0; l < k; ++l)
            padded[(j / block * k + l) * block + j % block] = j < m ? b[l * steps_b[0] + j * steps_b[1]] : 0;
    for (npy_intp i = 0; i < n; i += 4) {
        const T* rows[4];
        for (npy_intp r = 0; r < 4; ++r) rows[r] = a + (i + r < n ? i + r : n - 1) * steps_a[0];
        for (npy_intp q = 0; q < blocks; ++q) {
            V a0 = {0}, a1 = {0}, b0 = {0}, b1 = {0}, c0 = {0}, c1 = {0}, e0 = {0}, e1 = {0};
            const T* column = padded + q * k * block;
            npy_intp at = 0;
            for (npy_intp l = 0; l < k; ++l, column += block, at += steps_a[1]) {
                const V left = *(const V*)column, right = *(const V*)(column + w);
                a0 += left * rows[0][at]; a1 += right * rows[0][at];
                b0 += left * rows[1][at]; b1 += right * rows[1][at];
                c0 += left * rows[2][at]; c1 += right * rows[2][at];
                e0 += left * rows[3][at]; e1 += right * rows[3][at];
            }
            T* to = z + i * m + q * block;
            if (i + 4 <= n && q * block + block <= m) {
                *(V*)to = a0; *(V*)(to + w) = a1; to += m;
                *(V*)to = b0; *(V*)(to + w) = b1; to += m;
                *(V*)to = c0; *(V*)(to + w) = c1; to += m;
                *(V*)to = e0; *(V*)(to + w) = e1;
            } else {
                const V sums[8] = {a0, a1, b0, b1, c0, c1, e0, e1};
                const npy_intp size = m - q * block < block ? m - q * block : block;
                for (npy_intp r = 0; r < 4 && i + r < n; ++r, to += m)
                    for (npy_intp c = 0; c < size; ++c) to[c] = ((const T*)sums)[2 * r * w + c];
            }
        }
    }
}

// z (n, m) = a (n, k) b (k, m); trans says whether the columns of a factor lie together instead of its rows.
template <typename T> static int pv_small_product(int n, int m, int k, const T* a, npy_intp lda, char trans_a,
                                                  const T* b, npy_intp ldb, char trans_b, T* padded, T* z) {
    const bool rows = trans_a == 'N' || (n == 1 && lda == 1), columns = trans_b == 'T' || (m == 1 && ldb == 1);
    if (m == 1 && trans_a == 'T') {  // a sum of columns
        const npy_intp step = trans_b == 'T' ? 1 : ldb;
        for (int i = 0; i < n; ++i) z[i] = 0;
        for (int l = 0; l < k; ++l) pv_axpy<T>(n, b[l * step], a + l * lda, z);
        return 1;
    }
    if (k == 1 && (trans_b == 'N' || ldb == 1)) {
        for (int i = 0; i < n; ++i) pv_scaled<T>(m, a[trans_a == 'N' ? i * lda : i], b, z + (npy_intp)i * m);
        return 1;
    }
    if (rows && columns && (m == 1 || n == 1 || m * n <= 64) && k <= 1024) {
        for (int i = 0; i < n; ++i)
            for (int j = 0; j < m; ++j) z[(npy_intp)i * m + j] = pv_dot<T>(k, a + i * lda, b + j * ldb);
        return 1;
    }
    if (padded && n >= 8) {
        const npy_intp steps_a[2] = {trans_a == 'N' ? lda : 1, trans_a == 'N' ? 1 : lda};
        const npy_intp steps_b[2] = {trans_b == 'N' ? ldb : 1, trans_b == 'N' ? 1 : ldb};
        pv_blocked_product<T>(n, m, k, a, steps_a, b, steps_b, padded, z);
        return 1;
    }
    return 0;
}
"""

#: Most bytes of a right factor for which the product of blocks is used.
_SMALL_FACTOR = 24 * 1024

# A stack of matrices as BLAS sees it.  Row-major data is column-major data of the transpose, so one of the two
# strides must be the item size; anything else is copied first.
_STACK = """
struct pv_stack { PyArrayObject* array; char* data; npy_intp step; int ld; char trans; };

// Fills `out`; its array is a new reference.  Returns 0 on failure.
static inline int pv_as_stack(PyArrayObject* a, pv_stack* out) {
    const npy_intp item = PyArray_ITEMSIZE(a);
    for (int attempt = 0; attempt < 2; ++attempt) {
        const npy_intp rows = PyArray_DIM(a, 1), cols = PyArray_DIM(a, 2);
        const npy_intp sr = PyArray_STRIDE(a, 1), sc = PyArray_STRIDE(a, 2);
        const int row_major = (cols <= 1 || sc == item)
            && (rows <= 1 || (sr >= item * (cols > 1 ? cols : 1) && sr % item == 0));
        const int col_major = (rows <= 1 || sr == item)
            && (cols <= 1 || (sc >= item * (rows > 1 ? rows : 1) && sc % item == 0));
        if (row_major || col_major) {
            const npy_intp ld = row_major ? (rows > 1 ? sr / item : (cols > 1 ? cols : 1))
                                          : (cols > 1 ? sc / item : (rows > 1 ? rows : 1));
            if (attempt == 0) Py_INCREF(a);
            out->array = a;
            out->data = (char*)PyArray_DATA(a);
            out->step = PyArray_DIM(a, 0) == 1 ? 0 : PyArray_STRIDE(a, 0);
            out->ld = (int)ld;
            out->trans = row_major ? 'N' : 'T';
            return 1;
        }
        if (attempt == 0 && !(a = (PyArrayObject*)PyArray_NewCopy(a, NPY_CORDER))) return 0;
    }
    Py_DECREF(a);
    PyErr_SetString(PyExc_RuntimeError, "BatchMatmul: unexpected memory layout.");
    return 0;
}
"""


class BatchMatmul(COp):
    r"""Matrix products over a leading axis, :math:`c_{snm} = \sum_k a_{snk}\, b_{skm}`.

    A leading axis that is statically broadcastable is repeated along the other one.
    """

    __props__ = ("version",)  # Theano does not cache modules of Ops with empty props
    version = 1

    def make_node(self, a, b):
        a, b = tt.as_tensor_variable(a), tt.as_tensor_variable(b)
        dtype = check_floats([a, b], type(self).__name__)
        if a.ndim != 3 or b.ndim != 3:
            raise TypeError(f"BatchMatmul needs two tensors of 3 dimensions. Got {a.type} and {b.type}.")
        pattern = (
            a.broadcastable[0] and b.broadcastable[0],
            a.broadcastable[1],
            b.broadcastable[2],
        )
        return Apply(self, [a, b], [tt.TensorType(dtype, pattern)()])

    def infer_shape(self, fgraph, node, shapes):
        (lead, n, _), (other, _, m) = shapes
        return [(other if node.inputs[0].broadcastable[0] else lead, n, m)]

    def perform(self, node, inputs, output_storage):
        a, b = inputs
        repeats = [v.broadcastable[0] for v in node.inputs]
        if a.shape[2] != b.shape[1] or (a.shape[0] != b.shape[0] and not any(repeats)):
            raise ValueError(f"BatchMatmul: the shapes {a.shape} and {b.shape} do not match.")
        output_storage[0][0] = np.matmul(a, b)

    def L_op(self, inputs, outputs, output_grads):
        a, b = inputs
        (g,) = output_grads
        grads = [self(g, b.dimshuffle(0, 2, 1)), self(a.dimshuffle(0, 2, 1), g)]
        for position, variable in enumerate(inputs):
            grad = grads[position]
            if variable.broadcastable[0] and not grad.broadcastable[0]:
                grad = grad.sum(axis=0, keepdims=True)
            grads[position] = tt.patternbroadcast(grad, variable.broadcastable)
        return grads

    def R_op(self, inputs, eval_points):
        a, b = inputs
        terms = []
        for pair in ((eval_points[0], b), (a, eval_points[1])):
            if all(v is not None and not isinstance(v.type, DisconnectedType) for v in pair):
                terms.append(self(*pair))
        return [sum(terms[1:], terms[0])] if terms else [None]

    def c_headers(self, **kwargs):
        return ["<numpy/arrayobject.h>", "<vector>"]

    def c_support_code(self, **kwargs):
        return [VECTOR_KERNELS, *declarations(["gemm"]), _STACK, _SMALL_PRODUCTS]

    def c_init_code(self, **kwargs):
        return initialisation(["gemm"])

    def c_code_cache_version(self):
        return (2,)

    def c_code(self, node, name, inputs, outputs, sub):
        a, b = inputs
        (z,) = outputs
        dtype = node.outputs[0].type.dtype
        letter = "d" if dtype == "float64" else "s"
        repeat_a, repeat_b = (int(v.broadcastable[0]) for v in node.inputs)
        fail = sub["fail"]
        return f"""
        {{
            typedef {CTYPES[dtype]} T;
            const npy_intp na = PyArray_DIM({a}, 0), nb = PyArray_DIM({b}, 0);
            npy_intp dims[3] = {{{repeat_a} ? nb : na, PyArray_DIM({a}, 1), PyArray_DIM({b}, 2)}};
            const npy_intp inner = PyArray_DIM({a}, 2);
            if (inner != PyArray_DIM({b}, 1) || (na != nb && !{repeat_a} && !{repeat_b})) {{
                PyErr_Format(PyExc_ValueError, "BatchMatmul: the shapes (%zd, %zd, %zd) and (%zd, %zd, %zd) do not "
                             "match.", (Py_ssize_t)na, (Py_ssize_t)dims[1], (Py_ssize_t)inner, (Py_ssize_t)nb,
                             (Py_ssize_t)PyArray_DIM({b}, 1), (Py_ssize_t)dims[2]);
                {fail}
            }}
            if (!pv_allocate(&{z}, 3, dims, PyArray_TYPE({a}))) {fail}
            const npy_intp block = dims[1] * dims[2];
            if (inner == 0) memset(PyArray_DATA({z}), 0, PyArray_NBYTES({z}));
            else if (PyArray_SIZE({z}) > 0) {{
                pv_stack left, right;
                left.array = right.array = NULL;
                if (!pv_as_stack({a}, &left)) {fail}
                if (!pv_as_stack({b}, &right)) {{ Py_DECREF(left.array); {fail} }}
                // column-major: z' = b' a'
                int m = (int)dims[2], n = (int)dims[1], k = (int)inner;
                T one = 1, zero = 0;
                const npy_intp width = (dims[2] + 64 / sizeof(T) - 1) / (64 / sizeof(T)) * (64 / sizeof(T));
                std::vector<T> padded(width * inner * sizeof(T) <= {_SMALL_FACTOR} ? width * inner : 0);
                for (npy_intp s = 0; s < dims[0]; ++s) {{
                    T* a = (T*)(left.data + s * left.step);
                    T* b = (T*)(right.data + s * right.step);
                    T* z = (T*)PyArray_DATA({z}) + s * block;
                    if (!pv_small_product<T>(n, m, k, a, left.ld, left.trans, b, right.ld, right.trans,
                                             padded.empty() ? NULL : padded.data(), z))
                        pv_{letter}gemm(&right.trans, &left.trans, &m, &n, &k, &one, b, &right.ld, a, &left.ld, &zero,
                                        z, &m);
                }}
                Py_DECREF(left.array);
                Py_DECREF(right.array);
            }}
        }}
        """


def batch_matmul(a, b):
    r"""Products of matrices along a leading axis, :math:`c_{snm} = \sum_k a_{snk}\, b_{skm}`.

    Parameters
    ----------
    a : tensor (S, n, k) or (n, k)
    b : tensor (S, k, m) or (k, m)
        An operand of two dimensions, or with a broadcastable leading axis, is used for every s.

    Returns
    -------
    tensor (S, n, m)
    """
    a, b = tt.as_tensor_variable(a), tt.as_tensor_variable(b)
    dtype = tt.basic.scal.upcast(a.dtype, b.dtype, "float32")
    operands = []
    for operand in (a, b):
        operand = operand if operand.dtype == dtype else tt.cast(operand, dtype)
        operands.append(operand.dimshuffle("x", 0, 1) if operand.ndim == 2 else operand)
    return BatchMatmul()(*operands)
