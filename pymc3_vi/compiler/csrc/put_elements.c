        {
            typedef @T@ T;
            const npy_intp n = PyArray_DIM(@x@, 0), k = PyArray_DIM(@index@, 0), m = PyArray_DIM(@y@, 0);
            if (m != k && m != 1) {
                PyErr_Format(PyExc_ValueError, "%zd numbers cannot be put in %zd places.", (Py_ssize_t)m, (Py_ssize_t)k);
                @fail@
            }
            @prepare@
            const npy_intp si = PyArray_STRIDE(@index@, 0), sy = m == 1 ? 0 : PyArray_STRIDE(@y@, 0);
            const npy_intp sz = PyArray_STRIDE(@z@, 0);
            const char *from = (const char*)PyArray_DATA(@y@), *at = (const char*)PyArray_DATA(@index@);
            char* to = (char*)PyArray_DATA(@z@);
            for (npy_intp j = 0; j < k; ++j) {
                const npy_intp place = pv_place(*(const npy_int64*)(at + j * si), n);
                if (place < 0) @fail@
                *(T*)(to + place * sz) @assign@ *(const T*)(from + j * sy);
            }
        }
        