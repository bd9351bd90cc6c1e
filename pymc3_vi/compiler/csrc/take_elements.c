        {
            typedef @T@ T;
            const npy_intp n = PyArray_DIM(@x@, 0), sx = PyArray_STRIDE(@x@, 0), si = PyArray_STRIDE(@index@, 0);
            npy_intp k = PyArray_DIM(@index@, 0);
            if (!pv_allocate(&@z@, 1, &k, PyArray_TYPE(@x@))) @fail@
            const char *from = (const char*)PyArray_DATA(@x@), *at = (const char*)PyArray_DATA(@index@);
            T* to = (T*)PyArray_DATA(@z@);
            for (npy_intp j = 0; j < k; ++j) {
                const npy_intp place = pv_place(*(const npy_int64*)(at + j * si), n);
                if (place < 0) @fail@
                to[j] = *(const T*)(from + place * sx);
            }
        }
        