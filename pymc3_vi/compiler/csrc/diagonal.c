        {
            PyArrayObject* view = (PyArrayObject*)PyArray_Diagonal(@x@, 0, @before_last@, @last@);
            if (!view) @fail@
            Py_XDECREF(@z@);
            @z@ = (PyArrayObject*)PyArray_NewCopy(view, NPY_CORDER);
            Py_DECREF(view);
            if (!@z@) @fail@
        }
        