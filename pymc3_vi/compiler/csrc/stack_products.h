struct pv_stack { PyArrayObject* array; char* data; npy_intp step; int ld; char trans; };

// Fills `out`; its array is a new reference.  Returns 0 on failure.
static inline int pv_as_stack(PyArrayObject* a, pv_stack* out) {
    const npy_intp item = PyArray_ITEMSIZE(a);
    for (int attempt = 0; attempt < 2; ++attempt) {
        const npy_intp rows = PyArray_DIM(a, 1), cols = PyArray_DIM(a, 2);
        const npy_intp sr = PyArray_STRIDE(a, 1), sc = PyArray_STRIDE(a, 2);
        const int row_major = (cols <= 1 || sc == item)
            && (rows <= 1 || (sr >= item * (cols > 1 ? cols : 1) && sr % item == 0));
        const int col_major = (rows <= 1 || sr == item)
            && (cols <= 1 || (sc >= item * (rows > 1 ? rows : 1) && sc % item == 0));
        if (row_major || col_major) {
            const npy_intp ld = row_major ? (rows > 1 ? sr / item : (cols > 1 ? cols : 1))
                                          : (cols > 1 ? sc / item : (rows > 1 ? rows : 1));
            if (attempt == 0) Py_INCREF(a);
            out->array = a;
            out->data = (char*)PyArray_DATA(a);
            out->step = PyArray_DIM(a, 0) == 1 ? 0 : PyArray_STRIDE(a, 0);
            out->ld = (int)ld;
            out->trans = row_major ? 'N' : 'T';
            return 1;
        }
        if (attempt == 0 && !(a = (PyArrayObject*)PyArray_NewCopy(a, NPY_CORDER))) return 0;
    }
    Py_DECREF(a);
    PyErr_SetString(PyExc_RuntimeError, "BatchMatmul: unexpected memory layout.");
    return 0;
}
