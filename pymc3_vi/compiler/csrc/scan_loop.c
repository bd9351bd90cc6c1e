#pragma GCC push_options
#pragma GCC optimize ("O2", "tree-vectorize", "no-trapping-math", "no-signed-zeros")
static int @name@_scan(npy_intp n@sizes@, double* room, char* const* p, const npy_intp* step, npy_intp* at,
                        const npy_intp* size) {
@begin@
    int outside = 0;
    for (npy_intp i = 0; i < n; ++i) {
@body@
        if (outside) return 0;
    }
    return 1;
}
#pragma GCC pop_options
