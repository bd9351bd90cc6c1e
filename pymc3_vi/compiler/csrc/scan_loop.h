// A place in a buffer of this size that is read in a circle.
static inline npy_intp pv_around(npy_intp place, npy_intp size) {
    return place < 0 ? place + size : place >= size ? place - size : place;
}

static __attribute__((noinline, cold)) int pv_scan_steps(npy_intp n) {
    if (n > 0) return 1;
    if (n < 0) PyErr_Format(PyExc_IndexError, "Scan was asked to run for negative number of step %zd", (Py_ssize_t)n);
    else PyErr_SetString(PyExc_NotImplementedError, "We didn't implemented yet the case where scan do 0 iteration");
    return 0;
}

static __attribute__((noinline, cold)) int pv_scan_differ(npy_intp one, npy_intp two) {
    PyErr_Format(PyExc_ValueError, "ScanLoop: sizes %zd and %zd do not fit.", (Py_ssize_t)one, (Py_ssize_t)two);
    return 0;
}

// Remember a size, or compare it with what is known.
static inline int pv_scan_size(npy_intp found, npy_intp& known) {
    if (known < 0) known = found;
    return found == known || pv_scan_differ(known, found);
}

static inline int pv_scan_index(npy_intp index, npy_intp size) {
    if (-size <= index && index < size) return 1;
    PyErr_Format(PyExc_IndexError, "ScanLoop: index %zd is out of %zd.", (Py_ssize_t)index, (Py_ssize_t)size);
    return 0;
}

// An index that a step has made: its place from the begin; 0, and a note, where there is none.
static inline npy_intp pv_scan_place(npy_intp index, npy_intp size, int* outside) {
    const npy_intp place = index < 0 ? index + size : index;
    if (0 <= place && place < size) return place;
    *outside = 1;
    return 0;
}

static __attribute__((noinline, cold)) int pv_scan_outside(void) {
    PyErr_SetString(PyExc_IndexError, "ScanLoop: an index that a step has made is out of bounds.");
    return 0;
}

static inline int pv_scan_not_empty(int empty) {
    if (empty) PyErr_SetString(PyExc_ValueError, "ScanLoop: a maximum or minimum over nothing.");
    return !empty;
}

// Whether the axes of x from `first` on lie without gaps.
static inline int pv_scan_dense(PyArrayObject* x, int first) {
    npy_intp expected = PyArray_ITEMSIZE(x);
    for (int d = PyArray_NDIM(x) - 1; d >= first; --d) {
        if (PyArray_DIM(x, d) != 1 && PyArray_STRIDE(x, d) != expected) return 0;
        expected *= PyArray_DIM(x, d);
    }
    return PyArray_ISALIGNED(x);
}

// Arrays of a recursion: their data, steps in time in bytes, and of those that are written the present place and size.
template <int arrays, int written> struct pv_scan {
    char* p[arrays];
    npy_intp step[arrays], at[written], size[written];
    PyArrayObject* held[arrays];
    int n_held;
    double* room;
    pv_scan() : n_held(0), room(NULL) {}
    ~pv_scan() { while (n_held) Py_DECREF(held[--n_held]); PyMem_Free(room); }

    // Memory for what is kept from one loop of a step to the next.
    int take(npy_intp doubles) {
        room = (double*)PyMem_Malloc(sizeof(double) * doubles);
        if (!room) PyErr_NoMemory();
        return room != NULL;
    }

    // A sequence of at least n, or what stays the same (n < 0).
    int read(int slot, PyArrayObject* x, npy_intp n) {
        const int time = n >= 0;
        if (time && PyArray_DIM(x, 0) < n) {
            PyErr_Format(PyExc_ValueError, "A sequence of %zd is shorter than the %zd steps of the loop.",
                         (Py_ssize_t)PyArray_DIM(x, 0), (Py_ssize_t)n);
            return 0;
        }
        if (pv_scan_dense(x, time)) Py_INCREF(x);
        else if (!(x = (PyArrayObject*)PyArray_NewCopy(x, NPY_CORDER))) return 0;
        held[n_held++] = x;
        p[slot] = (char*)PyArray_DATA(x);
        step[slot] = time ? PyArray_STRIDE(x, 0) : 0;
        return 1;
    }

    int make(int slot, int k, int ndim, npy_intp* dims, int type, PyArrayObject** z, npy_intp first = 0) {
        if (!pv_allocate(z, ndim, dims, type)) return 0;
        if (dims[0] < 1 || dims[0] < first) {
            PyErr_SetString(PyExc_ValueError, "ScanLoop: a buffer is too short for what a step reads.");
            return 0;
        }
        p[slot] = (char*)PyArray_DATA(*z);
        step[slot] = PyArray_STRIDE(*z, 0);
        size[k] = dims[0];
        at[k] = first % dims[0];
        return 1;
    }

    // A state, whose first step writes to place `first`.
    int begin(int slot, int k, PyArrayObject* x, PyArrayObject** z, npy_intp first) {
        if (!make(slot, k, PyArray_NDIM(x), PyArray_DIMS(x), PyArray_TYPE(x), z, first)) return 0;
        if (PyArray_IS_C_CONTIGUOUS(x) && PyArray_ISALIGNED(x)) memcpy(PyArray_DATA(*z), PyArray_DATA(x), PyArray_NBYTES(x));
        else if (PyArray_CopyInto(*z, x)) return 0;
        return 1;
    }

    // Time in order where the buffer is shorter than what was made, zeros where it is longer.
    void end(int slot, int k, npy_intp made) {
        char* last = p[slot] + size[k] * step[slot];
        if (size[k] < made) std::rotate(p[slot], p[slot] + at[k] * step[slot], last);
        else memset(p[slot] + made * step[slot], 0, last - (p[slot] + made * step[slot]));
    }
};
