#pragma GCC push_options
#pragma GCC optimize ("O2", "tree-vectorize", "no-trapping-math", "no-signed-zeros")
static void @name@_loop(const npy_intp* n, void* const* p, const npy_intp (*s)[@ndim@]) {
@loop@
}
#pragma GCC pop_options
