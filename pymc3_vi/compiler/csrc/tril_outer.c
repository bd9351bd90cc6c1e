        {
            typedef @T@ T;
            if (!PyArray_CompareLists(PyArray_DIMS(@g@), PyArray_DIMS(@x@), @ndim@)) {
                PyErr_SetString(PyExc_ValueError, "TrilOuter: the shapes of the inputs must be equal.");
                @fail@
            }
            const npy_intp d = PyArray_DIM(@x@, @last@), n = @count@;
            npy_intp size = d * (d + 1) / 2;
            if (!pv_allocate(&@z@, 1, &size, PyArray_TYPE(@x@))) @fail@
            PyArrayObject* left = PyArray_GETCONTIGUOUS(@g@);
            PyArrayObject* right = PyArray_GETCONTIGUOUS(@x@);
            if (left && right) {
                const T* a = (const T*)PyArray_DATA(left);
                const T* b = (const T*)PyArray_DATA(right);
                T* row = (T*)PyArray_DATA(@z@);
                if (n == 0) memset(row, 0, size * sizeof(T));
                else for (npy_intp r = 0; r < d; row += ++r) {
                    pv_scaled<T>(r + 1, a[r], b, row);
                    for (npy_intp s = 1; s < n; ++s) pv_axpy<T>(r + 1, a[s * d + r], b + s * d, row);
                }
            }
            const int ok = left && right;
            Py_XDECREF(left);
            Py_XDECREF(right);
            if (!ok) @fail@
        }
        