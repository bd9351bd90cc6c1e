"""A graph as plain data: numbers in place of variables, and bytes that are the same in every process."""

import copyreg
import hashlib
import io
import pickle
import sys
from collections import namedtuple

from theano.compile.ops import FromFunctionOp
from theano.compile.sharedvalue import SharedVariable
from theano.graph.basic import Apply, Constant, Variable, io_toposort
from theano.graph.type import Type
from theano.graph.utils import Scratchpad
from theano.link.c.basic import CLinker
from theano.scan.op import Scan
from theano.tensor.random.type import random_state_type

__all__ = ["Digests", "FlatGraph", "NotPlain", "flatten", "is_fixed", "packed", "rebuild"]

#: Packages whose code is fixed by their version; a user's own Op may have changed since its graph was looked at.
_FIXED = set("builtins collections copyreg functools numpy operator pymc3 pymc3_vi scipy theano".split())

#: Recursion limit of Python beyond which pickling may use up the stack, which ends the process.
DEEPEST = 10_000

#: Constants; nodes as (Op, numbers of its inputs, types and names of its outputs); numbers of the graph's outputs.
#: Inputs of the graph are numbered first, then constants, then what nodes give.
FlatGraph = namedtuple("FlatGraph", "constants nodes outputs")


class NotPlain(Exception):
    """A graph with something that only this process knows."""


class _Pickler(pickle.Pickler):
    """Leaves out what differs between equal graphs: test values, where in the source a variable was made, counters."""

    def reducer_override(self, value):
        if isinstance(value, Scratchpad):
            return Scratchpad, ()
        if value is random_state_type:  # types are compared, and this one is equal to itself alone
            return "random_state_type"
        if isinstance(value, Constant):
            return type(value), (value.type, value.data, value.name)
        if isinstance(value, Variable):
            return _of_inner_graph(value)
        if isinstance(value, Scan):
            state = {name: x for name, x in vars(value).items() if name not in ("_cmodule_key", "_hash_inner_graph")}
            return copyreg.__newobj__, (type(value),), state, None, None, _set_scan
        code = value._FromFunctionOp__fn if isinstance(value, FromFunctionOp) else value
        if hasattr(code, "__qualname__") and not is_fixed(code):
            raise NotPlain(f"{code} is of {code.__module__}")
        return NotImplemented


def is_fixed(code):
    """Whether a class or function is the same in every process with the same packages."""
    return str(code.__module__).partition(".")[0] in _FIXED


def _of_inner_graph(variable):
    if isinstance(variable, SharedVariable):
        raise NotPlain(f"{variable} has a value of this process")
    if sys.getrecursionlimit() > DEEPEST:
        raise NotPlain("pickling a long graph within a graph would need more stack than there is")
    state = {name: x for name, x in variable.__getstate__().items() if name not in ("auto_name", "tag")}
    return _blank, (type(variable),), state


def _blank(kind):
    """A variable without a state."""
    made = kind.__new__(kind)
    made.tag, made.auto_name = Scratchpad(), "auto"
    return made


def _set_scan(scan, state):
    """What was left out are hashes, which differ between processes."""
    scan.__setstate__(state)
    scan._cmodule_key = CLinker().cmodule_key_variables(scan.inputs, scan.outputs, [])
    scan._hash_inner_graph = hash(scan._cmodule_key)


class _Digest:
    """A file that keeps only the hash of what is written to it."""

    def __init__(self):
        self.hash = hashlib.sha256()

    def write(self, data):
        self.hash.update(data)


def _pickle(data, file):
    try:
        _Pickler(file, pickle.HIGHEST_PROTOCOL).dump(data)
    except NotPlain:
        raise
    except Exception as error:  # whatever the state of a user's object raises
        raise NotPlain(f"{type(error).__name__}: {error}") from error


def packed(data):
    """`data` as bytes for ``pickle.loads``; NotPlain where it has parts that other processes would not understand."""
    file = io.BytesIO()
    _pickle(data, file)
    return file.getvalue()


class Digests(dict):
    """Text that stands for an Op, a type or an array in every process, made once; NotPlain as for :func:`packed`.

    Each by itself: a string that two of them share is another one in another process, of which pickles tell.
    """

    def __call__(self, value):
        key = value if isinstance(value, Type) else id(value)
        if key not in self:
            file = _Digest()
            _pickle(value, file)
            self[key] = file.hash.hexdigest()
        return self[key]


def flatten(inputs, outputs):
    """The graph from the variables `inputs` to the variables `outputs` as a `FlatGraph`, and its variables in order."""
    nodes = io_toposort(inputs, outputs)
    made = [variable for node in nodes for variable in node.outputs]
    known = {*inputs, *made}
    read = [variable for node in nodes for variable in node.inputs] + list(outputs)
    constants = list(dict.fromkeys(variable for variable in read if variable not in known))
    for variable in constants:
        if not isinstance(variable, Constant):
            raise NotPlain(f"{variable} is no constant and no input")
    variables = [*inputs, *constants, *made]
    number = {variable: k for k, variable in enumerate(variables)}
    flat = [(n.op, [number[v] for v in n.inputs], [(v.type, v.name) for v in n.outputs]) for n in nodes]
    return FlatGraph(constants, flat, [number[v] for v in outputs]), variables


def rebuild(flat, inputs):
    """Outputs of the graph `flat` on the variables `inputs`, and its variables in order, two lists."""
    variables = [*inputs, *flat.constants]
    for op, places, kinds in flat.nodes:
        outputs = [kind.make_variable(name) for kind, name in kinds]
        variables += Apply(op, [variables[k] for k in places], outputs).outputs
    return [variables[k] for k in flat.outputs], variables
