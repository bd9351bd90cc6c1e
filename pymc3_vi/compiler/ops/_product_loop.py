"""A loop over the rows of matrices: products with them, and what is made of those, in one pass."""

from collections import namedtuple

import numpy as np
import theano.tensor as tt
from theano.graph.basic import Apply
from theano.graph.op import COp

from .._csrc import c_source
from ._fused_loop import LOOP_SUPPORT
from ._kernels import CTYPES, VECTOR_KERNELS, check_floats
from ._loop_code import LoopKernel, is_total, nanoseconds
from ._scalar_code import vector_math_declarations, vector_math_libraries
from ._threads import PARALLEL

__all__ = ["ForwardProduct", "ProductLoop", "TransposedProduct"]

#: Input number ``position`` of the loop is the matrix number ``matrix`` times the vector number ``vector``
ForwardProduct = namedtuple("ForwardProduct", "position matrix vector")

#: a result is the transposed matrix number ``matrix`` times the array that is output number ``output`` of the loop
TransposedProduct = namedtuple("TransposedProduct", "output matrix")


class ProductLoop(COp):
    """Runs a loop over the rows i of matrices X_k, with some inputs e_i = (X_k w)_i, and sums X_k^T r of its arrays r.

    The rows are taken in blocks that fit the processor's first cache, so that each matrix is read from memory once.
    Blocks and the order in which their sums are added depend on the shapes alone, so that the number of threads that
    work on a long loop does not change the results.

    The node's inputs are the matrices (n, k), the vectors (k,), and the loop's inputs that are not products; its
    outputs those of the loop in `kept`, then one vector (k,) for each of `transposed`.

    Parameters
    ----------
    loop : FusedLoop
        With one axis.
    products : tuple of ForwardProduct
    transposed : tuple of TransposedProduct
    kept : tuple of int
        Numbers of those outputs of the loop that are outputs of the node.
    """

    __props__ = ("loop", "products", "transposed", "kept")

    def __init__(self, loop, products, transposed, kept):
        if loop.ndim != 1 or loop.inplace:
            raise ValueError(f"ProductLoop needs a loop with one axis that destroys no input. Got {loop} instead.")
        self.loop, self.products, self.transposed, self.kept = loop, products, transposed, kept
        self.n_matrices = 1 + max(product.matrix for product in (*products, *transposed))
        self.n_vectors = len({product.vector for product in products})
        computed = {product.position for product in products}
        #: numbers of the loop's inputs that are inputs of the node
        self.given = tuple(i for i in range(len(loop.inputs)) if i not in computed)

    def __str__(self):
        return f"ProductLoop{{{len(self.products)} products, {len(self.transposed)} transposed, {self.loop}}}"

    def do_constant_folding(self, fgraph, node):
        return False

    def make_node(self, *inputs):
        inputs = [tt.as_tensor_variable(x) for x in inputs]
        matrices, vectors, _ = self._split(inputs)
        for product in self.products:
            check_floats([matrices[product.matrix], vectors[product.vector]], "ProductLoop")
        for product in self.transposed:
            dtypes = {matrices[product.matrix].dtype, self.loop.outputs[product.output].dtype}
            if len(dtypes) != 1:
                raise TypeError(f"ProductLoop cannot multiply {' and '.join(sorted(dtypes))}.")
        outputs = [self.loop.outputs[k] for k in self.kept]
        variables = [tt.TensorType(output.dtype, [axis is None for axis in output.axes])() for output in outputs]
        for product in self.transposed:
            matrix = matrices[product.matrix]
            variables.append(tt.TensorType(matrix.dtype, (matrix.broadcastable[1],))())
        return Apply(self, inputs, variables)

    def _split(self, values):
        """Matrices, vectors and the loop's other inputs."""
        first, second = self.n_matrices, self.n_matrices + self.n_vectors
        return list(values[:first]), list(values[first:second]), list(values[second:])

    def infer_shape(self, fgraph, node, shapes):
        matrices, _, _ = self._split(shapes)
        n, one = matrices[0][0], tt.constant(1, dtype="int64")
        outputs = [self.loop.outputs[k] for k in self.kept]
        result = [tuple(one if axis is None else n for axis in output.axes) for output in outputs]
        return result + [(matrices[product.matrix][1],) for product in self.transposed]

    # ---------------------------------------------------------------- Python
    def perform(self, node, inputs, output_storage):
        matrices, vectors, given = self._split(inputs)
        values = dict(zip(self.given, given))
        for product in self.products:
            values[product.position] = np.dot(matrices[product.matrix], vectors[product.vector])
        arrays = [values[i] for i in range(len(self.loop.inputs))]
        n = len(matrices[0])
        sizes = [len(matrix) for matrix in matrices]
        sizes += [x.shape[axes.index(0)] for x, axes in zip(arrays, self.loop.inputs) if 0 in axes]
        for size in sizes:
            if size != n:
                raise ValueError(f"ProductLoop: a matrix has {n} rows, another input {size}.")
        cells = [[None] for _ in self.loop.outputs]
        self.loop.perform(None, arrays, cells)
        results = [cells[k][0] for k in self.kept]
        for product in self.transposed:
            results.append(np.dot(matrices[product.matrix].T, cells[product.output][0].reshape(n)))
        for cell, result in zip(output_storage, results):
            cell[0] = result

    # ---------------------------------------------------------------- C
    def c_headers(self, **kwargs):
        return self.loop.c_headers()

    def c_compile_args(self, **kwargs):
        return self.loop.c_compile_args()

    def c_libraries(self, **kwargs):
        return vector_math_libraries()

    def c_support_code(self, **kwargs):
        return [
            VECTOR_KERNELS,
            vector_math_declarations(),
            PARALLEL,
            LOOP_SUPPORT,
            c_source("products.h"),
            c_source("product_loop.h"),
        ]

    def c_code_cache_version(self):
        return (1,)

    def c_support_code_apply(self, node, name):
        return _RowsCode(self, node, name).support()

    def c_code(self, node, name, inputs, outputs, sub):
        return _RowsCode(self, node, name).call(inputs, outputs, sub["fail"])


class _RowsCode:
    """Source of one ProductLoop: a struct with what it runs over, a function for a chunk of rows, and the call."""

    def __init__(self, op, node, name):
        self.op, self.loop, self.name = op, op.loop, name
        self.matrices, self.vectors, given = op._split([x.type.dtype for x in node.inputs])
        self.dtypes = dict(zip(op.given, given))
        self.dtypes.update((product.position, self.matrices[product.matrix]) for product in op.products)
        self.outputs = node.outputs
        self.totals = [k for k, output in enumerate(self.loop.outputs) if is_total(output)]
        self.slots = len(self.loop.inputs) + len(self.loop.outputs)
        #: names and types of the buffers for products, and for arrays that are needed only for products
        self.buffers = {product.position: self.dtypes[product.position] for product in op.products}
        for k, output in enumerate(self.loop.outputs):
            if k not in op.kept and k not in self.totals:
                self.buffers[len(self.loop.inputs) + k] = output.dtype

    def _varies(self, slot):
        n_in = len(self.loop.inputs)
        return 0 in (self.loop.inputs[slot] if slot < n_in else self.loop.outputs[slot - n_in].axes)

    def _type(self, slot):
        n_in = len(self.loop.inputs)
        return f"npy_{self.dtypes[slot] if slot < n_in else self.loop.outputs[slot - n_in].dtype}"

    def support(self):
        kernel = LoopKernel(self.loop, [self.dtypes[i] for i in range(len(self.loop.inputs))], self.name).source()
        members = [f"pv_matrix<{CTYPES[dtype]}> m{i};" for i, dtype in enumerate(self.matrices)]
        members += [f"const {CTYPES[dtype]}* w{i};" for i, dtype in enumerate(self.vectors)]
        # X^T r of every chunk, one after the other
        members += [f"{CTYPES[self.matrices[t.matrix]]}* g{i};" for i, t in enumerate(self.op.transposed)]
        n_totals = len(self.totals)
        before, products, pointers, after = [], [], [], []
        for slot, dtype in self.buffers.items():
            before.append(f"{CTYPES.get(dtype, 'npy_' + dtype)} b{slot}[PV_ROWS] __attribute__((aligned(32)));")
            before.append(f"p[{slot}] = b{slot};")
        for position, matrix, vector in self.op.products:
            products.append(f"c.m{matrix}.times(i, m, c.w{vector}, b{position});")
        for slot in range(self.slots):
            k = slot - len(self.loop.inputs)
            if k in self.totals:
                before.append(f"p[{slot}] = c.totals + chunk * {n_totals} + {self.totals.index(k)};")
            elif slot not in self.buffers:
                (pointers if self._varies(slot) else before).append(
                    f"p[{slot}] = ({self._type(slot)}*)c.p[{slot}]{' + i' if self._varies(slot) else ''};"
                )
        for i, (output, matrix) in enumerate(self.op.transposed):
            slot = len(self.loop.inputs) + output
            place = f"c.g{i} + chunk * c.m{matrix}.columns"
            after.append(f"c.m{matrix}.add_transposed(i, m, ({self._type(slot)}*)p[{slot}], {place});")
        newline = "\n"
        return c_source(
            "rows_of_products.c",
            kernel=kernel,
            name=self.name,
            slots=self.slots,
            members=newline.join(members),
            before=newline.join(before),
            pointers=newline.join(products + pointers),
            after=newline.join(after),
        )

    def call(self, inputs, outputs, fail):
        """C code of the node: check shapes, allocate outputs, run the chunks and add their sums."""
        matrices, vectors, given = self.op._split(inputs)
        code = [f"{self.name}_rows c;", f"c.n = PyArray_DIM({matrices[0]}, 0);"]

        def check(size, other):
            code.append(f"if ({size} != {other}) {{ pv_product_mismatch({size}, {other}); {fail} }}")

        for i, matrix in enumerate(matrices):
            code.append(f"if (!c.m{i}.open({matrix})) {{ {fail} }}")
            check(f"c.m{i}.rows", "c.n")
        for i, vector in enumerate(vectors):
            for matrix in sorted({product.matrix for product in self.op.products if product.vector == i}):
                check(f"c.m{matrix}.columns", f"PyArray_DIM({vector}, 0)")
            code.append(f"pv_reference r{i}(pv_without_gaps({vector})); if (!r{i}.array) {{ {fail} }}")
            code.append(f"c.w{i} = (const {CTYPES[self.vectors[i]]}*)PyArray_DATA(r{i}.array);")
        for position, x in zip(self.op.given, given):
            axes = self.loop.inputs[position]
            if 0 not in axes:
                code.append(f"c.p[{position}] = PyArray_DATA({x});")
                continue
            dimension = axes.index(0)
            check(f"PyArray_DIM({x}, {dimension})", "c.n")
            code.append(f"pv_reference x{position}(pv_without_gaps({x}, {dimension}));")
            code.append(f"if (!x{position}.array) {{ {fail} }}")
            code.append(f"c.p[{position}] = PyArray_DATA(x{position}.array);")
        for z, k in zip(outputs, self.op.kept):
            output = self.loop.outputs[k]
            self._allocate(code, z, ["1" if axis is None else "c.n" for axis in output.axes], output.dtype, fail)
            code.append(f"c.p[{len(self.loop.inputs) + k}] = PyArray_DATA({z});")
        results = outputs[len(self.op.kept) :]
        for z, (_, matrix) in zip(results, self.op.transposed):
            self._allocate(code, z, [f"c.m{matrix}.columns"], self.matrices[matrix], fail)
        code.append(self._run(results, fail))
        for z, k in zip(outputs, self.op.kept):
            if k in self.totals:
                ctype = f"npy_{self.loop.outputs[k].dtype}"
                code.append(f"*({ctype}*)PyArray_DATA({z}) = ({ctype})c.totals[{self.totals.index(k)}];")
        return "{\n" + "\n".join(code) + "\n}"

    @staticmethod
    def _allocate(code, z, dims, dtype, fail):
        code.append(f"{{ npy_intp dims[] = {{{', '.join(dims) or '0'}}};")
        code.append(f"if (!pv_allocate(&{z}, {len(dims)}, dims, {np.dtype(dtype).num})) {{ {fail} }} }}")

    def _run(self, results, fail):
        sizes = [f"c.m{i}.columns * sizeof({CTYPES[dtype]})" for i, dtype in enumerate(self.matrices)]
        by_row = " && ".join(f"c.m{i}.by_row" for i in range(len(self.matrices)))
        code = [f"const npy_intp chunks = pv_plan(c.n, {' + '.join(sizes)}, {by_row}, &c.block, &c.chunk);"]
        n_totals = len(self.totals)
        parts = [f"c.m{matrix}.columns * sizeof({CTYPES[self.matrices[matrix]]})" for _, matrix in self.op.transposed]
        code.append(f"pv_zeros zeros(chunks * ({' + '.join([f'{n_totals} * sizeof(npy_float64)', *parts])}));")
        code.append(f"if (!zeros.data) {{ PyErr_NoMemory(); {fail} }}")
        code.append("c.totals = (npy_float64*)zeros.data;")
        end = f"c.totals + chunks * {n_totals}"
        # wider types first, so that all are aligned
        matrices = [matrix for _, matrix in self.op.transposed]
        for i in sorted(range(len(matrices)), key=lambda i: -np.dtype(self.matrices[matrices[i]]).itemsize):
            matrix = matrices[i]
            code.append(f"c.g{i} = ({CTYPES[self.matrices[matrix]]}*)({end});")
            end = f"c.g{i} + chunks * c.m{matrix}.columns"
        cost = nanoseconds(self.loop, [self.dtypes[i] for i in range(len(self.loop.inputs))])
        code.append(f"const bool is_long = c.n * ({cost:.2f} + 0.05 * ({' + '.join(sizes)})) >= PV_LONG;")
        code.append(f"if (is_long) pv_parallel({self.name}_chunk, &c, chunks);")
        code.append(f"else for (npy_intp chunk = 0; chunk < chunks; ++chunk) {self.name}_chunk(&c, chunk);")
        if n_totals:
            code.append(f"pv_add_chunks<npy_float64>(chunks, {n_totals}, c.totals, c.totals);")
        for i, (z, (_, matrix)) in enumerate(zip(results, self.op.transposed)):
            ctype = CTYPES[self.matrices[matrix]]
            code.append(f"pv_add_chunks<{ctype}>(chunks, c.m{matrix}.columns, c.g{i}, ({ctype}*)PyArray_DATA({z}));")
        return "\n".join(code)
