// Row-major memory is column-major memory of the transpose; all BLAS calls below speak column-major.
static __attribute__((noinline, cold)) void pv_linalg_error(const char* format, long n) {
    PyObject* module = PyImport_ImportModule("numpy.linalg");
    if (!module) return;
    PyObject* type = PyObject_GetAttrString(module, "LinAlgError");
    Py_DECREF(module);
    if (!type) return;
    PyErr_Format(type, format, n);
    Py_DECREF(type);
}

// Whether the last two axes are square; a ValueError is set if not.
static int pv_square(PyArrayObject* a, const char* who) {
    const int d = PyArray_NDIM(a);
    if (PyArray_DIM(a, d - 1) == PyArray_DIM(a, d - 2)) return 1;
    PyErr_Format(PyExc_ValueError, "%s needs square matrices. Got shape (%zd, %zd).", who,
                 (Py_ssize_t)PyArray_DIM(a, d - 2), (Py_ssize_t)PyArray_DIM(a, d - 1));
    return 0;
}

// A square matrix, or a stack of them, with leading dimension n in one of the two orders; a new reference.
struct pv_matrices { PyArrayObject* array; char* data; npy_intp step; int row_major; };

static int pv_as_matrices(PyArrayObject* a, pv_matrices* out) {
    const int d = PyArray_NDIM(a);
    const npy_intp item = PyArray_ITEMSIZE(a), n = PyArray_DIM(a, d - 1);
    const npy_intp sr = PyArray_STRIDE(a, d - 2), sc = PyArray_STRIDE(a, d - 1);
    if (n <= 1 || (sc == item && sr == n * item)) out->row_major = 1;
    else if (sr == item && sc == n * item) out->row_major = 0;
    else {
        if (!(a = (PyArrayObject*)PyArray_NewCopy(a, NPY_CORDER))) return 0;
        out->array = a;
        out->row_major = 1;
        out->data = (char*)PyArray_DATA(a);
        out->step = d == 3 && PyArray_DIM(a, 0) > 1 ? PyArray_STRIDE(a, 0) : 0;
        return 1;
    }
    Py_INCREF(a);
    out->array = a;
    out->data = (char*)PyArray_DATA(a);
    out->step = d == 3 && PyArray_DIM(a, 0) > 1 ? PyArray_STRIDE(a, 0) : 0;
    return 1;
}

// Copies one triangle of an n x n matrix with any strides to row-major memory, with zeros elsewhere.
template <typename T> static void pv_copy_triangle(npy_intp n, const char* from, npy_intp sr, npy_intp sc, int lower,
                                                   T scale, T* to) {
    for (npy_intp r = 0; r < n; ++r, to += n) {
        const npy_intp begin = lower ? 0 : r, end = lower ? r + 1 : n;
        const char* row = from + r * sr;
        for (npy_intp c = 0; c < begin; ++c) to[c] = 0;
        if (sc == (npy_intp)sizeof(T)) memcpy(to + begin, row + begin * sc, (end - begin) * sizeof(T));
        else for (npy_intp c = begin; c < end; ++c) to[c] = *(const T*)(row + c * sc);
        for (npy_intp c = end; c < n; ++c) to[c] = 0;
        if (scale != 1) to[r] *= scale;
    }
}

// Solves A x = b in place for row-major x (n, m), by substitution with whole rows; A has strides `sr` and `sc`.
template <typename T> static void pv_substitute(npy_intp n, npy_intp m, const T* a, npy_intp sr, npy_intp sc, int lower,
                                                T* x) {
    for (npy_intp k = 0; k < n; ++k) {
        const npy_intp i = lower ? k : n - 1 - k;
        T* row = x + i * m;
        for (npy_intp j = lower ? 0 : i + 1; j < (lower ? i : n); ++j)
            pv_axpy<T>(m, -a[i * sr + j * sc], x + j * m, row);
        pv_scaled<T>(m, 1 / a[i * sr + i * sc], row, row);
    }
}
