"""The logarithm of a sum of exponentials along the last axis, with the weights that are its gradient."""

import numpy as np
import theano.tensor as tt
from theano.gradient import DisconnectedType
from theano.graph.basic import Apply
from theano.graph.op import COp

from ._kernels import CTYPES, VECTOR_KERNELS
from ._scalar_code import vector_math_declarations, vector_math_libraries
from ._threads import PARALLEL

__all__ = ["LogSumExp"]

_KERNEL = """
#pragma GCC push_options
#pragma GCC optimize ("O2", "tree-vectorize", "no-trapping-math", "no-signed-zeros")
@FUNCTIONS@#pragma GCC pop_options

// y[i] = log sum_k exp x[i, k], w[i, k] = exp(x[i, k] - y[i]).  Rows are short: exponentials of many rows are taken
// together, so that they are vectors.  An infinite largest number shifts nothing, as in PyMC3.
template <typename T> static void pv_log_sum_exp(npy_intp n, npy_intp k, const T* x, T* y, T* w) {
    T sums[64];
    for (npy_intp begin = 0; begin < n; begin += 64) {
        const npy_intp rows = begin + 64 < n ? 64 : n - begin;
        T* weights = w + begin * k;
        for (npy_intp i = 0; i < rows; ++i) {
            const T* row = x + (begin + i) * k;
            T peak = -INFINITY;
            for (npy_intp j = 0; j < k; ++j) peak = row[j] > peak ? row[j] : peak;
            if (std::isinf(peak)) peak = 0;
            for (npy_intp j = 0; j < k; ++j) weights[i * k + j] = row[j] - peak;
            y[begin + i] = peak;
        }
        pv_exponentials(rows * k, weights);
        for (npy_intp i = 0; i < rows; ++i) {
            T* row = weights + i * k;
            T sum = 0;
            for (npy_intp j = 0; j < k; ++j) sum += row[j];
            const T scale = 1 / sum;
            sums[i] = sum;
            for (npy_intp j = 0; j < k; ++j) row[j] *= scale;
        }
        pv_add_logarithms(rows, sums, y + begin);
    }
}

template <typename T> struct pv_log_sum_exp_rows {
    npy_intp n, k, size;
    const T* x;
    T *y, *w;
    static void part(void* rows, npy_intp part) {
        const pv_log_sum_exp_rows& r = *(const pv_log_sum_exp_rows*)rows;
        const npy_intp begin = part * r.size, left = r.n - begin;
        pv_log_sum_exp<T>(left < r.size ? left : r.size, r.k, r.x + begin * r.k, r.y + begin, r.w + begin * r.k);
    }
};
"""

#: loops that call the functions by their own names, which alone have vector forms
_FUNCTIONS = """
static void pv_exponentials(npy_intp n, T* w) {
    #pragma omp simd
    for (npy_intp i = 0; i < n; ++i) w[i] = expF(w[i]);
}
static void pv_add_logarithms(npy_intp n, const T* sums, T* y) {
    #pragma omp simd
    for (npy_intp i = 0; i < n; ++i) y[i] += logF(sums[i]);
}
"""


def _kernel():
    types = (("double", ""), ("float", "f"))
    loops = [_FUNCTIONS.replace("T*", f"{ctype}*").replace("F(", f"{suffix}(") for ctype, suffix in types]
    return _KERNEL.replace("@FUNCTIONS@", "".join(loops))


class LogSumExp(COp):
    r"""Outputs :math:`y_i = \log \sum_k e^{x_{ik}}` and :math:`w_{ik} = e^{x_{ik} - y_i}` of x (..., k).

    y has the leading axes of x.  The weights w are the derivatives of y, which reverse mode therefore has at once.
    """

    __props__ = ("version",)  # Theano does not cache modules of Ops with empty props
    version = 1

    def make_node(self, x):
        x = tt.as_tensor_variable(x)
        if x.ndim < 1 or x.dtype not in CTYPES:
            raise TypeError(f"LogSumExp needs floats with at least one dimension. Got {x.type} instead.")
        return Apply(self, [x], [tt.TensorType(x.dtype, x.broadcastable[:-1])(), x.type()])

    def infer_shape(self, fgraph, node, shapes):
        return [tuple(shapes[0][:-1]), tuple(shapes[0])]

    def perform(self, node, inputs, output_storage):
        (x,) = inputs
        with np.errstate(all="ignore"):
            peak = np.max(x, axis=-1, keepdims=True, initial=-np.inf)
            peak = np.where(np.isinf(peak), 0, peak)
            powers = np.exp(x - peak)
            total = powers.sum(axis=-1, keepdims=True)
            output_storage[0][0] = np.asarray((peak + np.log(total))[..., 0], dtype=x.dtype)
            output_storage[1][0] = np.asarray(powers / total, dtype=x.dtype)

    def connection_pattern(self, node):
        return [[True, True]]

    def L_op(self, inputs, outputs, output_grads):
        weights, (g, gw) = outputs[1], output_grads
        result = 0
        if not isinstance(g.type, DisconnectedType):
            result = tt.shape_padright(g) * weights
        if not isinstance(gw.type, DisconnectedType):
            result = result + weights * (gw - tt.sum(gw * weights, axis=-1, keepdims=True))
        return [result]

    def R_op(self, inputs, eval_points):
        if eval_points[0] is None:
            return [None, None]
        weights = self(inputs[0])[1]
        change = tt.sum(weights * eval_points[0], axis=-1)
        return [change, weights * (eval_points[0] - tt.shape_padright(change))]

    def c_headers(self, **kwargs):
        return ["<numpy/arrayobject.h>", "<math.h>", "<cmath>"]

    def c_compile_args(self, **kwargs):
        return ["-fopenmp-simd", "-fno-math-errno", "-pthread"]

    def c_libraries(self, **kwargs):
        return vector_math_libraries()

    def c_support_code(self, **kwargs):
        return [VECTOR_KERNELS, vector_math_declarations(), PARALLEL, _kernel()]

    def c_code_cache_version(self):
        return (self.version,)

    def c_code(self, node, name, inputs, outputs, sub):
        (x,), (y, w), fail = inputs, outputs, sub["fail"]
        last = node.inputs[0].type.ndim - 1
        return f"""
        {{
            typedef {CTYPES[node.outputs[0].type.dtype]} T;
            const npy_intp k = PyArray_DIM({x}, {last});
            if (!pv_allocate(&{y}, {last}, PyArray_DIMS({x}), PyArray_TYPE({x}))) {fail}
            if (!pv_allocate(&{w}, {last + 1}, PyArray_DIMS({x}), PyArray_TYPE({x}))) {fail}
            PyArrayObject* whole = PyArray_GETCONTIGUOUS({x});
            if (!whole) {fail}
            pv_log_sum_exp_rows<T> rows = {{PyArray_SIZE({y}), k, 0, (const T*)PyArray_DATA(whole),
                                           (T*)PyArray_DATA({y}), (T*)PyArray_DATA({w})}};
            const npy_intp parts = pv_parts(rows.n * (1.5 + 1.5 * k), rows.n, &rows.size);
            pv_parallel(pv_log_sum_exp_rows<T>::part, &rows, parts);
            Py_DECREF(whole);
        }}
        """
