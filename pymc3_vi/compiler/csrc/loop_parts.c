struct @name@_range {
    const npy_intp* n;
    void* const* p;
    const npy_intp (*s)[@ndim@];
    npy_intp axis, size;
    npy_float64* totals;
};
static void @name@_part(void* range, npy_intp part) {
    const @name@_range& r = *(const @name@_range*)range;
    const npy_intp axis = r.axis, begin = part * r.size, left = r.n[axis] - begin;
    npy_intp n[@ndim@];
    void* p[@slots@];
    memcpy(n, r.n, sizeof(n));
    n[axis] = left < r.size ? left : r.size;
@moves@
    @name@_loop(n, p, r.s);
}
static void @name@_parts(const npy_intp* n, void* const* p, const npy_intp (*s)[@ndim@]) {
    @name@_range r = {n, p, s, @axis@};
    const npy_intp parts = pv_parts((double)(@points@) * @cost@, n[r.axis], &r.size);
    if (parts == 1) {
        @name@_loop(n, p, s);
        return;
    }
    npy_float64 totals[PV_MOST_PARTS * @n_totals@] = {0};
    r.totals = totals;
    pv_parallel(@name@_part, &r, parts);
    for (npy_intp part = 0; part < parts; ++part) {
@add_totals@
    }
}
