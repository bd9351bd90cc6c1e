        {
            typedef @T@ T;
            const npy_intp d = PyArray_DIM(@x@, @last@), n = @count@;
            if (PyArray_DIM(@packed@, 0) != d * (d + 1) / 2) {
                PyErr_Format(PyExc_ValueError, "TrilMatVec: %zd packed elements do not make a triangle of "
                             "dimension %zd, which has %zd.", (Py_ssize_t)PyArray_DIM(@packed@, 0), (Py_ssize_t)d,
                             (Py_ssize_t)(d * (d + 1) / 2));
                @fail@
            }
            if (!pv_allocate(&@z@, @ndim@, PyArray_DIMS(@x@), PyArray_TYPE(@x@))) @fail@
            PyArrayObject* tri = PyArray_GETCONTIGUOUS(@packed@);
            PyArrayObject* arg = PyArray_GETCONTIGUOUS(@x@);
            if (tri && arg) {
                const T* row = (const T*)PyArray_DATA(tri);
                const T* vec = (const T*)PyArray_DATA(arg);
                T* out = (T*)PyArray_DATA(@z@);
                @loop@
            }
            const int ok = tri && arg;
            Py_XDECREF(tri);
            Py_XDECREF(arg);
            if (!ok) @fail@
        }
        