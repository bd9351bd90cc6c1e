"""Graph rewrites that bring products of matrices and vectors into the loops that use them."""

from theano.graph.basic import Constant
from theano.graph.opt import GlobalOptimizer, local_optimizer
from theano.tensor.basic import Dot
from theano.tensor.blas import Gemv
from theano.tensor.elemwise import DimShuffle

from ._loop_groups import scalar_constant
from .ops import ForwardProduct, FusedLoop, LoopOutput, MatVec, ProductLoop, TransposedProduct

__all__ = ["FuseProducts", "local_gemv_apart"]

_FLOATS = ("float32", "float64")


@local_optimizer([Gemv, Dot])
def local_gemv_apart(fgraph, node):
    """``beta y + alpha A x`` as a product and elementwise nodes, which can become part of loops."""
    if not isinstance(node.op, (Gemv, Dot)):
        return None
    (out,) = node.outputs
    if out.dtype not in _FLOATS or out.ndim != 1 or {x.dtype for x in node.inputs} != {out.dtype}:
        return None
    if isinstance(node.op, Gemv):
        if node.op.inplace:
            return None
        y, alpha, a, x, beta = node.inputs
        result = _scaled(alpha, MatVec()(a, x))
        if scalar_constant(beta) != 0:
            result = _scaled(beta, y) + result
    else:
        a, x = node.inputs
        result = MatVec()(a, x) if a.ndim == 2 else MatVec()(x.T, a)
    return [result] if result.type == out.type else None


def _scaled(factor, x):
    known = scalar_constant(factor)
    if known == 1:
        return x
    return -x if known == -1 else factor * x


class FuseProducts(GlobalOptimizer):
    """Lets loops over observations compute the products that they read, and those that are taken with their arrays."""

    def apply(self, fgraph):
        order = fgraph.toposort()
        if not any(isinstance(node.op, MatVec) for node in order):
            return
        key = _MatrixKeys(order)
        loops = [node for node in order if isinstance(node.op, FusedLoop) and node.op.ndim == 1]
        # A product with a matrix that its loop reads anyway is free; the others are computed where they are read.
        read, paired = set(), set()
        for loop in loops:
            own = {key(node.inputs[0]) for _, node in _products_read(fgraph, loop)}
            read.update(node for _, node in _products_read(fgraph, loop))
            paired.update(node for _, node in _products_made(fgraph, loop) if key.transposed(node.inputs[0]) in own)
        for loop in loops:
            rows = _RowsBuilder(fgraph, loop, key)
            for position, node in _products_read(fgraph, loop):
                if node not in paired:
                    rows.add_forward(position, node)
            for output, node in _products_made(fgraph, loop):
                if node in paired or node not in read:
                    rows.add_transposed(output, node)
            if rows.forward or rows.transposed:
                fgraph.replace_all_validate(rows.replacements(), reason="fuse_products")


def _products_read(fgraph, loop):
    """(number of an input, its node) for each input of `loop` that is a product over the loop's range."""
    for position, (x, axes) in enumerate(zip(loop.inputs, loop.op.inputs)):
        if x.owner is not None and isinstance(x.owner.op, MatVec) and axes == (0,):
            yield position, x.owner


def _products_made(fgraph, loop):
    """(number of an output, node) for each product of a matrix with an array that `loop` makes."""
    for number, (output, variable) in enumerate(zip(loop.op.outputs, loop.outputs)):
        if output.reduced or 0 not in output.axes:
            continue
        pending = [variable]
        while pending:
            current = pending.pop()
            for client, position in fgraph.clients[current]:
                if isinstance(client, str):
                    continue
                if isinstance(client.op, MatVec) and position == 1:
                    yield number, client
                elif isinstance(client.op, DimShuffle):
                    pending.append(client.outputs[0])


class _MatrixKeys:
    """Tells which variables are the same matrix, maybe transposed."""

    def __init__(self, order):
        self._roots = {}
        for node in order:
            if isinstance(node.op, MatVec):
                self(node.inputs[0])

    def __call__(self, variable):
        """(identity of the matrix, whether `variable` is its transpose)."""
        transposed = False
        while variable.owner is not None and _is_transpose(variable.owner):
            variable, transposed = variable.owner.inputs[0], not transposed
        if not isinstance(variable, Constant):
            return variable, transposed
        # Theano folds the transpose of a constant to a constant, which is a view of the first.
        data = variable.data
        place = (data.ctypes.data, data.shape, data.strides)
        mirrored = (data.ctypes.data, data.shape[::-1], data.strides[::-1])
        if mirrored in self._roots and place not in self._roots:
            return mirrored, not transposed
        self._roots.setdefault(place, variable)
        return place, transposed

    def transposed(self, variable):
        identity, transposed = self(variable)
        return identity, not transposed


def _is_transpose(node):
    return isinstance(node.op, DimShuffle) and node.op.new_order == (1, 0)


def _transpose(variable):
    if variable.owner is not None and _is_transpose(variable.owner):
        return variable.owner.inputs[0]
    return variable.dimshuffle(1, 0)


class _RowsBuilder:
    """Makes a ProductLoop of a loop and products around it.

    Parameters
    ----------
    fgraph : FunctionGraph
    loop : Apply
        Of a FusedLoop with one axis.
    key : _MatrixKeys
    """

    def __init__(self, fgraph, loop, key):
        self.fgraph, self.loop, self.key = fgraph, loop, key
        self.forward, self.transposed = {}, []
        self._matrices = {}  # key -> variable with the loop's rows
        self._nodes = {loop}

    def add_forward(self, position, node):
        """Let the loop compute its input number `position`, unless it would have to wait for itself."""
        products = [*self.forward.values(), node]
        needed = [x for product in products for x in product.inputs]
        needed += [x for x in self.loop.inputs if x.owner not in products]
        if not _depend_on(needed, self._nodes | {node}):
            self.forward[position] = node
            self._nodes.add(node)
            self._matrices.setdefault(self.key(node.inputs[0]), node.inputs[0])

    def add_transposed(self, output, node):
        """Let the loop compute a product with its array number `output`, unless its matrix is made from that."""
        matrix = node.inputs[0]
        if not _depend_on([matrix], self._nodes):
            self.transposed.append((output, node))
            self._nodes.add(node)
            if self.key.transposed(matrix) not in self._matrices:
                self._matrices[self.key.transposed(matrix)] = _transpose(matrix)

    def replacements(self):
        """Pairs of an old variable and a new one."""
        op, numbers = self.loop.op, list(self._matrices)
        vectors = []
        for node in self.forward.values():
            if node.inputs[1] not in vectors:
                vectors.append(node.inputs[1])
        products = [
            ForwardProduct(position, numbers.index(self.key(node.inputs[0])), vectors.index(node.inputs[1]))
            for position, node in self.forward.items()
        ]
        transposed = [
            TransposedProduct(output, numbers.index(self.key.transposed(node.inputs[0])))
            for output, node in self.transposed
        ]
        outputs, kept, old = list(op.outputs), [], []
        for number, variable in enumerate(self.loop.outputs):
            if self._is_needed_outside(variable):
                kept.append(number)
                old.append(variable)
        for position, node in self.forward.items():
            if self._is_needed_outside(node.outputs[0]):
                kept.append(len(outputs))
                old.append(node.outputs[0])
                outputs.append(LoopOutput(position, (0,), node.outputs[0].dtype, False))
        old.extend(node.outputs[0] for _, node in self.transposed)
        loop = FusedLoop(op.ndim, op.inputs, op.instructions, tuple(outputs))
        new = ProductLoop(loop, tuple(products), tuple(transposed), tuple(kept))
        given = [self.loop.inputs[i] for i in new.given]
        return list(zip(old, new(*self._matrices.values(), *vectors, *given, return_list=True)))

    def _is_needed_outside(self, variable):
        """Whether something else than the nodes of this pass reads `variable`, also by another number of dimensions."""
        for client, _ in self.fgraph.clients[variable]:
            if isinstance(client, str):
                return True
            if client not in self._nodes:
                if not isinstance(client.op, DimShuffle) or self._is_needed_outside(client.outputs[0]):
                    return True
        return False


def _depend_on(variables, nodes):
    """Whether one of `variables` needs one of `nodes`."""
    seen, pending = set(), list(variables)
    while pending:
        node = pending.pop().owner
        if node in nodes:
            return True
        if node is not None and node not in seen:
            seen.add(node)
            pending.extend(node.inputs)
    return False
