        {
            npy_intp dims[@ndim@];
            for (int a = 0; a < @ndim@; ++a) dims[a] = PyArray_DIM(@x@, a);
            dims[0] = PyArray_DIM(@index@, 0);
            if (!pv_allocate(&@z@, @ndim@, dims, PyArray_TYPE(@x@))) @fail@
            if (!pv_take_elements<@T@>(@x@, @index@, @z@)) @fail@
        }
