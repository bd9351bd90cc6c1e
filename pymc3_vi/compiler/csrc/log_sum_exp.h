#pragma GCC push_options
#pragma GCC optimize ("O2", "tree-vectorize", "no-trapping-math", "no-signed-zeros")
// loops that call the functions by their own names, which alone have vector forms
static void pv_exponentials(npy_intp n, double* w) {
    #pragma omp simd
    for (npy_intp i = 0; i < n; ++i) w[i] = exp(w[i]);
}
static void pv_add_logarithms(npy_intp n, const double* sums, double* y) {
    #pragma omp simd
    for (npy_intp i = 0; i < n; ++i) y[i] += log(sums[i]);
}
static void pv_exponentials(npy_intp n, float* w) {
    #pragma omp simd
    for (npy_intp i = 0; i < n; ++i) w[i] = expf(w[i]);
}
static void pv_add_logarithms(npy_intp n, const float* sums, float* y) {
    #pragma omp simd
    for (npy_intp i = 0; i < n; ++i) y[i] += logf(sums[i]);
}
#pragma GCC pop_options

// y[i] = log sum_k exp x[i, k], w[i, k] = exp(x[i, k] - y[i]).  Rows are short: exponentials of many rows are taken
// together, so that they are vectors.  An infinite largest number shifts nothing, as in PyMC3.
template <typename T> static void pv_log_sum_exp(npy_intp n, npy_intp k, const T* x, T* y, T* w) {
    T sums[64];
    for (npy_intp begin = 0; begin < n; begin += 64) {
        const npy_intp rows = begin + 64 < n ? 64 : n - begin;
        T* weights = w + begin * k;
        for (npy_intp i = 0; i < rows; ++i) {
            const T* row = x + (begin + i) * k;
            T peak = -INFINITY;
            for (npy_intp j = 0; j < k; ++j) peak = row[j] > peak ? row[j] : peak;
            if (std::isinf(peak)) peak = 0;
            for (npy_intp j = 0; j < k; ++j) weights[i * k + j] = row[j] - peak;
            y[begin + i] = peak;
        }
        pv_exponentials(rows * k, weights);
        for (npy_intp i = 0; i < rows; ++i) {
            T* row = weights + i * k;
            T sum = 0;
            for (npy_intp j = 0; j < k; ++j) sum += row[j];
            const T scale = 1 / sum;
            sums[i] = sum;
            for (npy_intp j = 0; j < k; ++j) row[j] *= scale;
        }
        pv_add_logarithms(rows, sums, y + begin);
    }
}

template <typename T> struct pv_log_sum_exp_rows {
    npy_intp n, k, size;
    const T* x;
    T *y, *w;
    static void part(void* rows, npy_intp part) {
        const pv_log_sum_exp_rows& r = *(const pv_log_sum_exp_rows*)rows;
        const npy_intp begin = part * r.size, left = r.n - begin;
        pv_log_sum_exp<T>(left < r.size ? left : r.size, r.k, r.x + begin * r.k, r.y + begin, r.w + begin * r.k);
    }
};
