        {
            typedef @T@ T;
            npy_intp n = PyArray_DIM(@x@, 0);
            if (!pv_allocate(&@z@, 1, &n, PyArray_TYPE(@x@))) @fail@
            T sum = 0;
            for (npy_intp j = 0; j < n; ++j) {
                const T value = *(const T*)((const char*)PyArray_DATA(@x@) + j * PyArray_STRIDE(@x@, 0));
                sum = j ? sum + value : value;
                ((T*)PyArray_DATA(@z@))[j] = sum;
            }
        }
        