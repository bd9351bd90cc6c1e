"""Graph rewrites of vectors that are cut into variables and put together again."""

import theano.tensor as tt
from theano.graph.opt import GlobalOptimizer, local_optimizer
from theano.tensor.basic import Join, NotScalarConstantError, Split
from theano.tensor.opt import MakeVector

from .ops import Pack, Unpack, pack, unpack

__all__ = ["CoarsePacks", "local_parts_in_c"]


@local_optimizer([Join, Split])
def local_parts_in_c(fgraph, node):
    """Vectors, or rows of matrices, that are joined, or cut at known places: Theano takes a third of a us for each."""
    if not isinstance(node.op, (Join, Split)):
        return None
    if isinstance(node.op, Join):
        axis, *parts = node.inputs
        dtypes = {x.dtype for x in (*parts, node.outputs[0])}
    else:
        x, axis, splits = node.inputs
        parts, dtypes = [x], {x.dtype}
    ndim = parts[0].ndim
    if ndim not in (1, 2) or len(dtypes) > 1 or not dtypes <= {"float32", "float64"}:
        return None
    try:
        if int(tt.get_scalar_constant_value(axis)) not in (-1, ndim - 1):
            return None
        if isinstance(node.op, Join):
            found = [pack(parts, leading_ndim=ndim - 1)]
        else:
            shapes = [(size,) for size in _known_sizes(splits)]
            found = unpack(x, shapes, broadcastables=[(False,)] * len(shapes))
    except NotScalarConstantError:
        return None
    return [tt.patternbroadcast(new, old.broadcastable) for new, old in zip(found, node.outputs)]


def _known_sizes(splits):
    """Elements of a vector of integers that does not depend on inputs."""
    if splits.owner is not None and isinstance(splits.owner.op, MakeVector):
        return [int(tt.get_scalar_constant_value(size)) for size in splits.owner.inputs]
    if getattr(splits, "data", None) is None:
        raise NotScalarConstantError()
    return [int(size) for size in splits.data]


class CoarsePacks(GlobalOptimizer):
    """Neighbours in a vector that nothing reads one by one become one piece of it.

    A model of a thousand variables in a loop has an `Unpack` of as many parts, which all go into one `Pack`, and so
    have their gradients.  Parts that nothing reads become one piece as well.
    """

    def apply(self, fgraph):
        for node in fgraph.toposort():
            if node in fgraph.apply_nodes and isinstance(node.op, Unpack):
                self._coarsen(fgraph, node)
        for node in fgraph.toposort():
            if isinstance(node.op, Pack) and _is_whole(node):
                fgraph.replace_validate(node.outputs[0], node.inputs[0], reason="coarse_packs")

    def _coarsen(self, fgraph, node):
        """Join runs of outputs of an Unpack that no node reads, or that follow each other in one Pack."""
        op, runs = node.op, []
        for k, out in enumerate(node.outputs):
            place = _only_place(fgraph, out) if op.dtypes[k] is None else None
            if runs and place is not None and _follows(place, runs[-1][1]):
                runs[-1] = (runs[-1][0] + [k], place)
            else:
                runs.append(([k], place))
        if len(runs) == len(node.outputs):
            return
        shapes = [(sum(op.sizes[k] for k in run),) if len(run) > 1 else op.shapes[run[0]] for run, _ in runs]
        patterns = [(False,) if len(run) > 1 else op.broadcastables[run[0]] for run, _ in runs]
        dtypes = [op.dtypes[run[0]] for run, _ in runs]
        pieces = Unpack(tuple(shapes), tuple(dtypes), tuple(patterns))(*node.inputs, return_list=True)
        pairs, packs = [], {}
        for (run, place), piece in zip(runs, pieces):
            if len(run) == 1:
                if fgraph.clients[node.outputs[run[0]]]:
                    pairs.append((node.outputs[run[0]], piece))
            elif place not in (None, "nowhere"):
                packs.setdefault(place[0], {})[place[1] - len(run) + 1] = (len(run), piece)
        single = dict(pairs)
        for whole, joined in packs.items():
            pairs.append((whole.outputs[0], _with_pieces(whole, joined, single)))
        fgraph.replace_all_validate(pairs, reason="coarse_packs")


def _only_place(fgraph, out):
    """(Pack, number of its input) where `out` is read alone, ``"nowhere"``, or None."""
    clients = fgraph.clients[out]
    if not clients:
        return "nowhere"
    if len(clients) > 1 or isinstance(clients[0][0], str):
        return None
    client, position = clients[0]
    fits = isinstance(client.op, Pack) and client.op.sizes is not None and client.op.dtype == out.dtype
    return (client, position) if fits else None


def _follows(place, before):
    if before is None or "nowhere" in (place, before):
        return place == before
    # Parts that are absent from the Pack lie between none of two present ones.
    given = [k for k, here in enumerate(place[0].op.present) if here]
    return place[0] is before[0] and place[1] == before[1] + 1 and given[place[1]] == given[before[1]] + 1


def _with_pieces(pack, joined, single):
    """`pack` with some runs of its inputs as one; `joined`: number of the first -> (how many, the piece)."""
    op, inputs, present, shapes, patterns = pack.op, [], [], [], []
    position = part = 0
    while part < len(op.present):
        if op.present[part] and position in joined:
            count, piece = joined[position]
            inputs.append(piece)
            shapes.append((sum(op.sizes[part : part + count]),))
            patterns.append((False,))
            present.append(True)
            position, part = position + count, part + count
            continue
        if op.present[part]:
            inputs.append(single.get(pack.inputs[position], pack.inputs[position]))
            position += 1
        present.append(op.present[part])
        shapes.append(op.shapes[part])
        patterns.append(op.broadcastables[part])
        part += 1
    return Pack(op.leading_ndim, op.dtype, tuple(present), tuple(shapes), tuple(patterns))(*inputs)


def _is_whole(node):
    """Whether a Pack has one input, which is its result already."""
    return len(node.op.present) == 1 and node.inputs[0].type == node.outputs[0].type
