        {
            typedef @T@ T;
            if (!pv_square(@x@, "Triangle")) @fail@
            if (!pv_allocate(&@z@, @ndim@, PyArray_DIMS(@x@), PyArray_TYPE(@x@))) @fail@
            const npy_intp n = PyArray_DIM(@x@, @last@), count = @count@;
            for (npy_intp s = 0; s < count; ++s)
                pv_copy_triangle<T>(n, (char*)PyArray_DATA(@x@) + @offset@,
                                    PyArray_STRIDE(@x@, @before_last@), PyArray_STRIDE(@x@, @last@),
                                    @lower@, @diagonal@, (T*)PyArray_DATA(@z@) + s * n * n);
        }
        