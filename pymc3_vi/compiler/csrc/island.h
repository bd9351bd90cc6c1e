#include <Python.h>
#include <math.h>
#include <string.h>
#include <numpy/arrayobject.h>
#include <numpy/arrayscalars.h>
#include <numpy/npy_math.h>
#include "theano_mod_helper.h"

#define PV_COLD __attribute__((noinline, cold))
#define PV_NODE __attribute__((noinline))

// What the driver needs to know of an island.  run() returns 0, or the number of what failed with a Python exception
// set; release() frees the memory that is only kept for reuse.
struct pv_island {
    int (*run)(pv_island*);
    void (*release)(pv_island*);
    void (*destroy)(pv_island*);
};

static PV_COLD int pv_fail(int code) {
    if (!PyErr_Occurred())
        PyErr_SetString(PyExc_RuntimeError, "An Op failed in C code without saying why.");
    return code;
}

// Raises the exception that Theano's code has put into a list of type, value and trace.
static PV_COLD void pv_restore(PyObject* error) {
    PyObject* parts[3];
    for (int i = 0; i < 3; ++i) {
        parts[i] = PyList_GET_ITEM(error, i);
        if (parts[i] == Py_None) parts[i] = NULL;
        Py_XINCREF(parts[i]);
    }
    PyErr_Restore(parts[0], parts[1], parts[2]);
}

static PV_COLD int pv_bad_array(PyObject* o, int type_num, int ndim) {
    if (o == Py_None) PyErr_SetString(PyExc_ValueError, "expected an ndarray, not None");
    else if (!PyArray_Check(o)) PyErr_SetString(PyExc_ValueError, "expected an ndarray");
    else if (PyArray_TYPE((PyArrayObject*)o) != type_num)
        PyErr_Format(PyExc_TypeError, "expected an array of type number %d, got %d", type_num,
                     PyArray_TYPE((PyArrayObject*)o));
    else if (PyArray_NDIM((PyArrayObject*)o) != ndim)
        PyErr_Format(PyExc_ValueError, "expected an array of %d dimensions, got %d", ndim,
                     PyArray_NDIM((PyArrayObject*)o));
    else PyErr_SetString(PyExc_NotImplementedError, "expected an aligned array");
    return 0;
}

static inline int pv_is_array(PyObject* o, int type_num, int ndim) {
    if (o && PyArray_Check(o) && PyArray_TYPE((PyArrayObject*)o) == type_num
        && PyArray_NDIM((PyArrayObject*)o) == ndim && PyArray_ISALIGNED((PyArrayObject*)o)) return 1;
    return pv_bad_array(o, type_num, ndim);
}

// Whether rows lie on one another, as those of sliding windows: products hand such strides to BLAS, which refuses them
// and leaves the result as it was.
static int pv_overlaps(PyArrayObject* a) {
    const int ndim = PyArray_NDIM(a);
    if (ndim < 2 || PyArray_IS_C_CONTIGUOUS(a)) return 0;
    const npy_intp item = PyArray_ITEMSIZE(a), *n = PyArray_DIMS(a), *step = PyArray_STRIDES(a);
    for (int i = 0; i < ndim; ++i)
        for (int j = 0; j < ndim && step[i] == item && n[i] > 1; ++j)
            if (j != i && n[j] > 1 && step[j] > 0 && step[j] < item * n[i]) return 1;
    return 0;
}

// Takes a reference to the array in a storage cell.
static PyArrayObject* pv_take(PyObject* cell, int type_num, int ndim) {
    PyObject* o = PyList_GET_ITEM(cell, 0);
    if (!pv_is_array(o, type_num, ndim)) return NULL;
    if (pv_overlaps((PyArrayObject*)o)) return (PyArrayObject*)PyArray_NewCopy((PyArrayObject*)o, NPY_CORDER);
    Py_INCREF(o);
    return (PyArrayObject*)o;
}

// The same for memory that an output may reuse; what does not fit is ignored.
static PyArrayObject* pv_take_old(PyObject* cell, int type_num, int ndim) {
    PyObject* o = PyList_GET_ITEM(cell, 0);
    if (!PyArray_Check(o) || PyArray_TYPE((PyArrayObject*)o) != type_num || PyArray_NDIM((PyArrayObject*)o) != ndim
        || !PyArray_ISALIGNED((PyArrayObject*)o)) return NULL;
    Py_INCREF(o);
    return (PyArrayObject*)o;
}

// Moves `o`, a reference or NULL, into a storage cell.
static void pv_put_back(PyObject* cell, PyObject* o) {
    if (!o) { o = Py_None; Py_INCREF(o); }
    PyObject* old = PyList_GET_ITEM(cell, 0);
    PyList_SET_ITEM(cell, 0, o);
    Py_XDECREF(old);
}

static void pv_island_capsule_destructor(PyObject* capsule) {
    pv_island* island = (pv_island*)PyCapsule_GetPointer(capsule, "pymc3_vi.island");
    if (island) island->destroy(island);
}
