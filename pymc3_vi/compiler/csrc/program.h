// A program: islands and Python callables that run one after the other, and the storage cells that must be handled
// around them.  Everything it points to is kept alive by `owner`.
struct pv_program {
    PyObject* owner;
    Py_ssize_t n_items, n_clear, n_outputs, n_updates, n_intermediate;
    pv_island** islands;      // NULL where the item is a Python callable
    PyObject **items, **clear, **outputs, **sources, **targets, **intermediate, **values;
};

static PyObject** pv_cells(PyObject* list) { return ((PyListObject*)list)->ob_item; }

static void pv_program_destructor(PyObject* capsule) {
    pv_program* p = (pv_program*)PyCapsule_GetPointer(capsule, "pymc3_vi.program");
    if (!p) return;
    PyMem_Free(p->islands);
    PyMem_Free(p->values);
    Py_XDECREF(p->owner);
    PyMem_Free(p);
}

// make_program(items, clear, outputs, sources, targets, intermediate)
static PyObject* pv_make_program(PyObject* self, PyObject* args) {
    PyObject *items, *clear, *outputs, *sources, *targets, *intermediate;
    if (!PyArg_ParseTuple(args, "O!O!O!O!O!O!", &PyList_Type, &items, &PyList_Type, &clear, &PyList_Type, &outputs,
                          &PyList_Type, &sources, &PyList_Type, &targets, &PyList_Type, &intermediate)) return NULL;
    pv_program* p = (pv_program*)PyMem_Malloc(sizeof(pv_program));
    if (!p) return PyErr_NoMemory();
    memset(p, 0, sizeof(pv_program));
    PyObject* capsule = PyCapsule_New(p, "pymc3_vi.program", pv_program_destructor);
    if (!capsule) { PyMem_Free(p); return NULL; }
    p->owner = args; Py_INCREF(args);
    p->n_items = PyList_GET_SIZE(items); p->items = pv_cells(items);
    p->n_clear = PyList_GET_SIZE(clear); p->clear = pv_cells(clear);
    p->n_outputs = PyList_GET_SIZE(outputs); p->outputs = pv_cells(outputs);
    p->n_updates = PyList_GET_SIZE(sources); p->sources = pv_cells(sources); p->targets = pv_cells(targets);
    p->n_intermediate = PyList_GET_SIZE(intermediate); p->intermediate = pv_cells(intermediate);
    p->islands = (pv_island**)PyMem_Malloc((p->n_items + 1) * sizeof(pv_island*));
    p->values = (PyObject**)PyMem_Malloc((p->n_updates + 1) * sizeof(PyObject*));
    if (!p->islands || !p->values) { Py_DECREF(capsule); return PyErr_NoMemory(); }
    for (Py_ssize_t i = 0; i < p->n_items; ++i)
        p->islands[i] = PyCapsule_CheckExact(p->items[i])
            ? (pv_island*)PyCapsule_GetPointer(p->items[i], "pymc3_vi.island") : NULL;
    if (PyErr_Occurred()) { Py_DECREF(capsule); return NULL; }
    return capsule;
}

static PyObject* pv_stop(PyObject* status, Py_ssize_t steps, Py_ssize_t item, int code) {
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    PyList_SetItem(status, 0, PyLong_FromSsize_t(PyLong_AsSsize_t(PyList_GET_ITEM(status, 0)) + steps));
    PyList_SetItem(status, 1, PyLong_FromSsize_t(item));
    PyList_SetItem(status, 2, PyLong_FromLong(code));
    PyErr_Restore(type, value, trace);
    return NULL;
}

// run(program, n_calls, release, status) -> outputs of the last call.
// status holds the number of calls that were ever completed and, after an exception, the item that failed (-1: a
// signal handler) and the code that the island returned.
static PyObject* pv_run(PyObject* self, PyObject* args) {
    PyObject *capsule, *status, *result = NULL;
    Py_ssize_t n, i, j;
    int release;
    if (!PyArg_ParseTuple(args, "OniO!", &capsule, &n, &release, &PyList_Type, &status)) return NULL;
    pv_program* p = (pv_program*)PyCapsule_GetPointer(capsule, "pymc3_vi.program");
    if (!p) return NULL;
    for (i = 0; i < n; ++i) {
        for (j = 0; j < p->n_clear; ++j) pv_put_back(p->clear[j], NULL);
        for (j = 0; j < p->n_items; ++j) {
            if (p->islands[j]) {
                const int code = p->islands[j]->run(p->islands[j]);
                if (code) return pv_stop(status, i, j, pv_fail(code));
            } else {
                PyObject* r = PyObject_CallFunctionObjArgs(p->items[j], NULL);
                if (!r) return pv_stop(status, i, j, 0);
                Py_DECREF(r);
            }
        }
        if (i == n - 1) {  // outputs are what they are before the updates
            if (!(result = PyList_New(p->n_outputs))) return pv_stop(status, i, -1, 0);
            for (j = 0; j < p->n_outputs; ++j) {
                PyObject* value = PyList_GET_ITEM(p->outputs[j], 0);
                Py_INCREF(value);
                PyList_SET_ITEM(result, j, value);
            }
        }
        // all new values are read before the first is written: one update may be another one's old value
        for (j = 0; j < p->n_updates; ++j) {
            p->values[j] = PyList_GET_ITEM(p->sources[j], 0);
            Py_INCREF(p->values[j]);
        }
        for (j = 0; j < p->n_updates; ++j) pv_put_back(p->targets[j], p->values[j]);
        if (PyErr_CheckSignals()) { Py_XDECREF(result); return pv_stop(status, i + 1, -1, 0); }
    }
    PyList_SetItem(status, 0, PyLong_FromSsize_t(PyLong_AsSsize_t(PyList_GET_ITEM(status, 0)) + n));
    if (release) {
        for (j = 0; j < p->n_items; ++j) if (p->islands[j]) p->islands[j]->release(p->islands[j]);
        for (j = 0; j < p->n_intermediate; ++j) pv_put_back(p->intermediate[j], NULL);
    }
    if (!result) result = PyList_New(0);
    return result;
}
