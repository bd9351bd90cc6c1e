"""C++ source of islands: one struct for many Apply nodes, without storage cells between them."""

import re
from collections import namedtuple

import numpy as np
from theano.graph.basic import Constant, NoParams
from theano.graph.op import COp
from theano.graph.utils import MethodNotDefined
from theano.link.c.interface import CLinkerType
from theano.tensor.type import TensorType

from ._csrc import c_source

__all__ = ["NodeCode", "Naming", "generate_node", "Island"]

#: C code of one Apply node, generated before it is known which island it goes to
NodeCode = namedtuple(
    "NodeCode", "node name body cleanup struct_members struct_init struct_cleanup support init params"
)


class NoCode(Exception):
    """A node or variable cannot be expressed in C."""


def _is_tensor(variable):
    return type(variable.type) is TensorType


def _type_num(variable):
    return variable.type.dtype_specs()[2]


class Naming:
    """Names of variables in C, by order of first appearance, so that equal graphs give equal source."""

    def __init__(self):
        self._names = {}
        self._params = {}

    def __call__(self, variable):
        name = self._names.get(variable)
        if name is None:
            if not isinstance(variable.type, CLinkerType):
                raise NoCode(f"{variable.type} has no C code")
            literal = ""
            if isinstance(variable, Constant) and not _is_tensor(variable):
                literal = variable.type.c_literal(variable.data)
            name = self._names[variable] = f"({literal})" if literal else f"V{len(self._names)}"
        return name

    def params(self, node, params):
        """The constant that carries the params of `node`; equal ones are shared."""
        key = (node.params_type, params)
        if key not in self._params:
            self._params[key] = Constant(node.params_type, params)
        return self._params[key]


def _lacks_float16(node):
    return not getattr(node.op, "_f16_ok", False) and any(
        getattr(v.type, "dtype", "") == "float16" for v in node.inputs + node.outputs
    )


def _objects(pointer_text):
    # Ops may speak of the Python object of an array; arrays inside an island have no other object than themselves.
    return re.sub(r"\bpy_(V\d+)\b", r"((PyObject*)\1)", pointer_text)


def generate_node(node, name, naming):
    """C code of `node`, or None if it has none.

    Parameters
    ----------
    node : Apply
    name : str
        Unique in the module; part of the names of the functions that the Op defines for this node.
    naming : Naming
    """
    if not isinstance(node.op, COp) or _lacks_float16(node):
        return None
    try:
        node.op.prepare_node(node, storage_map=None, compute_map=None, impl="c")
        inputs = [naming(v) for v in node.inputs]
        outputs = [naming(v) for v in node.outputs]
        params = node.run_params()
        constant = None if params is NoParams else naming.params(node, params)
        sub = {"failure_var": "__failure", "id": 1, "fail": "{__failure = 1; goto __done;}"}
        sub_init = {"id": 1, "fail": "{return pv_fail(1);}"}
        if constant is not None:
            sub["params"] = sub_init["params"] = naming(constant)
        arrays = all(_is_tensor(v) for v in node.inputs + node.outputs)
        body = node.op.c_code(node, name, inputs, outputs, sub)
        return NodeCode(
            node=node,
            name=name,
            body=_objects(body) if arrays else _array_objects(node, naming, body),
            cleanup=node.op.c_code_cleanup(node, name, inputs, outputs, sub),
            struct_members=node.op.c_support_code_struct(node, name),
            struct_init=node.op.c_init_code_struct(node, name, sub_init),
            struct_cleanup=node.op.c_cleanup_code_struct(node, name),
            support=node.op.c_support_code_apply(node, name),
            init=node.op.c_init_code_apply(node, name),
            params=constant,
        )
    except (NotImplementedError, MethodNotDefined, NoCode):
        return None


def _array_objects(node, naming, body):
    for variable in node.inputs + node.outputs:
        if _is_tensor(variable):
            body = re.sub(rf"\bpy_{naming(variable)}\b", f"((PyObject*){naming(variable)})", body)
    return body


def _without_gaps(data):
    """`data`, copied where its elements lie apart, backwards or, as those of sliding windows, on one another.

    Theano's products hand BLAS strides that it refuses of the last.
    """
    if not isinstance(data, np.ndarray) or data.flags.c_contiguous or data.flags.f_contiguous:
        return data
    return np.ascontiguousarray(data)


class Island:
    """A run of nodes that becomes one struct.

    Parameters
    ----------
    index : int
        Position among the islands of the module.
    codes : list of NodeCode
        In order of execution.
    inputs, outputs : list of variables
        What comes from and goes to storage cells.
    transient : set of variables
        Temporaries whose memory must not be kept for the next run, because an output may be a view of it.
    naming : Naming
    """

    def __init__(self, index, codes, inputs, outputs, transient, naming):
        self.index, self.codes, self.naming = index, codes, naming
        self.inputs, self.outputs, self.transient = inputs, outputs, transient
        self.nodes = [code.node for code in codes]
        known = set(inputs) | set(outputs)
        self.constants, self.temporaries, literal = [], [], set()
        for code in codes:
            extra = [code.params] if code.params is not None else []
            for variable in [*code.node.inputs, *extra, *code.node.outputs]:
                if variable in known or variable in literal:
                    continue
                if not isinstance(variable, Constant):
                    self.temporaries.append(variable)
                elif naming(variable).startswith("("):
                    literal.add(variable)
                    continue
                else:
                    self.constants.append(variable)
                known.add(variable)
        self.variables = [*inputs, *outputs, *self.constants, *self.temporaries]
        self._literals = list(literal)

    def objects(self):
        """Everything that may ask for headers, libraries or support code."""
        types = [v.type for v in self.variables] + sorted({v.type for v in self._literals}, key=str)
        return types + [code.node.op for code in self.codes]

    def failed_node(self, code):
        """The Apply node that a return code of the struct speaks of."""
        if 1 <= code <= len(self.nodes):
            return self.nodes[code - 1]
        return self.nodes[0]

    def arguments(self, storage_map):
        """What the factory in :meth:`source` is called with."""
        return (
            [storage_map[v] for v in self.inputs],
            [storage_map[v] for v in self.outputs],
            [_without_gaps(storage_map[v][0] if v in storage_map else v.data) for v in self.constants],
        )

    # ---------------------------------------------------------------- source
    def source(self):
        """The struct, its factory and what the driver calls."""
        members, init, cleanup = self._constants_code()
        begin, end = self._cells_code()
        reset, release, free = self._temporaries_code()
        for variable in self.temporaries + self.inputs + self.outputs:
            members.append(self._declare(variable))
        methods, calls = [], []
        for position, code in enumerate(self.codes):
            number = position + 1
            methods.append(self._method(code, number))
            calls.append(f"if (node_{number}()) {{__failure = {number}; goto __done;}}")
            members.append(code.struct_members)
            init.append(code.struct_init)
            cleanup.append(code.struct_cleanup)
        name = f"pv_island_{self.index}"
        newline = "\n"
        return c_source(
            "island.c",
            name=name,
            members=newline.join(filter(None, members)),
            init=newline.join(filter(None, init)),
            cleanup=newline.join(filter(None, cleanup)),
            free=newline.join(free),
            release=newline.join(release),
            methods=newline.join(methods),
            reset=newline.join(reset),
            begin=newline.join(begin),
            calls=newline.join(calls),
            end=newline.join(end),
            index=self.index,
        )

    def method_entry(self):
        """Line of the module's method table."""
        return f'{{"make_island_{self.index}", make_pv_island_{self.index}, METH_VARARGS, NULL}},'

    def _method(self, code, number):
        # Cleanup may speak of what the body declares, hence one scope for both.
        body = f"{{\n{code.body}\n__done: ;\n{code.cleanup}\n}}" if code.cleanup else f"{{\n{code.body}\n}}\n__done: ;"
        return (
            f"    PV_NODE int node_{number}() {{ // {type(code.node.op).__name__}\n"
            f"        int __failure = 0;\n{body}\n        return __failure;\n    }}"
        )

    def _declare(self, variable):
        name = self.naming(variable)
        if _is_tensor(variable):
            return f"    PyArrayObject* {name}; typedef {variable.type.dtype_specs()[1]} dtype_{name};"
        return f"    PyObject* py_{name}; {variable.type.c_declare(name, self._sub(name, 0), True)}"

    @staticmethod
    def _sub(name, number, fail=None):
        return {
            "failure_var": "__failure",
            "id": number,
            "fail": fail or f"{{__failure = {number}; goto __done;}}",
            "py_ptr": f"py_{name}",
            "stor_ptr": f"storage_{name}",
        }

    def _constants_code(self):
        members, init, cleanup = [], [], []
        for position, variable in enumerate(self.constants):
            name = self.naming(variable)
            members.append(self._declare(variable))
            item = f"PyList_GET_ITEM(__constants, {position})"
            if _is_tensor(variable):
                init.append(f"{name} = (PyArrayObject*){item}; Py_INCREF({name});")
                init.append(
                    f"if (!pv_is_array((PyObject*){name}, {_type_num(variable)}, {variable.type.ndim})) return 1;"
                )
                cleanup.append(f"Py_XDECREF({name});")  # an Op may have put a copy with other strides in its place
                continue
            sub = self._sub(name, 0, fail="{return pv_fail(1);}")
            init.append(variable.type.c_init(name, sub))
            init.append(f"py_{name} = {item};")
            init.append("{" + variable.type.c_extract(name, sub, True) + "}")
            cleanup.append(variable.type.c_cleanup(name, sub))
        return members, init, cleanup

    def _cells_code(self):
        """Statements that read the storage cells before the nodes, and that fill them after."""
        prepare, begin, end = [], [], []
        number = len(self.codes)
        for cells, variables in (("__inputs", self.inputs), ("__outputs", self.outputs)):
            for position, variable in enumerate(variables):
                number += 1
                name = self.naming(variable)
                cell = f"PyList_GET_ITEM({cells}, {position})"
                is_output = variables is self.outputs
                if _is_tensor(variable):
                    arguments = f"{cell}, {_type_num(variable)}, {variable.type.ndim}"
                    if is_output:
                        begin.append(f"{name} = pv_take_old({arguments});")
                        end.append(f"if (!__failure) pv_put_back({cell}, (PyObject*){name}); else Py_XDECREF({name});")
                        end.append(f"{name} = NULL;")
                    else:
                        begin.append(f"if (!({name} = pv_take({arguments}))) {{__failure = {number}; goto __done;}}")
                        end.append(f"Py_CLEAR({name});")
                    continue
                sub = self._sub(name, number)
                prepare.append(variable.type.c_init(name, sub))
                prepare.append(f"py_{name} = Py_None; Py_INCREF(Py_None);")
                if is_output:
                    sub["fail"] = f"{{__failure = {number}; goto __synced_{number};}}"
                    end.append(f"if (!__failure) {{ {variable.type.c_sync(name, sub)} }}")
                    end.append(f"__synced_{number}: ;")
                    end.append(f"if (!__failure) {{ Py_INCREF(py_{name}); pv_put_back({cell}, py_{name}); }}")
                else:
                    begin.append(f"Py_DECREF(py_{name}); py_{name} = PyList_GET_ITEM({cell}, 0); Py_INCREF(py_{name});")
                    begin.append("{" + variable.type.c_extract(name, sub, True) + "}")
                end.append(variable.type.c_cleanup(name, sub))
                end.append(f"Py_CLEAR(py_{name});")
        return prepare + begin, end

    def _temporaries_code(self):
        """Statements before the nodes, for `release`, and for the destructor."""
        reset, release, free = [], [], []
        for variable in self.temporaries:
            name = self.naming(variable)
            if _is_tensor(variable):
                if variable in self.transient:
                    reset.append(f"Py_CLEAR({name});")
                release.append(f"Py_CLEAR({name});")
                free.append(f"Py_CLEAR({name});")
            else:
                sub = self._sub(name, 0)
                cleanup = variable.type.c_cleanup(name, sub)
                reset.append(cleanup)
                reset.append(variable.type.c_init(name, sub))
                free.append(cleanup)
        return reset, release, free
