static __attribute__((noinline, cold)) void pv_no_such_element(npy_intp i, npy_intp n) {
    PyErr_Format(PyExc_IndexError, "index %zd is out of bounds for a vector of %zd elements", (Py_ssize_t)i,
                 (Py_ssize_t)n);
}

// The place that an index means, which counts from the end where it is negative; -1 with an exception where none is.
static inline npy_intp pv_place(npy_intp i, npy_intp n) {
    const npy_intp place = i < 0 ? i + n : i;
    if (place >= 0 && place < n) return place;
    pv_no_such_element(i, n);
    return -1;
}
