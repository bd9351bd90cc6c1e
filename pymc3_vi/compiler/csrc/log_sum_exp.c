        {
            typedef @T@ T;
            const npy_intp k = PyArray_DIM(@x@, @last@);
            if (!pv_allocate(&@y@, @last@, PyArray_DIMS(@x@), PyArray_TYPE(@x@))) @fail@
            if (!pv_allocate(&@w@, @ndim@, PyArray_DIMS(@x@), PyArray_TYPE(@x@))) @fail@
            PyArrayObject* whole = PyArray_GETCONTIGUOUS(@x@);
            if (!whole) @fail@
            pv_log_sum_exp_rows<T> rows = {PyArray_SIZE(@y@), k, 0, (const T*)PyArray_DATA(whole),
                                           (T*)PyArray_DATA(@y@), (T*)PyArray_DATA(@w@)};
            const npy_intp parts = pv_parts(rows.n * (1.5 + 1.5 * k), rows.n, &rows.size);
            pv_parallel(pv_log_sum_exp_rows<T>::part, &rows, parts);
            Py_DECREF(whole);
        }
        