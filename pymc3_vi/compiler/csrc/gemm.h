// c (m, n) = alpha a (m, k) b (k, n) + beta c as BLAS has it, by columns; `cut` says along which axis parts are taken.
template <typename T> struct pv_gemm {
    typedef void (*routine)(char*, char*, int*, int*, int*, T*, T*, int*, T*, int*, T*, T*, int*);
    routine whole;
    char trans_a, trans_b, cut;
    int m, n, k, lda, ldb, ldc, size;
    T alpha, beta, *a, *b, *c, *sums;  // sums: a matrix (m, n) for each part along k

    static void part(void* data, npy_intp number) {
        pv_gemm g = *(pv_gemm*)data;
        const int all = g.cut == 'm' ? g.m : g.cut == 'n' ? g.n : g.k;
        const npy_intp first = number * g.size;
        int some = (int)(all - first < g.size ? all - first : g.size);
        if (g.cut != 'n') g.a += first * ((g.trans_a == 'N') == (g.cut == 'm') ? 1 : g.lda);
        if (g.cut != 'm') g.b += first * ((g.trans_b == 'N') == (g.cut == 'k') ? 1 : g.ldb);
        if (g.cut == 'k') {
            g.c = g.sums + number * g.m * g.n;
            g.ldc = g.m;
            g.beta = 0;
        } else g.c += first * (g.cut == 'm' ? 1 : g.ldc);
        (g.cut == 'm' ? g.m : g.cut == 'n' ? g.n : g.k) = some;
        g.run();
    }

    void run() { whole(&trans_a, &trans_b, &m, &n, &k, &alpha, a, &lda, b, &ldb, &beta, c, &ldc); }

    // Sums over k are cut where k is much the longest axis, as other cuts would leave parts that BLAS is slow at, into
    // no more parts than make the sums half as large as the factors.
    void run_in_parts() {
        const double nanoseconds = 0.05 * m * n * k;
        if (nanoseconds < PV_LONG) return run();
        const int longest = m > n ? m : n;
        const bool along_k = k >= 4 * (double)longest;
        const npy_intp all = along_k ? k : longest, lines = 64;
        npy_intp length, parts = pv_parts(nanoseconds, all, &length), most = PV_MOST_PARTS;
        if (along_k && (most = (npy_intp)(0.5 * k / m + 0.5 * k / n)) > 16) most = 16;
        if (parts > most) parts = most;
        length = ((all + parts - 1) / parts + lines - 1) / lines * lines;
        parts = (all + length - 1) / length;
        sums = NULL;
        if (parts < 2 || (along_k && !(sums = (T*)malloc(parts * m * n * sizeof(T))))) return run();
        cut = along_k ? 'k' : m > n ? 'm' : 'n';
        size = (int)length;
        pv_parallel(part, this, parts);
        if (!sums) return;
        for (npy_intp j = 0; j < n; ++j)
            for (npy_intp i = 0; i < m; ++i) {
                T sum = 0;
                for (npy_intp p = 0; p < parts; ++p) sum += sums[(p * n + j) * m + i];
                T* to = c + j * ldc + i;
                *to = beta == 0 ? sum : sum + beta * *to;  // c may hold anything where beta is 0
            }
        free(sums);
    }
};
