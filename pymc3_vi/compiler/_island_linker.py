"""Theano linker that compiles each run of C nodes into one struct, all of them with one call of the compiler."""

import copy
import logging
import re

import theano
from theano.compile.mode import Mode
from theano.graph.basic import Constant
from theano.graph.op import COp
from theano.link.basic import Container
from theano.link.utils import map_storage
from theano.link.vm import VM, VMLinker
from theano.scan.op import Scan

from ._blas import blas_libraries, capsule_flags, replace_blas
from ._blas_threads import single_blas_thread
from ._csrc import c_source
from ._cxx_modules import MODULE_NAME, CompileError, compile_module
from ._flags import flags
from ._island_code import Island, Naming, generate_node
from ._schedule import partition
from .ops._threads import PARALLEL

__all__ = ["IslandLinker", "IslandVM", "IslandsUnavailable"]

logger = logging.getLogger("pymc3_vi")


class IslandsUnavailable(Exception):
    """The graph cannot be linked as islands; the stock linker must do it."""


class _NodeCells:
    """Storage cells of one node, where Theano's error messages look for shapes."""

    lazy = False

    def __init__(self, node, storage_map):
        self.inputs = [storage_map[v] for v in node.inputs]
        self.outputs = [storage_map[v] for v in node.outputs]


class IslandVM(VM):
    """Runs a program of islands and Python thunks; what Theano calls the `fn` of a function.

    Attributes
    ----------
    calls_done : int
        How many calls have been completed, those of ``fn(n_calls=k)`` before an exception included.
    """

    need_update_inputs = False

    def __init__(self, fgraph, nodes, program, run, items, allow_gc, storage_map, compute_map):
        super().__init__(fgraph, nodes, [_NodeCells(node, storage_map) for node in nodes], [])
        self.storage_map, self.compute_map = storage_map, compute_map
        self.need_update_inputs = False
        self.allow_gc = allow_gc
        self.position_of_error = 0
        self._program, self._run, self._items = program, run, items
        self._status = [0, 0, 0]

    def __call__(self, n_calls=1, output_subset=None, time_thunks=0, keep_memory=False):
        with single_blas_thread():
            return self.run(n_calls, keep_memory)

    def run(self, n_calls=1, keep_memory=False):
        """Calls where BLAS has one thread already."""
        try:
            return self._run(self._program, n_calls, int(self.allow_gc and not keep_memory), self._status)
        except BaseException:
            _, item, code = self._status
            if item >= 0:
                owner = self._items[item]
                node = owner.failed_node(code) if isinstance(owner, Island) else owner
                self.position_of_error = self.nodes.index(node)
            raise

    @property
    def calls_done(self):
        return self._status[0]

    def release(self):
        """Free the temporaries that calls with `keep_memory` left, unless Theano's flag asks to keep them."""
        if self.allow_gc:
            self(n_calls=0)


class _InnerVM(IslandVM):
    """Runs a step of a loop, which another program calls."""

    __call__ = IslandVM.run
    #: Where Theano looks for the graph of a step that raised.
    maker = property(lambda self: self)


class IslandLinker(VMLinker):
    """Linker of the island engine.

    Parameters
    ----------
    cxx : str
        Compiler to use, whatever Theano's flag says while the graph is rewritten.
    allow_gc : bool, optional
        Free temporaries at the end of a call, as for Theano's linkers.
    """

    vm = IslandVM

    def __init__(self, cxx, allow_gc=None, schedule=None, **kwargs):
        super().__init__(allow_gc=allow_gc, use_cloop=False, schedule=schedule, c_thunks=False)
        self.cxx = cxx

    def clone(self, allow_gc=None):
        return type(self)(self.cxx, self.allow_gc if allow_gc is None else allow_gc, self._scheduler)

    def accept(self, fgraph, no_recycling=None, profile=None):
        if self.fgraph is not None and self.fgraph is not fgraph:
            return self.clone().accept(fgraph, no_recycling, profile)
        if profile:
            raise IslandsUnavailable("profiling needs a thunk for every node")
        return super().accept(fgraph, no_recycling, profile)

    def make_all(self, profiler=None, input_storage=None, output_storage=None, storage_map=None):
        fgraph = self.fgraph
        order = self.schedule(fgraph)
        input_storage, output_storage, storage_map = map_storage(
            fgraph, order, input_storage, output_storage, storage_map
        )
        compute_map = {v: [v.owner is None] for v in storage_map}
        with flags(cxx=self.cxx, compute_test_value="off"), capsule_flags():
            naming = Naming()
            codes = {node: generate_node(node, f"pv_node_{i}", naming) for i, node in enumerate(order)}
            runs = partition(fgraph, order, lambda node: codes[node] is not None)
            islands, program = [], []
            for run in runs:
                if run.in_c:
                    islands.append(self._make_island(len(islands), run.nodes, codes, naming))
                    program.append(islands[-1])
                else:
                    program.append(run.nodes[0])
            thunks = {
                node: self._python_thunk(node, storage_map, compute_map) for node in program if node not in islands
            }
            module = self._compile(islands)
        items = []
        for entry in program:
            if isinstance(entry, Island):
                make = getattr(module, f"make_island_{entry.index}")
                items.append(make(*entry.arguments(storage_map)))
            else:
                items.append(thunks[entry])
        stored = [v for entry in program for v in entry.outputs]
        clear = [storage_map[v] for v in self.no_recycling if v in set(stored)]
        results = set(fgraph.outputs)
        updates = [(storage_map[new], storage_map[old]) for old, new in self.updated_vars.items()]
        handle = module.make_program(
            items,
            clear,
            [storage_map[v] for v in fgraph.outputs],
            [source for source, _ in updates],
            [target for _, target in updates],
            [storage_map[v] for v in stored if v not in results],
        )
        vm = self.vm(fgraph, order, handle, module.run, program, self.allow_gc, storage_map, compute_map)
        return (
            vm,
            [Container(v, storage) for v, storage in zip(fgraph.inputs, input_storage)],
            [Container(v, storage, readonly=True) for v, storage in zip(fgraph.outputs, output_storage)],
            vm.thunks,
            order,
        )

    def _make_island(self, index, nodes, codes, naming):
        inside = set(nodes)
        produced = {v for node in nodes for v in node.outputs}
        results = set(self.fgraph.outputs)
        inputs = []
        for node in nodes:
            for v in node.inputs:
                if v not in produced and not isinstance(v, Constant) and v not in inputs:
                    inputs.append(v)
        outputs = [
            v
            for node in nodes
            for v in node.outputs
            if v in results or any(client not in inside for client, _ in self.fgraph.clients[v])
        ]
        return Island(index, [codes[node] for node in nodes], inputs, outputs, _aliased(nodes, outputs), naming)

    def _python_thunk(self, node, storage_map, compute_map):
        op, impl = node.op, "py" if isinstance(node.op, COp) else None
        if isinstance(op, Scan):
            return self._scan_thunk(node, storage_map, compute_map)
        thunk = op.make_thunk(node, storage_map, compute_map, [], impl=impl)
        if getattr(thunk, "lazy", False):
            raise IslandsUnavailable(f"{op} is evaluated lazily")
        return thunk

    def _scan_thunk(self, node, storage_map, compute_map):
        """A loop whose inner function is made of islands too."""
        # A copy, because the Op belongs to the user's graph as well and keeps its inner function.
        op = copy.copy(node.op)
        op.fn = None
        linker = _InnerLinker(self.cxx, self.allow_gc, self._scheduler)
        op.mode_instance = Mode(linker=linker, optimizer=op.mode_instance.provided_optimizer)
        return op.make_thunk(node, storage_map, compute_map, [])

    def _compile(self, islands):
        source, arguments, include_dirs, lib_dirs, libs = module_source(islands)
        try:
            return compile_module(source, self.cxx, arguments, include_dirs, lib_dirs, libs)
        except CompileError as error:
            raise IslandsUnavailable(str(error)) from error


class _InnerLinker(IslandLinker):
    vm = _InnerVM


def _aliased(nodes, outputs):
    """Temporaries of `nodes` whose memory may be part of one of `outputs`."""
    inside = set(nodes)
    found, pending = set(), list(outputs)
    while pending:
        variable = pending.pop()
        node = variable.owner
        if node not in inside:
            continue
        position = node.outputs.index(variable)
        for mapping in (getattr(node.op, "view_map", {}), getattr(node.op, "destroy_map", {})):
            for i in mapping.get(position, ()):
                if node.inputs[i] not in found:
                    found.add(node.inputs[i])
                    pending.append(node.inputs[i])
    return found


def _unique(values):
    return list(dict.fromkeys(values))


def _ask(objects, method, **kwargs):
    """What all `objects` answer to `method`, without repetitions."""
    answers = []
    for thing in objects:
        answer = getattr(thing, method)(**kwargs)
        answers.extend([answer] if isinstance(answer, str) else answer)
    return [answer for answer in _unique(answers) if answer]


#: Names of the standard library that Theano's Ops use, and the headers that they ask for then.
_HEADERS = {"isinf": "<cmath>", "isnan": "<cmath>", "vector": "<vector>", "pair": "<vector>", "sort": "<algorithm>"}


def _needs_streams(body, headers):
    """Whether code may rest on <iostream>, which Theano includes always: a third of the time of most compilations."""
    needed = {_HEADERS.get(name) for name in re.findall(r"std\s*::\s*(\w+)", body)}
    return not needed <= set(headers) or re.search(r"\b(cout|cerr)\b", body) is not None


def module_source(islands):
    """Source of the module that holds `islands`, and what its compilation needs.

    Returns
    -------
    source : str
    arguments, include_dirs, lib_dirs, libs : lists of str
    """
    objects = [thing for island in islands for thing in island.objects()]
    compiler = theano.link.c.cmodule.GCC_compiler
    headers = _ask(objects, "c_headers", c_compiler=compiler)
    support = _ask(objects, "c_support_code") + _unique(c.support for i in islands for c in i.codes if c.support)
    init = _ask(objects, "c_init_code") + [c.init for i in islands for c in i.codes if c.init]
    support, blas_init = replace_blas(support)
    body = "\n".join(_unique(support) + [island.source() for island in islands])
    if _needs_streams(body, headers):
        headers.insert(0, "<iostream>")
    includes = "\n".join(f"#include {h}" if h[0] in '<"' else f'#include "{h}"' for h in headers)
    methods = "\n".join(island.method_entry() for island in islands)
    source = c_source(
        "module.c",
        includes=includes,
        prelude=c_source("island.h"),
        body=body,
        driver=c_source("program.h"),
        methods=methods,
        module_name=MODULE_NAME,
        init=chr(10).join(_unique(blas_init + init)),
    )
    unwanted = set(_ask(objects, "c_no_compile_args", c_compiler=compiler))
    arguments = [a for a in _ask(objects, "c_compile_args", c_compiler=compiler) if a not in unwanted]
    if PARALLEL in support:
        arguments = _unique([*arguments, "-pthread"])
    return (
        source,
        arguments,
        _ask(objects, "c_header_dirs", c_compiler=compiler),
        _ask(objects, "c_lib_dirs", c_compiler=compiler),
        blas_libraries(_ask(objects, "c_libraries", c_compiler=compiler)),
    )
