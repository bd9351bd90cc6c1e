static __attribute__((noinline, cold)) void pv_loop_mismatch(npy_intp a, npy_intp b) {
    PyErr_Format(PyExc_ValueError, "Input dimension mis-match: %zd and %zd.", (Py_ssize_t)a, (Py_ssize_t)b);
}
