        {
            typedef @T@ T;
            @positions@
            npy_intp m = 1;
            for (int a = @first_kept@; a < @ndim@; ++a) m *= PyArray_DIM(@x@, a);
            if (!(@fits@)) {
                PyErr_SetString(PyExc_ValueError, "PutRows: the shapes of the tensor, the rows and the indices do not "
                                "match.");
                @fail@
            }
            if (!pv_allocate(&@z@, @ndim@, PyArray_DIMS(@x@), PyArray_TYPE(@x@))) @fail@
            if (PyArray_CopyInto(@z@, @x@)) @fail@
            npy_intp step;
            PyArrayObject* whole = pv_without_gaps(@y@, &step);
            if (!whole) @fail@
            pv_put_rows<T>(PyArray_DIM(@x@, 0), step, n, k, m, at.data(), (const T*)PyArray_DATA(whole),
                           (T*)PyArray_DATA(@z@));
            Py_DECREF(whole);
        }
        