template <typename T> struct pv_vec;
template <> struct pv_vec<float> {
    typedef float type __attribute__((vector_size(32), aligned(4), may_alias));
    typedef int bits __attribute__((vector_size(32)));
};
template <> struct pv_vec<double> {
    typedef double type __attribute__((vector_size(32), aligned(8), may_alias));
    typedef long long bits __attribute__((vector_size(32)));
};

// sum_i x[i] * y[i], in two times (32 bytes / sizeof T) partial sums
template <typename T> static inline T pv_dot(npy_intp n, const T* x, const T* y) {
    typedef typename pv_vec<T>::type V;
    const npy_intp w = 32 / sizeof(T);
    V a = {0}, b = {0};
    npy_intp i = 0;
    for (; i + 2 * w <= n; i += 2 * w) {
        a += *(const V*)(x + i) * *(const V*)(y + i);
        b += *(const V*)(x + i + w) * *(const V*)(y + i + w);
    }
    if (i + w <= n) { a += *(const V*)(x + i) * *(const V*)(y + i); i += w; }
    a += b;
    T s = 0;
    for (; i < n; ++i) s += x[i] * y[i];
    for (npy_intp k = 0; k < w; ++k) s += a[k];
    return s;
}

// y[i] += q * x[i]
template <typename T> static inline void pv_axpy(npy_intp n, T q, const T* x, T* y) {
    typedef typename pv_vec<T>::type V;
    const npy_intp w = 32 / sizeof(T);
    npy_intp i = 0;
    for (; i + w <= n; i += w) *(V*)(y + i) += q * *(const V*)(x + i);
    for (; i < n; ++i) y[i] += q * x[i];
}

// y[i] = q * x[i]
template <typename T> static inline void pv_scaled(npy_intp n, T q, const T* x, T* y) {
    typedef typename pv_vec<T>::type V;
    const npy_intp w = 32 / sizeof(T);
    npy_intp i = 0;
    for (; i + w <= n; i += w) *(V*)(y + i) = q * *(const V*)(x + i);
    for (; i < n; ++i) y[i] = q * x[i];
}

// Makes *out a C-contiguous array of this shape, reusing the one it holds; returns 0 on failure.
static inline int pv_allocate(PyArrayObject** out, int ndim, npy_intp* dims, int type_num) {
    PyArrayObject* a = *out;
    if (a && PyArray_NDIM(a) == ndim && PyArray_TYPE(a) == type_num && PyArray_ISCARRAY(a)
            && PyArray_CompareLists(PyArray_DIMS(a), dims, ndim)) return 1;
    Py_XDECREF(a);
    *out = (PyArrayObject*)PyArray_EMPTY(ndim, dims, type_num, 0);
    return *out != NULL;
}
