"""Islands of one node each, with the code that Theano's own linker generates for it.

g++ contracts products and sums to fused multiply-adds, and which ones depends on what surrounds them: whether a loop
counts as hot, and is then rearranged, follows from the number of checks before it.  Only the same function around a
node therefore rounds as Theano's linker does.
"""

from theano.graph.fg import FunctionGraph
from theano.link.c.basic import CLinker

from ._csrc import c_source
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
        return c_source(
            "node_island.c",
            struct_code=self._named(self._linker.struct_code),
            name=name,
            struct=struct,
            index=self.index,
            cells=cells,
        )
