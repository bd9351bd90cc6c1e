// Copies `part` to the columns of `out` that begin at `begin`; returns 0 on failure.
template <typename T> static int pv_put(PyArrayObject* out, int lead, npy_intp begin, npy_intp size,
                                        PyArrayObject* part) {
    const npy_intp rows = lead ? PyArray_DIM(out, 0) : 1, width = PyArray_DIM(out, lead);
    if (PyArray_SIZE(part) != rows * size || (lead && PyArray_DIM(part, 0) != rows)) {
        PyErr_Format(PyExc_ValueError, "Pack: a part of %zd elements does not hold %zd for each of %zd rows.",
                     (Py_ssize_t)PyArray_SIZE(part), (Py_ssize_t)size, (Py_ssize_t)rows);
        return 0;
    }
    T* data = (T*)PyArray_DATA(out) + begin;
    if (size == 1 && PyArray_NDIM(part) == lead) {
        for (npy_intp s = 0; s < rows; ++s)
            data[s * width] = *(T*)((char*)PyArray_DATA(part) + (lead ? s * PyArray_STRIDE(part, 0) : 0));
        return 1;
    }
    PyArrayObject* from = PyArray_GETCONTIGUOUS(part);
    if (!from) return 0;
    const T* source = (const T*)PyArray_DATA(from);
    for (npy_intp s = 0; s < rows; ++s) memcpy(data + s * width, source + s * size, size * sizeof(T));
    Py_DECREF(from);
    return 1;
}
