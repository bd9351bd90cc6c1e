// View of `size` elements at `begin` along the last axis of z, with the core shape dims[lead:].
static PyArrayObject* pv_part(PyArrayObject* z, npy_intp begin, int lead, int ndim, npy_intp* dims) {
    npy_intp strides[NPY_MAXDIMS], step = PyArray_STRIDE(z, lead);
    if (lead) { dims[0] = PyArray_DIM(z, 0); strides[0] = PyArray_STRIDE(z, 0); }
    char* data = (char*)PyArray_DATA(z) + begin * step;
    for (int i = ndim - 1; i >= lead; --i) { strides[i] = step; step *= dims[i]; }
    PyArray_Descr* descr = PyArray_DESCR(z);
    Py_INCREF(descr);
    PyArrayObject* part = (PyArrayObject*)PyArray_NewFromDescr(
        &PyArray_Type, descr, ndim, dims, strides, data, PyArray_FLAGS(z) & NPY_ARRAY_WRITEABLE, NULL);
    if (!part) return NULL;
    Py_INCREF(z);
    if (PyArray_SetBaseObject(part, (PyObject*)z) < 0) { Py_DECREF(part); return NULL; }
    PyArray_UpdateFlags(part, NPY_ARRAY_UPDATE_ALL);
    return part;
}
