        {
            typedef @T@ T;
            if (!pv_square(@a@, "TriangularSolve")) @fail@
            int n = (int)PyArray_DIM(@a@, @last@), m = @n_columns@;
            const npy_intp count = @count@;
            if (PyArray_DIM(@b@, @before_last@) != n || @other_count@) {
                PyErr_Format(PyExc_ValueError, "TriangularSolve: the shapes do not match: %d rows and %zd.", n,
                             (Py_ssize_t)PyArray_DIM(@b@, @before_last@));
                @fail@
            }
            if (!pv_allocate(&@z@, PyArray_NDIM(@b@), PyArray_DIMS(@b@), PyArray_TYPE(@b@))) @fail@
            if (PyArray_CopyInto(@z@, @b@)) @fail@
            pv_matrices l;
            if (!pv_as_matrices(@a@, &l)) @fail@
            // Column-major: X' A' = B', where A in row-major order is A' already.
            char side = 'R', unit = 'N', uplo = l.row_major == @lower@ ? 'U' : 'L';
            char trans = l.row_major == @plain@ ? 'N' : 'T';
            T one = 1;
            int broken = 0;
            for (npy_intp s = 0; s < (n && m ? count : 0); ++s) {
                T* tri = (T*)(l.data + s * l.step);
                T* x = (T*)PyArray_DATA(@z@) + s * n * m;
                broken = 0;
                for (npy_intp i = 0; i < n; ++i) if (tri[i * n + i] == 0) { broken = (int)i + 1; break; }
                if (broken && @stack@) {  // the others have solutions
                    for (npy_intp i = 0; i < n * m; ++i) x[i] = NAN;
                    continue;
                }
                // Of small matrices, preparing a call of BLAS takes longer than the solution.
                if (!broken && n <= 16)
                    pv_substitute<T>(n, m, tri, l.row_major == @plain@ ? n : 1,
                                     l.row_major == @plain@ ? 1 : n,
                                     @forward@, x);
                else if (!broken)
                    pv_@letter@trsm(&side, &uplo, &trans, &unit, &m, &n, &one, tri, &n, x, &m);
            }
            Py_DECREF(l.array);
            if (broken && !@stack@) {
                pv_linalg_error("TriangularSolve: the matrix is singular (diagonal element %ld is zero).", (long)broken);
                @fail@
            }
        }
        