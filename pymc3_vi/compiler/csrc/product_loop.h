#define PV_ROWS 1024  // the most rows of a block

struct pv_zeros {
    void* data;
    explicit pv_zeros(size_t size) : data(calloc(size + 1, 1)) {}
    ~pv_zeros() { free(data); }
private:
    pv_zeros(const pv_zeros&);
    void operator=(const pv_zeros&);
};

// Sizes of blocks, which fit the first cache, and of chunks of blocks, which have sums of their own; returns the number
// of chunks.  A block of a matrix that lies column by column is read in pieces as long as the block, hence many rows.
static npy_intp pv_plan(npy_intp n, npy_intp row_size, bool by_row, npy_intp* block, npy_intp* chunk) {
    const npy_intp least = by_row ? 16 : 128, size = row_size > 0 ? row_size : 1;
    npy_intp rows = (24 * 1024 / size) & ~(npy_intp)7;
    *block = rows < least ? least : rows > PV_ROWS ? PV_ROWS : rows;
    rows = 256 * 1024 / size;
    if (rows < (n + 63) / 64) rows = (n + 63) / 64;
    *chunk = (rows / *block + 1) * *block;
    return n > 0 ? (n + *chunk - 1) / *chunk : 1;
}

// to[j] = sum over chunks of from[chunk, j]
template <typename T> static void pv_add_chunks(npy_intp chunks, npy_intp size, const T* from, T* to) {
    if (to != from) memcpy(to, from, size * sizeof(T));
    for (npy_intp chunk = 1; chunk < chunks; ++chunk) pv_axpy<T>(size, 1, from + chunk * size, to);
}
