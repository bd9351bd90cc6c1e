        {
            typedef @T@ T;
            const npy_intp na = PyArray_DIM(@a@, 0), nb = PyArray_DIM(@b@, 0);
            npy_intp dims[3] = {@repeat_a@ ? nb : na, PyArray_DIM(@a@, 1), PyArray_DIM(@b@, 2)};
            const npy_intp inner = PyArray_DIM(@a@, 2);
            if (inner != PyArray_DIM(@b@, 1) || (na != nb && !@repeat_a@ && !@repeat_b@)) {
                PyErr_Format(PyExc_ValueError, "BatchMatmul: the shapes (%zd, %zd, %zd) and (%zd, %zd, %zd) do not "
                             "match.", (Py_ssize_t)na, (Py_ssize_t)dims[1], (Py_ssize_t)inner, (Py_ssize_t)nb,
                             (Py_ssize_t)PyArray_DIM(@b@, 1), (Py_ssize_t)dims[2]);
                @fail@
            }
            if (!pv_allocate(&@z@, 3, dims, PyArray_TYPE(@a@))) @fail@
            const npy_intp block = dims[1] * dims[2];
            if (inner == 0) memset(PyArray_DATA(@z@), 0, PyArray_NBYTES(@z@));
            else if (PyArray_SIZE(@z@) > 0) {
                pv_stack left, right;
                left.array = right.array = NULL;
                if (!pv_as_stack(@a@, &left)) @fail@
                if (!pv_as_stack(@b@, &right)) { Py_DECREF(left.array); @fail@ }
                // column-major: z' = b' a'
                int m = (int)dims[2], n = (int)dims[1], k = (int)inner;
                T one = 1, zero = 0;
                const npy_intp width = (dims[2] + 64 / sizeof(T) - 1) / (64 / sizeof(T)) * (64 / sizeof(T));
                std::vector<T> padded(width * inner * sizeof(T) <= PV_SMALL_FACTOR ? width * inner : 0);
                for (npy_intp s = 0; s < dims[0]; ++s) {
                    T* a = (T*)(left.data + s * left.step);
                    T* b = (T*)(right.data + s * right.step);
                    T* z = (T*)PyArray_DATA(@z@) + s * block;
                    if (!pv_small_product<T>(n, m, k, a, left.ld, left.trans, b, right.ld, right.trans,
                                             padded.empty() ? NULL : padded.data(), z))
                        pv_@letter@gemm(&right.trans, &left.trans, &m, &n, &k, &one, b, &right.ld, a, &left.ld, &zero,
                                        z, &m);
                }
                Py_DECREF(left.array);
                Py_DECREF(right.array);
            }
        }
        