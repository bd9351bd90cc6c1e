        {
            typedef @T@ T;
            const npy_intp n = PyArray_DIM(@h@, 0);
            if (PyArray_DIM(@h@, 1) != n) {
                PyErr_Format(PyExc_ValueError, "MedianDistance needs a square matrix. Got shape (%zd, %zd).",
                             (Py_ssize_t)n, (Py_ssize_t)PyArray_DIM(@h@, 1));
                @fail@
            }
            if (!pv_allocate(&@z@, 0, NULL, PyArray_TYPE(@h@))) @fail@
            *(T*)PyArray_DATA(@z@) =
                pv_median_distance<T>(n, (const char*)PyArray_DATA(@h@), PyArray_STRIDE(@h@, 0), PyArray_STRIDE(@h@, 1));
        }
        