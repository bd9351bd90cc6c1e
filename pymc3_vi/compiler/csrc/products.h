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

// out[i] += the sum of the elements of a, b, c and d, for i = 0 to 3
template <typename V, typename T> static inline void pv_add_sums(V a, V b, V c, V d, T* out) {
    for (npy_intp l = 0; l < (npy_intp)(32 / sizeof(T)); ++l) {
        out[0] += a[l];
        out[1] += b[l];
        out[2] += c[l];
        out[3] += d[l];
    }
}
#if defined(__clang__) || __GNUC__ >= 12
// In short lines the sums are a good part of the work; here all four are taken at once.
static inline void pv_add_sums(pv_vec<double>::type a, pv_vec<double>::type b, pv_vec<double>::type c,
                               pv_vec<double>::type d, double* out) {
    typedef pv_vec<double>::type V;
    const V ab = __builtin_shufflevector(a, b, 0, 4, 2, 6) + __builtin_shufflevector(a, b, 1, 5, 3, 7);
    const V cd = __builtin_shufflevector(c, d, 0, 4, 2, 6) + __builtin_shufflevector(c, d, 1, 5, 3, 7);
    *(V*)out += __builtin_shufflevector(ab, cd, 0, 1, 4, 5) + __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
}
#endif

// The rest of k numbers that fills no vector is read as a part of the last vector that fits.
template <typename T> struct pv_rest {
    typedef typename pv_vec<T>::type V;
    typedef typename pv_vec<T>::bits B;
    bool used;
    B mask;
    explicit pv_rest(npy_intp k) : used(k % (32 / sizeof(T)) && k > (npy_intp)(32 / sizeof(T))) {
        const npy_intp w = 32 / sizeof(T), first = w - k % w;
        for (npy_intp l = 0; l < w; ++l) mask[l] = l < first ? 0 : -1;
    }
    // zeros where a number does not belong to the rest, whatever it is
    V of(V a) const { return (V)((B)a & mask); }
};

// Asks for n numbers that will be read soon, so that memory works while numbers at hand are multiplied; into the first
// cache (3) or the second one (2).
template <int cache, typename T> static inline void pv_fetch(const T* a, npy_intp n) {
    for (npy_intp j = 0; j < n; j += 64 / sizeof(T)) __builtin_prefetch(a + j, 0, cache);
}

// out[i] += sum_j a[i * step + j] * x[j] for m lines of k numbers; eight lines at a time keep two multipliers busy.
// Of what lies `ahead` of each eight lines, half is fetched here, the other half by pv_lines_axpy.
template <typename T> static void pv_lines_dot(npy_intp m, npy_intp k, const T* a, npy_intp step, const T* x, T* out,
                                              npy_intp ahead = 0) {
    typedef typename pv_vec<T>::type V;
    const npy_intp w = 32 / sizeof(T);
    const pv_rest<T> rest(k);
    npy_intp i = 0;
    for (; i + 8 <= m; i += 8) {
        const T *a0 = a + i * step, *a1 = a0 + step, *a2 = a1 + step, *a3 = a2 + step;
        const T *a4 = a3 + step, *a5 = a4 + step, *a6 = a5 + step, *a7 = a6 + step;
        if (ahead) {
            pv_fetch<3>(a0 + 8 * step, 8 * step);
            pv_fetch<2>(a0 + ahead, 4 * step);
        }
        V s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0}, s4 = {0}, s5 = {0}, s6 = {0}, s7 = {0};
        npy_intp j = 0;
        for (; j + w <= k; j += w) {
            const V q = *(const V*)(x + j);
            s0 += q * *(const V*)(a0 + j);
            s1 += q * *(const V*)(a1 + j);
            s2 += q * *(const V*)(a2 + j);
            s3 += q * *(const V*)(a3 + j);
            s4 += q * *(const V*)(a4 + j);
            s5 += q * *(const V*)(a5 + j);
            s6 += q * *(const V*)(a6 + j);
            s7 += q * *(const V*)(a7 + j);
        }
        if (rest.used) {
            j = k - w;
            const V q = rest.of(*(const V*)(x + j));
            s0 += q * rest.of(*(const V*)(a0 + j));
            s1 += q * rest.of(*(const V*)(a1 + j));
            s2 += q * rest.of(*(const V*)(a2 + j));
            s3 += q * rest.of(*(const V*)(a3 + j));
            s4 += q * rest.of(*(const V*)(a4 + j));
            s5 += q * rest.of(*(const V*)(a5 + j));
            s6 += q * rest.of(*(const V*)(a6 + j));
            s7 += q * rest.of(*(const V*)(a7 + j));
            j = k;
        }
        for (; j < k; ++j)
            for (npy_intp l = 0; l < 8; ++l) out[i + l] += x[j] * a0[l * step + j];
        pv_add_sums(s0, s1, s2, s3, out + i);
        pv_add_sums(s4, s5, s6, s7, out + i + 4);
    }
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
        for (; j < k; ++j) {
            out[i] += x[j] * a0[j];
            out[i + 1] += x[j] * a1[j];
            out[i + 2] += x[j] * a2[j];
            out[i + 3] += x[j] * a3[j];
        }
        pv_add_sums(s0, s1, s2, s3, out + i);
    }
    for (; i < m; ++i) out[i] += pv_dot<T>(k, a + i * step, x);
}

// out[j] += sum_i x[i] * a[i * step + j] for m lines of k numbers
template <typename T> static void pv_lines_axpy(npy_intp m, npy_intp k, const T* a, npy_intp step, const T* x, T* out,
                                               npy_intp ahead = 0) {
    typedef typename pv_vec<T>::type V;
    const npy_intp w = 32 / sizeof(T);
    const pv_rest<T> rest(k);
    npy_intp i = 0;
    for (; i + 8 <= m; i += 8) {
        const T *a0 = a + i * step, *a1 = a0 + step, *a2 = a1 + step, *a3 = a2 + step;
        const T *a4 = a3 + step, *a5 = a4 + step, *a6 = a5 + step, *a7 = a6 + step;
        const T x0 = x[i], x1 = x[i + 1], x2 = x[i + 2], x3 = x[i + 3];
        const T x4 = x[i + 4], x5 = x[i + 5], x6 = x[i + 6], x7 = x[i + 7];
        if (ahead) pv_fetch<2>(a4 + ahead, 4 * step);
        npy_intp j = 0;
        for (; j < k; j += w) {
            const bool last = j + w > k;
            if (last && !rest.used) break;
            if (last) j = k - w;
            const V sum = ((x0 * *(const V*)(a0 + j) + x1 * *(const V*)(a1 + j))
                         + (x2 * *(const V*)(a2 + j) + x3 * *(const V*)(a3 + j)))
                        + ((x4 * *(const V*)(a4 + j) + x5 * *(const V*)(a5 + j))
                         + (x6 * *(const V*)(a6 + j) + x7 * *(const V*)(a7 + j)));
            *(V*)(out + j) += last ? rest.of(sum) : sum;
        }
        for (; j < k; ++j)
            for (npy_intp l = 0; l < 8; ++l) out[j] += x[i + l] * a0[l * step + j];
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

    // Numbers from a block of rows to the next; 0 where there is none, or where most of what lies there is not needed.
    npy_intp ahead(npy_intp begin, npy_intp m) const {
        return begin + 2 * m <= rows && step >= 0 && step < 2 * columns ? m * step : 0;
    }

    // out[i] = sum_j A[begin + i, j] * x[j] for m rows
    void times(npy_intp begin, npy_intp m, const T* x, T* out) const {
        memset(out, 0, m * sizeof(T));
        if (by_row) pv_lines_dot<T>(m, columns, data + begin * step, step, x, out, ahead(begin, m));
        else pv_lines_axpy<T>(columns, m, data + begin, step, x, out);
    }

    // out[j] += sum_i A[begin + i, j] * x[i] for m rows
    void add_transposed(npy_intp begin, npy_intp m, const T* x, T* out) const {
        if (by_row) pv_lines_axpy<T>(m, columns, data + begin * step, step, x, out, ahead(begin, m));
        else pv_lines_dot<T>(columns, m, data + begin, step, x, out);
    }
};
