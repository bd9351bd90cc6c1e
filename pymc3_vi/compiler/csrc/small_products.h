// Most bytes of the right factor of a product that is computed in blocks.
static const npy_intp PV_SMALL_FACTOR = 24 * 1024;

// z (n, m) = a (n, k) b (k, m) for a factor b that stays in the first cache: blocks of 4 rows and two vectors of columns,
// with their sums in registers.  `steps` are the distances of rows and of columns of each factor.
template <typename T> static void pv_blocked_product(npy_intp n, npy_intp m, npy_intp k, const T* a, const npy_intp* steps_a,
                                                     const T* b, const npy_intp* steps_b, T* padded, T* z) {
    typedef typename pv_vec<T>::type V;
    const npy_intp w = 32 / sizeof(T), block = 2 * w, blocks = (m + block - 1) / block;
    for (npy_intp j = 0; j < blocks * block; ++j)
        for (npy_intp l = 0; l < k; ++l)
            padded[(j / block * k + l) * block + j % block] = j < m ? b[l * steps_b[0] + j * steps_b[1]] : 0;
    for (npy_intp i = 0; i < n; i += 4) {
        const T* rows[4];
        for (npy_intp r = 0; r < 4; ++r) rows[r] = a + (i + r < n ? i + r : n - 1) * steps_a[0];
        for (npy_intp q = 0; q < blocks; ++q) {
            V a0 = {0}, a1 = {0}, b0 = {0}, b1 = {0}, c0 = {0}, c1 = {0}, e0 = {0}, e1 = {0};
            const T* column = padded + q * k * block;
            npy_intp at = 0;
            for (npy_intp l = 0; l < k; ++l, column += block, at += steps_a[1]) {
                const V left = *(const V*)column, right = *(const V*)(column + w);
                a0 += left * rows[0][at]; a1 += right * rows[0][at];
                b0 += left * rows[1][at]; b1 += right * rows[1][at];
                c0 += left * rows[2][at]; c1 += right * rows[2][at];
                e0 += left * rows[3][at]; e1 += right * rows[3][at];
            }
            T* to = z + i * m + q * block;
            if (i + 4 <= n && q * block + block <= m) {
                *(V*)to = a0; *(V*)(to + w) = a1; to += m;
                *(V*)to = b0; *(V*)(to + w) = b1; to += m;
                *(V*)to = c0; *(V*)(to + w) = c1; to += m;
                *(V*)to = e0; *(V*)(to + w) = e1;
            } else {
                const V sums[8] = {a0, a1, b0, b1, c0, c1, e0, e1};
                const npy_intp size = m - q * block < block ? m - q * block : block;
                for (npy_intp r = 0; r < 4 && i + r < n; ++r, to += m)
                    for (npy_intp c = 0; c < size; ++c) to[c] = ((const T*)sums)[2 * r * w + c];
            }
        }
    }
}

// z (n, m) = a (n, k) b (k, m); trans says whether the columns of a factor lie together instead of its rows.
template <typename T> static int pv_small_product(int n, int m, int k, const T* a, npy_intp lda, char trans_a, const T* b,
                                                  npy_intp ldb, char trans_b, T* padded, T* z) {
    const bool rows = trans_a == 'N' || (n == 1 && lda == 1), columns = trans_b == 'T' || (m == 1 && ldb == 1);
    if (m == 1 && trans_a == 'T') {  // a sum of columns
        const npy_intp step = trans_b == 'T' ? 1 : ldb;
        for (int i = 0; i < n; ++i) z[i] = 0;
        for (int l = 0; l < k; ++l) pv_axpy<T>(n, b[l * step], a + l * lda, z);
        return 1;
    }
    if (k == 1 && (trans_b == 'N' || ldb == 1)) {
        for (int i = 0; i < n; ++i) pv_scaled<T>(m, a[trans_a == 'N' ? i * lda : i], b, z + (npy_intp)i * m);
        return 1;
    }
    if (rows && columns && (m == 1 || n == 1 || m * n <= 64) && k <= 1024) {
        for (int i = 0; i < n; ++i)
            for (int j = 0; j < m; ++j) z[(npy_intp)i * m + j] = pv_dot<T>(k, a + i * lda, b + j * ldb);
        return 1;
    }
    if (padded && n >= 8) {
        const npy_intp steps_a[2] = {trans_a == 'N' ? lda : 1, trans_a == 'N' ? 1 : lda};
        const npy_intp steps_b[2] = {trans_b == 'N' ? ldb : 1, trans_b == 'N' ? 1 : ldb};
        pv_blocked_product<T>(n, m, k, a, steps_a, b, steps_b, padded, z);
        return 1;
    }
    return 0;
}
