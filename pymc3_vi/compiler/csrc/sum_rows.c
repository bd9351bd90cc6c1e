        {
            typedef @T@ T;
            @positions@
            npy_intp dims[] = {@dims@};
            npy_intp m = 1;
            for (int a = @first_kept@; a < @ndim@; ++a) m *= dims[a];
            if (PyArray_DIM(@g@, 1) != k) {
                PyErr_Format(PyExc_ValueError, "SumRows: %zd rows and %zd indices.", (Py_ssize_t)PyArray_DIM(@g@, 1),
                             (Py_ssize_t)k);
                @fail@
            }
            if (!pv_allocate(&@z@, @ndim@, dims, PyArray_TYPE(@g@))) @fail@
            npy_intp step;
            PyArrayObject* whole = pv_without_gaps(@g@, &step);
            if (!whole) @fail@
            memset(PyArray_DATA(@z@), 0, PyArray_NBYTES(@z@));
            pv_sum_rows<T>(dims[0], step, n, k, m, at.data(), (const T*)PyArray_DATA(whole), (T*)PyArray_DATA(@z@));
            Py_DECREF(whole);
        }
        