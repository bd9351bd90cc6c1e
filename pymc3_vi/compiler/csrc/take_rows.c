        {
            typedef @T@ T;
            @positions@
            npy_intp dims[] = {@dims@};
            npy_intp m = 1;
            for (int a = 2; a < @ndim@; ++a) m *= dims[a];
            if (!pv_allocate(&@z@, @ndim@, dims, PyArray_TYPE(@x@))) @fail@
            npy_intp step;
            PyArrayObject* whole = pv_without_gaps(@x@, &step);
            if (!whole) @fail@
            pv_take_rows<T>(dims[0], step, k, m, at.data(), (const T*)PyArray_DATA(whole), (T*)PyArray_DATA(@z@));
            Py_DECREF(whole);
        }
        