"""C++ of products of matrices with vectors, for a range of the matrix's rows."""

__all__ = ["PRODUCT_KERNELS"]

PRODUCT_KERNELS = """
// A new reference that is given back at the end of the scope, whichever way that is left.
struct pv_reference {
    PyArrayObject* array;
    explicit pv_reference(PyArrayObject* a = NULL) : array(a) {}
    ~pv_reference() { Py_XDECREF(array); }
    void operator=(PyArrayObject* a) { Py_XDECREF(array); array = a; }
private:
    pv_reference(const pv_reference&);
};

static __attribute__((noinline, cold)) void pv_product_mismatch(npy_intp a, npy_intp b) {
    PyErr_Format(PyExc_ValueError, "Shape mis-match in a product of a matrix and a vector: %zd and %zd.",
                 (Py_ssize_t)a, (Py_ssize_t)b);
}

// A vector without gaps, or an array that varies along one dimension only: itself or a copy, as a new reference; NULL
// on failure.
static PyArrayObject* pv_without_gaps(PyArrayObject* x, int dimension = 0) {
    if (PyArray_DIM(x, dimension) > 1 && PyArray_STRIDE(x, dimension) != PyArray_ITEMSIZE(x))
        return (PyArrayObject*)PyArray_NewCopy(x, NPY_CORDER);
    Py_INCREF(x);
    return x;
}

// out[i] += sum_j a[i * step + j] * x[j] for m lines of k numbers, four lines at a time
template <typename T> static void pv_lines_dot(npy_intp m, npy_intp k, const T* a, npy_intp step, const T* x, T* out) {
    typedef typename pv_vec<T>::type V;
    const npy_intp w = 32 / sizeof(T);
    npy_intp i = 0;
    for (; i + 4 <= m; i += 4) {
        const T *a0 = a + i * step, *a1 = a0 + step, *a2 = a1 + step, *a3 = a2 + step;
        V s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};
        npy_intp j = 0;
        for (; j + w <= k; j += w) {
            const V q = *(const V*)(x + j);
            s0 += q * *(const V*)(a0 + j);
            s1 += q * *(const V*)(a1 + j);
            s2 += q * *(const V*)(a2 + j);
            s3 += q * *(const V*)(a3 + j);
        }
        T t0 = 0, t1 = 0, t2 = 0, t3 = 0;
        for (; j < k; ++j) {
            t0 += x[j] * a0[j];
            t1 += x[j] * a1[j];
            t2 += x[j] * a2[j];
            t3 += x[j] * a3[j];
        }
        for (npy_intp l = 0; l < w; ++l) { t0 += s0[l]; t1 += s1[l]; t2 += s2[l]; t3 += s3[l]; }
        out[i] += t0;
        out[i + 1] += t1;
        out[i + 2] += t2;
        out[i + 3] += t3;
    }
    for (; i < m; ++i) out[i] += pv_dot<T>(k, a + i * step, x);
}

// out[j] += sum_i x[i] * a[i * step + j] for m lines of k numbers, four lines at a time
template <typename T> static void pv_lines_axpy(npy_intp m, npy_intp k, const T* a, npy_intp step, const T* x, T* out) {
    typedef typename pv_vec<T>::type V;
    const npy_intp w = 32 / sizeof(T);
    npy_intp i = 0;
    for (; i + 4 <= m; i += 4) {
        const T *a0 = a + i * step, *a1 = a0 + step, *a2 = a1 + step, *a3 = a2 + step;
        const T x0 = x[i], x1 = x[i + 1], x2 = x[i + 2], x3 = x[i + 3];
        npy_intp j = 0;
        for (; j + w <= k; j += w)
            *(V*)(out + j) += (x0 * *(const V*)(a0 + j) + x1 * *(const V*)(a1 + j))
                            + (x2 * *(const V*)(a2 + j) + x3 * *(const V*)(a3 + j));
        for (; j < k; ++j) out[j] += (x0 * a0[j] + x1 * a1[j]) + (x2 * a2[j] + x3 * a3[j]);
    }
    for (; i < m; ++i) pv_axpy<T>(k, x[i], a + i * step, out);
}

// A matrix whose rows or columns have no gaps; `step` numbers lie between the begins of two of them.
template <typename T> struct pv_matrix {
    pv_reference held;
    const T* data;
    npy_intp rows, columns, step;
    bool by_row;

    // returns 0, with an exception set, where a copy is needed and there is no memory for it
    int open(PyArrayObject* a) {
        const npy_intp item = sizeof(T), sr = PyArray_STRIDE(a, 0), sc = PyArray_STRIDE(a, 1);
        rows = PyArray_DIM(a, 0);
        columns = PyArray_DIM(a, 1);
        const bool rows_fit = columns <= 1 || sc == item, columns_fit = rows <= 1 || sr == item;
        if (rows_fit || columns_fit) {
            Py_INCREF(a);
            held = a;
            // one column is read as one long line, not as many short ones
            by_row = rows_fit && !(columns_fit && columns <= 1);
            step = (by_row ? sr : sc) / item;
        } else {
            held = (PyArrayObject*)PyArray_NewCopy(a, NPY_CORDER);
            if (!held.array) return 0;
            by_row = true;
            step = columns;
        }
        data = (const T*)PyArray_DATA(held.array);
        return 1;
    }

    // out[i] = sum_j A[begin + i, j] * x[j] for m rows
    void times(npy_intp begin, npy_intp m, const T* x, T* out) const {
        memset(out, 0, m * sizeof(T));
        if (by_row) pv_lines_dot<T>(m, columns, data + begin * step, step, x, out);
        else pv_lines_axpy<T>(columns, m, data + begin, step, x, out);
    }

    // out[j] += sum_i A[begin + i, j] * x[i] for m rows
    void add_transposed(npy_intp begin, npy_intp m, const T* x, T* out) const {
        if (by_row) pv_lines_axpy<T>(m, columns, data + begin * step, step, x, out);
        else pv_lines_dot<T>(columns, m, data + begin, step, x, out);
    }
};
"""
