            npy_intp sizes[] = {@sizes@};
            PyArrayObject* indices[] = {@indices@};
            std::vector<npy_intp> at;
            if (!pv_positions(@n_axes@, indices, sizes, at)) @fail@
            const npy_intp k = PyArray_DIM(@first@, 0);
            npy_intp n = 1;
            for (int a = 0; a < @n_axes@; ++a) n *= sizes[a];
        