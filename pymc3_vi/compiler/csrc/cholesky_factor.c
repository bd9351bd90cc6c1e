        {
            typedef @T@ T;
            if (!pv_square(@x@, "CholeskyFactor")) @fail@
            if (!pv_allocate(&@z@, @ndim@, PyArray_DIMS(@x@), PyArray_TYPE(@x@))) @fail@
            int n = (int)PyArray_DIM(@x@, @last@), info = 0;
            const npy_intp count = @count@;
            char uplo = '@uplo@';  // column-major: the transpose
            for (npy_intp s = 0; s < (n ? count : 0); ++s) {
                T* out = (T*)PyArray_DATA(@z@) + s * n * n;
                pv_copy_triangle<T>(n, (char*)PyArray_DATA(@x@) + @offset@,
                                    PyArray_STRIDE(@x@, @before_last@), PyArray_STRIDE(@x@, @last@),
                                    @lower@, 1, out);
                pv_@letter@potrf(&uplo, &n, out, &n, &info);
                // LAPACK may let NaN pass
                for (int i = 0; !info && i < n; ++i) if (out[i * (npy_intp)n + i] != out[i * (npy_intp)n + i]) info = i + 1;
                if (info) @on_error@
            }
        }
        