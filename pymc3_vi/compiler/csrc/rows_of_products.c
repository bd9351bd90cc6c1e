@kernel@
struct @name@_rows {
    npy_intp n, chunk, block;
    void* p[@slots@];
    npy_float64* totals;
@members@
};
static void @name@_chunk(void* rows, npy_intp chunk) {
    const @name@_rows& c = *(const @name@_rows*)rows;
    const npy_intp s[@slots@][1] = {};
    const npy_intp begin = chunk * c.chunk, end = begin + c.chunk < c.n ? begin + c.chunk : c.n;
    void* p[@slots@];
@before@
    for (npy_intp i = begin; i < end; i += c.block) {
        const npy_intp m = end - i < c.block ? end - i : c.block;
@pointers@
        @name@_loop(&m, p, s);
@after@
    }
}
