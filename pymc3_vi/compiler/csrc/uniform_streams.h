// Eight streams of the generator MRG31k3p side by side; Theano's code takes the samples one after the other.
typedef npy_uint32 pv_u8 __attribute__((vector_size(32)));
typedef npy_int32 pv_i8 __attribute__((vector_size(32)));

// a in [0, 2 m) to a modulo m
static inline pv_u8 pv_reduced(pv_u8 a, npy_uint32 m) { return a - ((pv_u8)(a >= m) & m); }

// Moves the states on; returns the numbers that samples are multiples of, 1 to 2^31 - 1.
static inline pv_i8 pv_next_numbers(pv_u8* x) {
    const npy_uint32 m1 = 2147483647u, m2 = 2147462579u;
    pv_u8 a = pv_reduced(((x[1] & 511u) << 22) + (x[1] >> 9) + ((x[2] & 16777215u) << 7) + (x[2] >> 24), m1);
    a = pv_reduced(a + x[2], m1);
    pv_u8 b = pv_reduced(((x[3] & 65535u) << 15) + 21069u * (x[3] >> 16), m2);
    pv_u8 c = pv_reduced(((x[5] & 65535u) << 15) + 21069u * (x[5] >> 16), m2);
    c = pv_reduced(pv_reduced(c + x[5], m2) + b, m2);
    x[2] = x[1], x[1] = x[0], x[0] = a;
    x[5] = x[4], x[4] = x[3], x[3] = c;
    return (pv_i8)(a - c + ((pv_u8)((pv_i8)a <= (pv_i8)c) & m1));
}

// Sample i is of stream i modulo n_streams.
template <typename T> static void pv_uniform(PyArrayObject* samples, PyArrayObject* states, npy_int64 n, int n_streams,
                                             T unit) {
    T* out = (T*)PyArray_DATA(samples);
    npy_uint32* state = (npy_uint32*)PyArray_DATA(states);
    for (npy_int64 first = 0; first < n_streams && first < n; first += 8) {
        const int streams = n_streams - first < 8 ? n_streams - first : 8;
        pv_u8 x[6] = {};
        for (int s = 0; s < streams; ++s) for (int k = 0; k < 6; ++k) x[k][s] = state[6 * (first + s) + k];
        npy_int64 i = first;
        for (; i + streams <= n; i += n_streams) {
            const pv_i8 numbers = pv_next_numbers(x);
            for (int s = 0; s < streams; ++s) out[i + s] = numbers[s] * unit;
        }
        pv_u8 last[6];
        for (int k = 0; k < 6; ++k) last[k] = x[k];
        const int more = i < n ? n - i : 0;  // streams of these that have a sample more
        if (more) {
            const pv_i8 numbers = pv_next_numbers(last);
            for (int s = 0; s < more; ++s) out[i + s] = numbers[s] * unit;
        }
        for (int s = 0; s < streams; ++s)
            for (int k = 0; k < 6; ++k) state[6 * (first + s) + k] = (s < more ? last : x)[k][s];
    }
}

static void pv_uniform_npy_float32(PyArrayObject* samples, PyArrayObject* states, npy_int64 n, int n_streams) {
    pv_uniform<npy_float32>(samples, states, n, n_streams, 4.6566126e-10f);
}

static void pv_uniform_npy_float64(PyArrayObject* samples, PyArrayObject* states, npy_int64 n, int n_streams) {
    pv_uniform<npy_float64>(samples, states, n, n_streams, 4.656612873077392578125e-10);
}
