@struct_code@
namespace {
struct @name@ : pv_island {
    @struct@* node;
    int (*execute)(@struct@*);  // called through a pointer, as Theano does, and so not inlined
    PyObject *error, *cells;
    static int execute_(@struct@* node) { return node->run(); }
    static int run_(pv_island* self) {
        @name@* island = (@name@*)self;
        const int code = island->execute(island->node);
        if (code) pv_restore(island->error);
        return code;
    }
    static void release_(pv_island* self) {}
    static void destroy_(pv_island* self) {
        @name@* island = (@name@*)self;
        delete island->node;
        Py_XDECREF(island->error);
        Py_XDECREF(island->cells);
        PyMem_Free(island);
    }
};
}

// make_island_@index@([type, value, trace of an exception], cells)
static PyObject* make_@name@(PyObject* self, PyObject* args) {
    PyObject *error, *cells;
    if (!PyArg_ParseTuple(args, "O!O!", &PyList_Type, &error, &PyTuple_Type, &cells)) return NULL;
    @name@* island = (@name@*)PyMem_Malloc(sizeof(@name@));
    if (!island) return PyErr_NoMemory();
    island->run = &@name@::run_;
    island->release = &@name@::release_;
    island->destroy = &@name@::destroy_;
    island->execute = &@name@::execute_;
    island->node = new @struct@();
    Py_INCREF(error); island->error = error;
    Py_INCREF(cells); island->cells = cells;
    PyObject* capsule = PyCapsule_New(island, "pymc3_vi.island", pv_island_capsule_destructor);
    if (!capsule) { island->destroy(island); return NULL; }
    if (island->node->init(error@cells@)) { Py_DECREF(capsule); return NULL; }
    return capsule;
}
