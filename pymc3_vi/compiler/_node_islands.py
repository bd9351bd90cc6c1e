"""Islands of one node each, with the code that Theano's own linker generates for it.

g++ contracts products and sums to fused multiply-adds, and which ones depends on what surrounds them: whether a loop
counts as hot, and is then rearranged, follows from the number of checks before it.  Only the same function around a
node therefore rounds as Theano's linker does.
"""

from theano.graph.fg import FunctionGraph
from theano.link.c.basic import CLinker

from ._cxx_modules import MODULE_NAME
from ._island_code import Island

__all__ = ["NodeIsland"]

_PLACEHOLDER = "<<<<HASH_PLACEHOLDER>>>>"  # Theano's, in names that must be unique in a process


class NodeIsland(Island):
    """One node as an island; see :class:`Island` for the parameters."""

    def __init__(self, index, codes, inputs, outputs, transient, naming):
        (code,) = codes
        node = code.node
        self.index, self.nodes = index, [node]
        self.inputs, self.outputs = list(node.inputs), list(node.outputs)
        self._linker = CLinker().accept(FunctionGraph(node.inputs, node.outputs))
        self._linker.code_gen()
        support, init = (
            self._named("\n".join(filter(None, parts)))
            for parts in (self._linker.c_support_code_apply, self._linker.c_init_code_apply)
        )
        self.codes = [code._replace(support=support, init=init)]

    def _named(self, text):
        return text.replace(_PLACEHOLDER, f"{MODULE_NAME}_{self.index}")

    def objects(self):
        return [variable.type for variable in self._linker.variables] + [self.nodes[0].op]

    def arguments(self, storage_map):
        linker, cells = self._linker, {}
        given = [storage_map[v] for v in self.inputs + self.outputs] + [[v.data] for v in linker.orphans]
        for variable, cell in zip(linker.inputs + linker.outputs + linker.orphans, given):
            cells.setdefault(variable, cell)  # a variable that is read twice is handed over once
        return [None, None, None], tuple(cells.values())

    def source(self):
        struct, name = self._named(self._linker.struct_name), f"pv_island_{self.index}"
        cells = "".join(f", PyTuple_GET_ITEM(cells, {i})" for i in range(len(self._linker.args)))
        return f"""
{self._named(self._linker.struct_code)}
namespace {{
struct {name} : pv_island {{
    {struct}* node;
    int (*execute)({struct}*);  // called through a pointer, as Theano does, and so not inlined
    PyObject *error, *cells;
    static int execute_({struct}* node) {{ return node->run(); }}
    static int run_(pv_island* self) {{
        {name}* island = ({name}*)self;
        const int code = island->execute(island->node);
        if (code) pv_restore(island->error);
        return code;
    }}
    static void release_(pv_island* self) {{}}
    static void destroy_(pv_island* self) {{
        {name}* island = ({name}*)self;
        delete island->node;
        Py_XDECREF(island->error);
        Py_XDECREF(island->cells);
        PyMem_Free(island);
    }}
}};
}}

// make_island_{self.index}([type, value, trace of an exception], cells)
static PyObject* make_{name}(PyObject* self, PyObject* args) {{
    PyObject *error, *cells;
    if (!PyArg_ParseTuple(args, "O!O!", &PyList_Type, &error, &PyTuple_Type, &cells)) return NULL;
    {name}* island = ({name}*)PyMem_Malloc(sizeof({name}));
    if (!island) return PyErr_NoMemory();
    island->run = &{name}::run_;
    island->release = &{name}::release_;
    island->destroy = &{name}::destroy_;
    island->execute = &{name}::execute_;
    island->node = new {struct}();
    Py_INCREF(error); island->error = error;
    Py_INCREF(cells); island->cells = cells;
    PyObject* capsule = PyCapsule_New(island, "pymc3_vi.island", pv_island_capsule_destructor);
    if (!capsule) {{ island->destroy(island); return NULL; }}
    if (island->node->init(error{cells})) {{ Py_DECREF(capsule); return NULL; }}
    return capsule;
}}
"""
