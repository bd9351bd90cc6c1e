"""Squared distances between all pairs of points, and their median."""

import numpy as np
import theano.tensor as tt
from theano.gradient import grad_undefined
from theano.graph.basic import Apply
from theano.graph.op import COp

from ._kernels import CTYPES, VECTOR_KERNELS

__all__ = ["MedianDistance", "SquaredDistances"]

_DISTANCES = """
// h[i, j] = sum_k (x[i, k] - x[j, k])^2.  Blocks of the upper triangle, with their sums in registers; each is written
// to both triangles.
template <typename T> static void pv_squared_distances(npy_intp n, npy_intp d, const T* x, T* h) {
    typedef typename pv_vec<T>::type V;
    const npy_intp w = 32 / sizeof(T), block = 2 * w, padded = (n + block - 1) / block * block;
    std::vector<T> columns(padded * d, (T)0);
    for (npy_intp i = 0; i < n; ++i) for (npy_intp k = 0; k < d; ++k) columns[k * padded + i] = x[i * d + k];
    for (npy_intp i = 0; i < n; i += 4) {
        const T* rows[4];
        for (npy_intp r = 0; r < 4; ++r) rows[r] = x + (i + r < n ? i + r : n - 1) * d;
        for (npy_intp j = i / block * block; j < n; j += block) {
            V a0 = {0}, a1 = {0}, b0 = {0}, b1 = {0}, c0 = {0}, c1 = {0}, e0 = {0}, e1 = {0};
            const T* column = columns.data() + j;
            for (npy_intp k = 0; k < d; ++k, column += padded) {
                const V left = *(const V*)column, right = *(const V*)(column + w);
                V l = left - rows[0][k], r = right - rows[0][k];
                a0 += l * l; a1 += r * r;
                l = left - rows[1][k]; r = right - rows[1][k];
                b0 += l * l; b1 += r * r;
                l = left - rows[2][k]; r = right - rows[2][k];
                c0 += l * l; c1 += r * r;
                l = left - rows[3][k]; r = right - rows[3][k];
                e0 += l * l; e1 += r * r;
            }
            const V sums[8] = {a0, a1, b0, b1, c0, c1, e0, e1};
            for (npy_intp r = 0; r < 4 && i + r < n; ++r)
                for (npy_intp c = 0; c < block && j + c < n; ++c)
                    if (j + c > i + r) h[(i + r) * n + j + c] = h[(j + c) * n + i + r] = sums[2 * r + c / w][c % w];
        }
    }
    for (npy_intp i = 0; i < n; ++i) h[i * n + i] = 0;
}
"""


class SquaredDistances(COp):
    r"""Squared Euclidean distances :math:`H_{ij} = \sum_k (x_{ik} - x_{jk})^2` of points x (n, d), as (n, n).

    They are sums of squared differences, so that points that lie close together far from the origin keep their digits,
    and points that coincide have distance 0.
    """

    __props__ = ("version",)  # Theano does not cache modules of Ops with empty props
    version = 1

    def make_node(self, x):
        x = tt.as_tensor_variable(x)
        if x.ndim != 2 or x.dtype not in CTYPES:
            raise TypeError(f"SquaredDistances needs a float matrix. Got {x.type} instead.")
        return Apply(self, [x], [tt.TensorType(x.dtype, (x.broadcastable[0],) * 2)()])

    def infer_shape(self, fgraph, node, shapes):
        return [(shapes[0][0], shapes[0][0])]

    def perform(self, node, inputs, output_storage):
        (x,) = inputs
        h = np.zeros((len(x), len(x)), dtype=x.dtype)
        for i, point in enumerate(x):
            h[i, i + 1 :] = h[i + 1 :, i] = np.sum((x[i + 1 :] - point) ** 2, axis=1)
        output_storage[0][0] = h

    def L_op(self, inputs, outputs, output_grads):
        (x,), (g,) = inputs, output_grads
        weights = g + g.T
        return [2 * (x * tt.sum(weights, axis=1, keepdims=True) - tt.dot(weights, x))]

    def c_headers(self, **kwargs):
        return ["<numpy/arrayobject.h>", "<vector>"]

    def c_support_code(self, **kwargs):
        return [VECTOR_KERNELS, _DISTANCES]

    def c_code_cache_version(self):
        return (self.version,)

    def c_code(self, node, name, inputs, outputs, sub):
        (x,), (z,), fail = inputs, outputs, sub["fail"]
        return f"""
        {{
            typedef {CTYPES[node.outputs[0].type.dtype]} T;
            npy_intp dims[2] = {{PyArray_DIM({x}, 0), PyArray_DIM({x}, 0)}};
            if (!pv_allocate(&{z}, 2, dims, PyArray_TYPE({x}))) {fail}
            PyArrayObject* whole = PyArray_GETCONTIGUOUS({x});
            if (!whole) {fail}
            pv_squared_distances<T>(dims[0], PyArray_DIM({x}, 1), (const T*)PyArray_DATA(whole), (T*)PyArray_DATA({z}));
            Py_DECREF(whole);
        }}
        """


_SELECT = """
// Puts the elements numbers k and k + 1 (of those in order) to `out`.
template <typename T> static void pv_select_two(std::vector<T>& v, npy_intp k, T* out) {
    const npy_intp m = v.size(), n_sample = 128;
    if (m > 8 * n_sample) {
        // Bounds from a sample leave a fraction of the elements, which are moved without branches.
        T sample[n_sample];
        for (npy_intp i = 0; i < n_sample; ++i) sample[i] = v[i * m / n_sample];
        std::sort(sample, sample + n_sample);
        const npy_intp rank = k * n_sample / m;
        const T low = sample[std::max(rank - 14, (npy_intp)0)], high = sample[std::min(rank + 14, n_sample - 1)];
        std::vector<T> kept(m + 1);
        npy_intp below = 0, count = 0;
        for (npy_intp i = 0; i < m; ++i) {
            const T x = v[i];
            kept[count] = x;
            below += x < low;
            count += (x >= low) & (x <= high);
        }
        if (below <= k && k + 1 < below + count) {
            kept.resize(count);
            v.swap(kept);
            k -= below;
        }
    }
    std::nth_element(v.begin(), v.begin() + k, v.end());
    out[0] = v[k];
    out[1] = k + 1 < (npy_intp)v.size() ? *std::min_element(v.begin() + k + 1, v.end()) : v[k];
}

// The median of a symmetric n x n matrix with a diagonal of zeros and no negative elements, which has every element of
// a triangle twice and n zeros before them.
template <typename T> static T pv_median_distance(npy_intp n, const char* h, npy_intp rows, npy_intp columns) {
    if (n < 2) return 1;
    std::vector<T> v(n * (n - 1) / 2);
    T* to = v.data();
    T total = 0;
    for (npy_intp i = 1; i < n; ++i) {
        T sum = 0;
        for (npy_intp j = 0; j < i; ++j) sum += *to++ = *(const T*)(h + i * rows + j * columns);
        total += sum;
    }
    if (total != total) return NAN;
    const npy_intp first = (n * n - 1) / 2, second = n * n / 2;
    T pair[2], result;
    if (first < n) {  // two points: of 0, 0, h, h
        result = (T)0.5 * v[0];
    } else {
        pv_select_two<T>(v, (first - n) / 2, pair);
        result = (T)0.5 * (pair[0] + pair[(second - n) / 2 - (first - n) / 2]);
    }
    if (!(result > 0)) result = 2 * total / n / n;
    return result > 0 ? result : 1;
}
"""


class MedianDistance(COp):
    """Median of all elements of a matrix (n, n) of squared distances, the zeros of its diagonal included.

    Where it is 0, the mean takes its place, and where that is 0 too, 1.  One triangle is read; it has no gradient.
    """

    __props__ = ("version",)
    version = 1

    def make_node(self, h):
        h = tt.as_tensor_variable(h)
        if h.ndim != 2 or h.dtype not in CTYPES:
            raise TypeError(f"MedianDistance needs a float matrix. Got {h.type} instead.")
        return Apply(self, [h], [tt.TensorType(h.dtype, ())()])

    def infer_shape(self, fgraph, node, shapes):
        return [()]

    def perform(self, node, inputs, output_storage):
        (h,) = inputs
        if h.shape[0] != h.shape[1]:
            raise ValueError(f"MedianDistance needs a square matrix. Got shape {h.shape}.")
        choices = [] if h.size == 0 else [np.median(h), np.mean(h)]
        found = next((x for x in choices if x > 0 or np.isnan(x)), 1)
        output_storage[0][0] = np.asarray(found, dtype=h.dtype)

    def grad(self, inputs, output_grads):
        return [grad_undefined(self, 0, inputs[0], "the median is used as a constant scale")]

    def c_headers(self, **kwargs):
        return ["<numpy/arrayobject.h>", "<vector>", "<algorithm>", "<math.h>"]

    def c_support_code(self, **kwargs):
        return [VECTOR_KERNELS, _SELECT]

    def c_code_cache_version(self):
        return (self.version,)

    def c_code(self, node, name, inputs, outputs, sub):
        (h,), (z,), fail = inputs, outputs, sub["fail"]
        return f"""
        {{
            typedef {CTYPES[node.outputs[0].type.dtype]} T;
            const npy_intp n = PyArray_DIM({h}, 0);
            if (PyArray_DIM({h}, 1) != n) {{
                PyErr_Format(PyExc_ValueError, "MedianDistance needs a square matrix. Got shape (%zd, %zd).",
                             (Py_ssize_t)n, (Py_ssize_t)PyArray_DIM({h}, 1));
                {fail}
            }}
            if (!pv_allocate(&{z}, 0, NULL, PyArray_TYPE({h}))) {fail}
            *(T*)PyArray_DATA({z}) = pv_median_distance<T>(n, (const char*)PyArray_DATA({h}), PyArray_STRIDE({h}, 0),
                                                            PyArray_STRIDE({h}, 1));
        }}
        """
