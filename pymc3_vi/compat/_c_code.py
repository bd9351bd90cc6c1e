"""C code in the place of what NumPy 2 took away: an iterator over rows, and the names of Python 2."""

__all__ = ["OLD_NAMES", "inc_code"]

OLD_NAMES = """
#define NPY_PY3K 1
#define PyInt_Check PyLong_Check
#define PyInt_AsLong PyLong_AsLong
#define PyInt_FromLong PyLong_FromLong
"""

_INCREMENT = r"""
// a[index] += values, or = values; rows that are named twice are added to twice.
static int
inplace_increment(PyArrayObject* a, PyObject* index, PyArrayObject* values, int add)
{
    PyObject *numpy = NULL, *ufunc = NULL, *done = NULL;
    if (PyArray_FailUnlessWriteable(a, "input/output array") < 0) return -1;
    if (PyArray_NDIM(a) == 0) {
        PyErr_SetString(PyExc_IndexError, "An array without dimensions has no rows to change.");
        return -1;
    }
    if (!add) return PyObject_SetItem((PyObject*)a, index, (PyObject*)values);
    numpy = PyImport_ImportModule("numpy");
    if (numpy) ufunc = PyObject_GetAttrString(numpy, "add");
    if (ufunc) done = PyObject_CallMethod(ufunc, "at", "OOO", (PyObject*)a, index, (PyObject*)values);
    Py_XDECREF(numpy);
    Py_XDECREF(ufunc);
    Py_XDECREF(done);
    return done ? 0 : -1;
}
"""


def inc_code():
    """Code that adds to rows of an array, or sets them, in a function of the name that Theano's Op calls."""
    return _INCREMENT
