template <typename T> static int pv_matvec(PyArrayObject* a, PyArrayObject* x, PyArrayObject** z, int type_num) {
    pv_matrix<T> A;
    pv_reference v;
    npy_intp m = PyArray_DIM(a, 0);
    const npy_intp k = PyArray_DIM(a, 1), size = 2048;  // what both loops touch again and again must fit the cache
    if (PyArray_DIM(x, 0) != k) { pv_product_mismatch(k, PyArray_DIM(x, 0)); return 0; }
    if (!A.open(a)) return 0;
    v = pv_without_gaps(x);
    if (!v.array || !pv_allocate(z, 1, &m, type_num)) return 0;
    const T* from = (const T*)PyArray_DATA(v.array);
    T* to = (T*)PyArray_DATA(*z);
    memset(to, 0, m * sizeof(T));
    for (npy_intp i = 0; i < m; i += size)
        for (npy_intp j = 0; j < k; j += size) {
            const npy_intp mi = m - i < size ? m - i : size, kj = k - j < size ? k - j : size;
            if (A.by_row) pv_lines_dot<T>(mi, kj, A.data + i * A.step + j, A.step, from + j, to + i);
            else pv_lines_axpy<T>(kj, mi, A.data + i + j * A.step, A.step, from + j, to + i);
        }
    return 1;
}
