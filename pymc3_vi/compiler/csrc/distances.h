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
