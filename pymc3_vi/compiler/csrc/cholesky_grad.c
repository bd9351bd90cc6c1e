        {
            typedef @T@ T;
            if (!pv_square(@factor@, "CholeskyGrad")) @fail@
            if (!PyArray_CompareLists(PyArray_DIMS(@factor@), PyArray_DIMS(@g@), @ndim@)) {
                PyErr_SetString(PyExc_ValueError, "CholeskyGrad: the shapes of the factor and its gradient must be "
                                "equal.");
                @fail@
            }
            if (!pv_allocate(&@z@, @ndim@, PyArray_DIMS(@factor@), PyArray_TYPE(@factor@))) @fail@
            pv_matrices l;
            if (!pv_as_matrices(@factor@, &l)) @fail@
            int n = (int)PyArray_DIM(@factor@, @last@);
            const npy_intp count = @count@;
            for (npy_intp s = 0; s < (n ? count : 0); ++s) {
                T* out = (T*)PyArray_DATA(@z@) + s * n * n;
                pv_copy_triangle<T>(n, (char*)PyArray_DATA(@g@) + @offset@,
                                    PyArray_STRIDE(@g@, @before_last@), PyArray_STRIDE(@g@, @last@), 1, 1, out);
                pv_@letter@cholesky_grad(n, (T*)(l.data + s * l.step), l.row_major, out);
            }
            Py_DECREF(l.array);
        }
        