"""Order of execution: the longest possible runs of nodes that have C code."""

__all__ = ["Run", "partition"]


class Run:
    """Nodes that are executed together.

    Attributes
    ----------
    in_c : bool
        Whether the nodes have C code; if not, the run is a single node.
    nodes : list of Apply
    """

    def __init__(self, in_c, nodes):
        self.in_c, self.nodes = in_c, nodes


def partition(fgraph, order, has_code):
    """Split `order` into runs.

    All nodes with C code whose inputs are ready are taken at once, then all such nodes without, and so on; this needs
    the smallest number of changes between the two.

    Parameters
    ----------
    fgraph : FunctionGraph
        Tells which nodes must wait because another one still reads what they destroy.
    order : list of Apply
        A topological order.
    has_code : callable
        Apply -> bool.

    Returns
    -------
    list of Run
    """
    orderings = fgraph.orderings()
    waits_for = {
        node: {v.owner for v in node.inputs if v.owner is not None} | set(orderings.get(node, ())) for node in order
    }
    left, done, runs = list(order), set(), []
    in_c = True
    while left:
        taken, rest = [], []
        for node in left:
            if has_code(node) == in_c and waits_for[node] <= done:
                taken.append(node)
                done.add(node)
            else:
                rest.append(node)
        if in_c and taken:
            runs.append(Run(True, taken))
        elif not in_c:
            runs.extend(Run(False, [node]) for node in taken)
        left, in_c = rest, not in_c
    return runs
