// All BLAS calls speak column-major, where row-major memory is that of the transpose: `out`, which holds G and becomes
// the gradient, is seen as its transpose.
// One block: S = L^-' phi(L' G) L^-1, then tril(S + S') - diag(S).  `out` has leading dimension n, L too.
static void pv_@letter@cholesky_grad_block(int b, int n, @T@* l, int row_major, @T@* out) {
    char right = 'R', left = 'L', yes = 'T', no = 'N', unit = 'N', uplo = row_major ? 'U' : 'L';
    @T@ one = 1;
    for (npy_intp r = 0; r < b; ++r)
        for (npy_intp c = r + 1; c < b; ++c) out[r * n + c] = 0;
    // W = L' G, so W' = G' L
    pv_@letter@trmm(&right, &uplo, row_major ? &yes : &no, &unit, &b, &b, &one, l, &n, out, &n);
    for (npy_intp r = 0; r < b; ++r) {
        out[r * n + r] *= (@T@)0.5;
        for (npy_intp c = r + 1; c < b; ++c) out[r * n + c] = 0;
    }
    // W = L^-' W, so W' L = old W'
    pv_@letter@trsm(&right, &uplo, row_major ? &yes : &no, &unit, &b, &b, &one, l, &n, out, &n);
    // W = W L^-1, so L' W' = old W'
    pv_@letter@trsm(&left, &uplo, row_major ? &no : &yes, &unit, &b, &b, &one, l, &n, out, &n);
    for (npy_intp r = 0; r < b; ++r)
        for (npy_intp c = 0; c < r; ++c) {
            out[r * n + c] += out[c * n + r];
            out[c * n + r] = 0;
        }
}

// Blocks of columns from the last to the first; in the names of the reference, for rows j to k:
//     L = [. . .; R D .; B C .], and a bar is the same block of `out`.
static void pv_@letter@cholesky_grad(int n, @T@* l, int row_major, @T@* out) {
    enum { SIZE = 24 };
    @T@ symmetric[SIZE * SIZE];
    char left = 'L', no = 'N', yes = 'T', unit = 'N', uplo = row_major ? 'U' : 'L';
    char* transposed = row_major ? &no : &yes;  // flag with which a block of L is taken as its transpose
    @T@ one = 1, minus = -1;
    for (int k = n; k > 0; k -= SIZE) {
        int j = k > SIZE ? k - SIZE : 0, b = k - j, m = n - k, size = SIZE;
        const npy_intp row = row_major ? n : 1, column = row_major ? 1 : n;
        @T@ *R = l + j * row, *D = R + j * column, *B = l + k * row, *C = B + j * column;
        @T@ *R_ = out + (npy_intp)j * n, *D_ = R_ + j, *B_ = out + (npy_intp)k * n, *C_ = B_ + j;
        if (m) {
            // C_ = C_ D^-1;  B_ -= C_ R;  D_ -= C_' C
            pv_@letter@trsm(&left, &uplo, transposed, &unit, &b, &m, &one, D, &n, C_, &n);
            if (j) pv_@letter@gemm(transposed, &no, &j, &m, &b, &minus, R, &n, C_, &n, &one, B_, &n);
            pv_@letter@gemm(transposed, &yes, &b, &b, &m, &minus, C, &n, C_, &n, &one, D_, &n);
        }
        pv_@letter@cholesky_grad_block(b, n, D, row_major, D_);
        if (!j) continue;
        // R_ -= C_' B + (D_ + D_') R
        if (m) pv_@letter@gemm(transposed, &yes, &j, &b, &m, &minus, B, &n, C_, &n, &one, R_, &n);
        for (npy_intp r = 0; r < b; ++r)
            for (npy_intp c = 0; c <= r; ++c)
                symmetric[r * SIZE + c] = symmetric[c * SIZE + r] = D_[r * n + c] * (r == c ? 2 : 1);
        pv_@letter@gemm(transposed, &no, &j, &b, &b, &minus, R, &n, symmetric, &size, &one, R_, &n);
    }
}
