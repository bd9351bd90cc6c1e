static __attribute__((noinline, cold)) void pv_no_such_element(npy_intp i, npy_intp n) {
    PyErr_Format(PyExc_IndexError, "index %zd is out of bounds for an axis of size %zd", (Py_ssize_t)i,
                 (Py_ssize_t)n);
}

// The place that an index means, which counts from the end where it is negative; -1 with an exception where none is.
static inline npy_intp pv_place(npy_intp i, npy_intp n) {
    const npy_intp place = i < 0 ? i + n : i;
    if (place >= 0 && place < n) return place;
    pv_no_such_element(i, n);
    return -1;
}

// Copies some hundred bytes without calling a function.
static inline void pv_copy(npy_intp bytes, const char* x, char* y) {
    typedef long long V __attribute__((vector_size(32), aligned(1), may_alias));
    npy_intp i = 0;
    for (; i + 32 <= bytes; i += 32) *(V*)(y + i) = *(const V*)(x + i);
    for (; i < bytes; ++i) y[i] = x[i];
}

// How far ahead of the row that is copied another one is asked for: memory answers many requests in the time of one.
#define PV_AHEAD 16

// Rows x[index] of an array, into z, which has no gaps; 0 with an exception where a row does not exist.
template <typename T> static int pv_take_elements(PyArrayObject* x, PyArrayObject* index, PyArrayObject* z) {
    const npy_intp n = PyArray_DIM(x, 0), k = PyArray_DIM(index, 0), sx = PyArray_STRIDE(x, 0);
    const npy_intp si = PyArray_STRIDE(index, 0);
    const char *from = (const char*)PyArray_DATA(x), *at = (const char*)PyArray_DATA(index);
    T* to = (T*)PyArray_DATA(z);
    npy_intp m = 1;
    int gaps = !PyArray_ISALIGNED(x);
    for (int a = PyArray_NDIM(x) - 1; a > 0; --a) {
        gaps |= PyArray_DIM(x, a) != 1 && PyArray_STRIDE(x, a) != m * (npy_intp)sizeof(T);
        m *= PyArray_DIM(x, a);
    }
    if (gaps) {
        PyObject* taken = PyArray_TakeFrom(x, (PyObject*)index, 0, z, NPY_RAISE);
        Py_XDECREF(taken);
        return taken != NULL;
    }
    const npy_intp bytes = m * sizeof(T);
    for (npy_intp j = 0; j < k; ++j) {
        if (j + PV_AHEAD < k) {
            const npy_intp ahead = *(const npy_int64*)(at + (j + PV_AHEAD) * si);
            const char* row = from + (ahead < 0 ? ahead + n : ahead) * sx;
            for (npy_intp b = -((size_t)row & 63); b < bytes && b < 1024; b += 64) __builtin_prefetch(row + b);
        }
        const npy_intp place = pv_place(*(const npy_int64*)(at + j * si), n);
        if (place < 0) return 0;
        if (m == 1) to[j] = *(const T*)(from + place * sx);
        else pv_copy(bytes, from + place * sx, (char*)(to + j * m));
    }
    return 1;
}
