// Doubles that its columns take in blocks.
static inline npy_intp pv_scan_factor(npy_intp k, npy_intp m) {
    const npy_intp size = (m + 15) / 16 * 16 * k;
    return 8 * size <= PV_SMALL_FACTOR ? size : 0;
}

// z (n, m) = a (n, k) b (k, m), where elements of a factor lie `rows` and `columns` apart.
template <typename T, typename G>
static void pv_scan_product(npy_intp n, npy_intp k, npy_intp m, const T* a, npy_intp rows_a, npy_intp columns_a, const T* b,
                            npy_intp rows_b, npy_intp columns_b, double* room, T* z, G gemm) {
    for (npy_intp e = 0; e < n * m; ++e) z[e] = 0;
    if (n * k * m > 64) {
        if (m == 1 && rows_b == 1) {
            if (columns_a == 1) return pv_lines_dot<T>(n, k, a, rows_a, b, z);
            if (rows_a == 1) return pv_lines_axpy<T>(k, n, a, columns_a, b, z);
        } else if (n == 1 && columns_a == 1) {
            if (rows_b == 1) return pv_lines_dot<T>(m, k, b, columns_b, a, z);
            if (columns_b == 1) return pv_lines_axpy<T>(k, m, b, rows_b, a, z);
        }
        const bool by_row_a = columns_a == 1 && rows_a >= k, by_row_b = columns_b == 1 && rows_b >= m;
        if ((by_row_a || (rows_a == 1 && columns_a >= n)) && (by_row_b || (rows_b == 1 && columns_b >= k))) {
            char trans_a = by_row_a ? 'N' : 'T', trans_b = by_row_b ? 'N' : 'T';
            int lda = by_row_a ? rows_a : columns_a, ldb = by_row_b ? rows_b : columns_b;
            int n_ = n, k_ = k, m_ = m;
            T one = 1, zero = 0, *padded = pv_scan_factor(k, m) ? (T*)room : NULL;
            if (!pv_small_product<T>(n_, m_, k_, a, lda, trans_a, b, ldb, trans_b, padded, z))
                gemm(&trans_b, &trans_a, &m_, &n_, &k_, &one, (T*)b, &ldb, (T*)a, &lda, &zero, z, &m_);
            return;
        }
    }
    for (npy_intp i = 0; i < n; ++i)
        for (npy_intp l = 0; l < k; ++l)
            for (npy_intp j = 0; j < m; ++j)
                z[i * m + j] += a[i * rows_a + l * columns_a] * b[l * rows_b + j * columns_b];
}
