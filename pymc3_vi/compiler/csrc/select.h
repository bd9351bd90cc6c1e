// Puts the elements numbers k and k + 1 (of those in order) to `out`.
template <typename T> static void pv_select_two(std::vector<T>& v, npy_intp k, T* out) {
    const npy_intp m = v.size(), n_sample = 128;
    if (m > 8 * n_sample) {
        // Bounds from a sample leave a fraction of the elements, which are moved without branches.
        T sample[n_sample];
        for (npy_intp i = 0; i < n_sample; ++i) sample[i] = v[i * m / n_sample];
        std::sort(sample, sample + n_sample);
        const npy_intp rank = k * n_sample / m;
        const T low = sample[std::max(rank - 14, (npy_intp)0)], high = sample[std::min(rank + 14, n_sample - 1)];
        std::vector<T> kept(m + 1);
        npy_intp below = 0, count = 0;
        for (npy_intp i = 0; i < m; ++i) {
            const T x = v[i];
            kept[count] = x;
            below += x < low;
            count += (x >= low) & (x <= high);
        }
        if (below <= k && k + 1 < below + count) {
            kept.resize(count);
            v.swap(kept);
            k -= below;
        }
    }
    std::nth_element(v.begin(), v.begin() + k, v.end());
    out[0] = v[k];
    out[1] = k + 1 < (npy_intp)v.size() ? *std::min_element(v.begin() + k + 1, v.end()) : v[k];
}

// The median of a symmetric n x n matrix with a diagonal of zeros and no negative elements, which has every element of
// a triangle twice and n zeros before them.
template <typename T> static T pv_median_distance(npy_intp n, const char* h, npy_intp rows, npy_intp columns) {
    if (n < 2) return 1;
    std::vector<T> v(n * (n - 1) / 2);
    T* to = v.data();
    T total = 0;
    for (npy_intp i = 1; i < n; ++i) {
        T sum = 0;
        for (npy_intp j = 0; j < i; ++j) sum += *to++ = *(const T*)(h + i * rows + j * columns);
        total += sum;
    }
    if (total != total) return NAN;
    const npy_intp first = (n * n - 1) / 2, second = n * n / 2;
    T pair[2], result;
    if (first < n) {  // two points: of 0, 0, h, h
        result = (T)0.5 * v[0];
    } else {
        pv_select_two<T>(v, (first - n) / 2, pair);
        result = (T)0.5 * (pair[0] + pair[(second - n) / 2 - (first - n) / 2]);
    }
    if (!(result > 0)) result = 2 * total / n / n;
    return result > 0 ? result : 1;
}
