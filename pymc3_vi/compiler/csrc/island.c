namespace {
struct @name@ : pv_island {
    PyObject *__inputs, *__outputs, *__constants;
@members@
    int init() {
@init@
        return 0;
    }
    void dispose() {
@cleanup@
@free@
        Py_XDECREF(__inputs);
        Py_XDECREF(__outputs);
        Py_XDECREF(__constants);
    }
    void forget() {
@release@
    }
@methods@
    int execute() {
        int __failure = 0;
@reset@
@begin@
@calls@
    __done:
@end@
        return __failure;
    }
    static int run_(pv_island* self) { return ((@name@*)self)->execute(); }
    static void release_(pv_island* self) { ((@name@*)self)->forget(); }
    static void destroy_(pv_island* self) { ((@name@*)self)->dispose(); PyMem_Free(self); }
};
}

// make_island_@index@(input cells, output cells, constants)
static PyObject* make_@name@(PyObject* self, PyObject* args) {
    PyObject *inputs, *outputs, *constants;
    if (!PyArg_ParseTuple(args, "O!O!O!", &PyList_Type, &inputs, &PyList_Type, &outputs, &PyList_Type, &constants))
        return NULL;
    void* memory = PyMem_Malloc(sizeof(@name@));
    if (!memory) return PyErr_NoMemory();
    memset(memory, 0, sizeof(@name@));
    @name@* island = (@name@*)memory;
    island->run = &@name@::run_;
    island->release = &@name@::release_;
    island->destroy = &@name@::destroy_;
    Py_INCREF(inputs); island->__inputs = inputs;
    Py_INCREF(outputs); island->__outputs = outputs;
    Py_INCREF(constants); island->__constants = constants;
    PyObject* capsule = PyCapsule_New(island, "pymc3_vi.island", pv_island_capsule_destructor);
    if (!capsule) { island->destroy(island); return NULL; }
    if (island->init()) { Py_DECREF(capsule); return NULL; }
    return capsule;
}
