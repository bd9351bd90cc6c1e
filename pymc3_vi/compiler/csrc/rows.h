// Position of each row among all of them, from one index vector per axis; negative indices count from the end.
static int pv_positions(int n_axes, PyArrayObject** indices, const npy_intp* sizes, std::vector<npy_intp>& out) {
    const npy_intp k = PyArray_DIM(indices[0], 0);
    out.assign(k, 0);
    for (int a = 0; a < n_axes; ++a) {
        if (PyArray_DIM(indices[a], 0) != k) {
            PyErr_Format(PyExc_ValueError, "The index vectors have different lengths: %zd and %zd.", (Py_ssize_t)k,
                         (Py_ssize_t)PyArray_DIM(indices[a], 0));
            return 0;
        }
        const char* data = (const char*)PyArray_DATA(indices[a]);
        const npy_intp stride = PyArray_STRIDE(indices[a], 0), n = sizes[a];
        for (npy_intp j = 0; j < k; ++j) {
            npy_intp i = *(const npy_int64*)(data + j * stride);
            if (i < -n || i >= n) {
                PyErr_Format(PyExc_IndexError, "index %zd is out of bounds for an axis of size %zd", (Py_ssize_t)i,
                             (Py_ssize_t)n);
                return 0;
            }
            out[j] = out[j] * n + (i < 0 ? i + n : i);
        }
    }
    return 1;
}

// `a` if the axes after its first one have no gaps, else a copy; a new reference, with the step of the first axis.
static PyArrayObject* pv_without_gaps(PyArrayObject* a, npy_intp* step) {
    npy_intp expected = PyArray_ITEMSIZE(a);
    int fits = PyArray_ISALIGNED(a) && PyArray_STRIDE(a, 0) % expected == 0;
    for (int i = PyArray_NDIM(a) - 1; i >= 1; --i) {
        if (PyArray_DIM(a, i) != 1 && PyArray_STRIDE(a, i) != expected) fits = 0;
        expected *= PyArray_DIM(a, i);
    }
    if (fits) Py_INCREF(a);
    else if (!(a = (PyArrayObject*)PyArray_NewCopy(a, NPY_CORDER))) return NULL;
    *step = PyArray_STRIDE(a, 0) / PyArray_ITEMSIZE(a);
    return a;
}

template <typename T> static void pv_take_rows(npy_intp S, npy_intp step, npy_intp k, npy_intp m, const npy_intp* at,
                                               const T* x, T* z) {
    for (npy_intp s = 0; s < S; ++s, x += step, z += k * m) {
        if (m == 1) for (npy_intp j = 0; j < k; ++j) z[j] = x[at[j]];
        else for (npy_intp j = 0; j < k; ++j) memcpy(z + j * m, x + at[j] * m, m * sizeof(T));
    }
}

template <typename T> static void pv_sum_rows(npy_intp S, npy_intp step, npy_intp n, npy_intp k, npy_intp m,
                                              const npy_intp* at, const T* g, T* z) {
    npy_intp s = 0;
    // Four elements of the batch at a time: sums into the same place wait for each other.
    for (; m == 1 && s + 4 <= S; s += 4, g += 4 * step, z += 4 * n)
        for (npy_intp j = 0; j < k; ++j) {
            T* to = z + at[j];
            to[0] += g[j];
            to[n] += g[step + j];
            to[2 * n] += g[2 * step + j];
            to[3 * n] += g[3 * step + j];
        }
    for (; s < S; ++s, g += step, z += n * m)
        for (npy_intp j = 0; j < k; ++j) for (npy_intp c = 0; c < m; ++c) z[at[j] * m + c] += g[j * m + c];
}

template <typename T> static void pv_put_rows(npy_intp S, npy_intp step, npy_intp n, npy_intp k, npy_intp m,
                                              const npy_intp* at, const T* y, T* z) {
    for (npy_intp s = 0; s < S; ++s, y += step, z += n * m)
        for (npy_intp j = 0; j < k; ++j) memcpy(z + at[j] * m, y + j * m, m * sizeof(T));
}
