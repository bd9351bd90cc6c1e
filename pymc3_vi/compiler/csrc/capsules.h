static void* pv_fetch(const char* module_name, const char* routine) {
    PyObject* module = PyImport_ImportModule(module_name);
    if (!module) return NULL;
    PyObject* table = PyObject_GetAttrString(module, "__pyx_capi__");
    Py_DECREF(module);
    if (!table) return NULL;
    PyObject* capsule = PyMapping_GetItemString(table, routine);
    Py_DECREF(table);
    if (!capsule) return NULL;
    void* pointer = PyCapsule_GetPointer(capsule, PyCapsule_GetName(capsule));
    Py_DECREF(capsule);  // the module keeps the routine alive
    return pointer;
}
