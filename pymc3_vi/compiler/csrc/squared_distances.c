        {
            typedef @T@ T;
            npy_intp dims[2] = {PyArray_DIM(@x@, 0), PyArray_DIM(@x@, 0)};
            if (!pv_allocate(&@z@, 2, dims, PyArray_TYPE(@x@))) @fail@
            PyArrayObject* whole = PyArray_GETCONTIGUOUS(@x@);
            if (!whole) @fail@
            pv_squared_distances<T>(dims[0], PyArray_DIM(@x@, 1), (const T*)PyArray_DATA(whole), (T*)PyArray_DATA(@z@));
            Py_DECREF(whole);
        }
        