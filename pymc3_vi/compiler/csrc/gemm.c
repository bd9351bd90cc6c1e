static void pv_@letter@gemm(char* trans_a, char* trans_b, int* m, int* n, int* k, @T@* alpha, @T@* a, int* lda, @T@* b,
                            int* ldb, @T@* beta, @T@* c, int* ldc) {
    pv_gemm<@T@> g = {pv_whole_@letter@gemm, *trans_a, *trans_b, 0, *m, *n, *k, *lda, *ldb, *ldc, 0, *alpha, *beta,
                      a, b, c, NULL};
    g.run_in_parts();
}
