"""The engine ``exact``, the reference of the others: a module of the code that Theano's linker generates for each node.

g++ contracts products and sums to fused multiply-adds, and which ones depends on what surrounds them: whether a loop
counts as hot, and is then rearranged, follows from the number of checks before it.  Only the same function around a
node therefore rounds as Theano's linker does.
"""

from pathlib import Path
from unittest import mock

from pymc3_vi.compiler import ENGINES, _csrc, _cxx_modules, _function, _island_linker
from pymc3_vi.compiler._cxx_modules import MODULE_NAME
from pymc3_vi.compiler._flags import alone, flags
from pymc3_vi.compiler._island_code import Island
from pymc3_vi.compiler._island_linker import IslandLinker
from pymc3_vi.compiler._rewrites import EXACT_REWRITES
from pymc3_vi.compiler._schedule import Run, partition

from theano.graph.fg import FunctionGraph
from theano.link.c.basic import CLinker
from theano.link.c.cmodule import GCC_compiler

_PLACEHOLDER = "<<<<HASH_PLACEHOLDER>>>>"  # Theano's, in names that must be unique in a process
_SOURCE = str(Path(__file__).parent / "node_island.c")
_command = _cxx_modules._command


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
        return _csrc.c_source(
            _SOURCE,
            struct_code=self._named(self._linker.struct_code),
            name=name,
            struct=struct,
            index=self.index,
            cells=cells,
        )


def _single_nodes(*args):
    return [Run(run.in_c, [node]) for run in partition(*args) for node in run.nodes]


def _exact_command(cxx, arguments, *others):
    """Compiler command with Theano's options.

    Which of two products is contracted to a fused multiply-add depends on the level of optimization.  Functions may set
    errno, or else those that one node declares to have vector forms would be called in these forms by the loops of
    others, with other last digits.
    """
    head, tail = _command(cxx, [], *others)
    with flags(cxx=cxx):
        general = GCC_compiler.compile_args(march_flags=True)
    options = ["-O3", "-w", "-fvisibility=hidden", *general]
    options += [a for a in arguments if not a.startswith("-O") and a not in ("-fno-math-errno", *options)]
    return head[:2] + options + [a for a in head if a.startswith("-I")], tail


class ExactLinker(IslandLinker):
    """Makes an island of every node, with the code that Theano's own linker generates for it."""

    def make_all(self, *args, **kwargs):
        with mock.patch.multiple(_island_linker, Island=NodeIsland, partition=_single_nodes):
            with mock.patch.object(_cxx_modules, "_command", _exact_command):
                return super().make_all(*args, **kwargs)


def _exact_function(inputs, outputs, **kwargs):
    # One thread at a time: two that overlap would leave what they replace, -O3 say, to the rest of the process.
    with alone(), mock.patch.object(_function, "IslandLinker", ExactLinker):
        return _function._with_islands(inputs, outputs, [EXACT_REWRITES], kwargs)


ENGINES.register("exact", _exact_function)
