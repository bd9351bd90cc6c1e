        {
            npy_intp dims[] = {@dims@};
            Py_XDECREF(@z@);
            @z@ = (PyArrayObject*)PyArray_ZEROS(@out_ndim@, dims, PyArray_TYPE(@x@), 0);
            if (!@z@) @fail@
            // a writable view of the diagonals
            npy_intp strides[NPY_MAXDIMS];
            for (int i = 0; i < @last@; ++i) strides[i] = PyArray_STRIDE(@z@, i);
            strides[@last@] = PyArray_STRIDE(@z@, @last@) + PyArray_STRIDE(@z@, @ndim@);
            PyArray_Descr* descr = PyArray_DESCR(@z@);
            Py_INCREF(descr);
            PyArrayObject* view = (PyArrayObject*)PyArray_NewFromDescr(&PyArray_Type, descr, @ndim@, dims, strides,
                                                                       PyArray_DATA(@z@), NPY_ARRAY_WRITEABLE, NULL);
            if (!view) @fail@
            PyArray_UpdateFlags(view, NPY_ARRAY_UPDATE_ALL);
            const int failed = PyArray_CopyInto(view, @x@);
            Py_DECREF(view);
            if (failed) @fail@
        }
        