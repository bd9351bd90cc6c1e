@includes@
@prelude@
@body@
@driver@
static PyMethodDef pv_methods[] = {
@methods@
{"make_program", pv_make_program, METH_VARARGS, NULL},
{"run", pv_run, METH_VARARGS, NULL},
{NULL, NULL, 0, NULL}
};
static struct PyModuleDef pv_module = {PyModuleDef_HEAD_INIT, "@module_name@", NULL, -1, pv_methods};
PyMODINIT_FUNC PyInit_@module_name@(void) {
if (_import_array() < 0) return NULL;
@init@
return PyModule_Create(&pv_module);
}
