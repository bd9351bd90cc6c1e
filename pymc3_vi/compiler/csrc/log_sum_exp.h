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

// y[i] = log sum_k exp x[i, k], w[i, k] = exp(x[i, k] - y[i]).  Rows are short: exponentials of many rows are taken
// together, so that they are vectors, and rows of K numbers, where that is not 0, beside each other.  An infinite
// largest number shifts nothing, as in PyMC3.
template <typename T, int K> static void pv_log_sum_exp(npy_intp n, npy_intp columns, const T* x, T* y, T* w) {
    const npy_intp k = K ? K : columns;
    T sums[64];
    for (npy_intp begin = 0; begin < n; begin += 64) {
        const npy_intp rows = begin + 64 < n ? 64 : n - begin;
        const T* __restrict__ some = x + begin * k;
        T* __restrict__ weights = w + begin * k;
        T* __restrict__ peaks = y + begin;
        #pragma omp simd
        for (npy_intp i = 0; i < rows; ++i) {
            T peak = -INFINITY;
            for (npy_intp j = 0; j < k; ++j) peak = some[i * k + j] > peak ? some[i * k + j] : peak;
            peak = peak == INFINITY || peak == -INFINITY ? 0 : peak;
            for (npy_intp j = 0; j < k; ++j) weights[i * k + j] = some[i * k + j] - peak;
            peaks[i] = peak;
        }
        pv_exponentials(rows * k, weights);
        #pragma omp simd
        for (npy_intp i = 0; i < rows; ++i) {
            T sum = 0;
            for (npy_intp j = 0; j < k; ++j) sum += weights[i * k + j];
            const T scale = 1 / sum;
            sums[i] = sum;
            for (npy_intp j = 0; j < k; ++j) weights[i * k + j] *= scale;
        }
        pv_add_logarithms(rows, sums, y + begin);
    }
}
#pragma GCC pop_options

template <typename T> struct pv_log_sum_exp_rows {
    npy_intp n, k, size;
    const T* x;
    T *y, *w;
    static void part(void* rows, npy_intp part) {
        const pv_log_sum_exp_rows& r = *(const pv_log_sum_exp_rows*)rows;
        const npy_intp begin = part * r.size, left = r.n - begin;
        const npy_intp n = left < r.size ? left : r.size;
        (r.k == 2 ? pv_log_sum_exp<T, 2> : r.k == 3 ? pv_log_sum_exp<T, 3> : r.k == 4 ? pv_log_sum_exp<T, 4>
         : pv_log_sum_exp<T, 0>)(n, r.k, r.x + begin * r.k, r.y + begin, r.w + begin * r.k);
    }
};
