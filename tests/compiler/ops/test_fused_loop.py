"""The fused loop and the C expressions of scalar Ops inside it."""

from pymc3_vi.compiler import compile_function
from pymc3_vi.compiler.ops import FusedLoop, Instruction, Literal, LoopOutput
from pymc3_vi.compiler.ops._scalar_code import literal, scalar_expression

import numpy as np
import pytest
import theano
import theano.tensor as tt
from theano import scalar as ts
from theano.scalar import basic_scipy
from theano.tensor.nnet.sigm import scalar_sigmoid, scalar_softplus

from .checks import check_shapes, evaluate

SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.3, -2.7, 800.0, -800.0, 1e-300, 40.0, -40.0, np.inf, -np.inf, np.nan, 1e8, 0.5, 3.5]


UNARY = [
    ts.exp, ts.log, ts.log1p, ts.expm1, ts.exp2, ts.log2, ts.log10, ts.sqrt, ts.sqr, ts.neg, ts.inv, ts.abs_, ts.sgn,
    ts.sin, ts.cos, ts.tanh, ts.sinh, ts.cosh, ts.arctan, ts.isnan, ts.isinf, ts.identity, basic_scipy.erf,
    basic_scipy.erfc, scalar_sigmoid, scalar_softplus,
]  # fmt: skip
BINARY = [
    ts.add, ts.sub, ts.mul, ts.true_div, ts.lt, ts.gt, ts.le, ts.ge, ts.eq, ts.neq, ts.scalar_maximum,
    ts.scalar_minimum, ts.second,
]  # fmt: skip


def each_of(ops, dtypes):
    """A loop over vectors of `dtypes` with one result for every one of the scalar Ops."""
    scalars = [ts.get_scalar_type(dtype)() for dtype in dtypes]
    steps = tuple(Instruction(op, tuple(range(len(dtypes))), op(*scalars).dtype) for op in ops)
    outputs = tuple(LoopOutput(len(dtypes) + k, (0,), step.dtype, False) for k, step in enumerate(steps))
    return FusedLoop(1, ((0,),) * len(dtypes), steps, outputs)


def python_and_c(loop, dtypes, values):
    inputs = [tt.TensorType(dtype, (False,))() for dtype in dtypes]
    outputs = loop(*inputs, return_list=True)
    with np.errstate(all="ignore"):
        python = theano.function(inputs, outputs, mode="FAST_COMPILE")(*values)
    return zip(python, compile_function(inputs, outputs)(*values))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_functions_of_one_number(dtype):
    # twice, so that vectors and the rest after them meet every value
    values = np.array(SPECIAL * 2 + [0.7], dtype=dtype)
    large_differ = (ts.sin, ts.cos, ts.sinh, ts.cosh, ts.exp2, ts.expm1)  # there C and NumPy differ themselves
    for op, (python, compiled) in zip(UNARY, python_and_c(each_of(UNARY, [dtype]), [dtype], [values])):
        assert compiled.dtype == python.dtype
        chosen = np.abs(values) < 50 if op in large_differ else slice(None)
        rtol = 4e-15 if dtype == "float64" else 1e-6
        np.testing.assert_allclose(compiled[chosen], python[chosen], rtol=rtol, atol=1e-300, err_msg=str(op))


def test_functions_of_two_numbers():
    pairs = np.array([(a, b) for a in SPECIAL for b in SPECIAL]).T
    dtypes = ["float64"] * 2
    for op, (python, compiled) in zip(BINARY, python_and_c(each_of(BINARY, dtypes), dtypes, list(pairs))):
        assert compiled.dtype == python.dtype
        np.testing.assert_array_equal(compiled, python, err_msg=str(op))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_powers(dtype):
    pairs = np.array([(a, b) for a in SPECIAL for b in SPECIAL], dtype=dtype).T
    ((python, compiled),) = python_and_c(each_of([ts.pow], [dtype] * 2), [dtype] * 2, list(pairs))
    assert compiled.dtype == python.dtype
    np.testing.assert_allclose(compiled, python, rtol=2e-15 if dtype == "float64" else 1e-6, atol=0)


def test_switch_clip_casts_and_logic(rng):
    x, i, b = tt.dvector("x"), tt.lvector("i"), tt.TensorType("bool", (False,))("b")
    steps = [
        Instruction(ts.gt, (0, Literal(0.25, "float64")), "bool"),  # 3
        Instruction(ts.and_, (3, 2), "bool"),  # 4
        Instruction(ts.invert, (4,), "bool"),  # 5
        Instruction(ts.or_, (5, 3), "bool"),  # 6
        Instruction(ts.switch, (4, 0, Literal(-np.inf, "float64")), "float64"),  # 7
        Instruction(ts.switch, (1, 0, 7), "float64"),  # 8
        Instruction(ts.clip, (0, Literal(-0.5, "float64"), Literal(0.5, "float64")), "float64"),  # 9
        Instruction(ts.convert_to_float32, (1,), "float32"),  # 10
        Instruction(ts.mul, (0, 1), "float64"),  # 11
        Instruction(ts.convert_to_int8, (6,), "int8"),  # 12
        Instruction(ts.Pow(ts.upgrade_to_float), (0, Literal(3.0, "float64")), "float64"),  # 13
        Instruction(ts.eq, (1, Literal(2, "int8")), "bool"),  # 14
    ]
    dtypes = [step.dtype for step in steps]
    outputs = tuple(LoopOutput(k + 3, (0,), dtype, False) for k, dtype in enumerate(dtypes))
    loop = FusedLoop(1, ((0,),) * 3, tuple(steps), outputs)
    values = [rng.standard_normal(37), rng.integers(0, 3, 37), rng.random(37) > 0.5]
    results = evaluate([x, i, b], loop(x, i, b, return_list=True), values)
    xs, indices, flags = values
    np.testing.assert_array_equal(results[4], np.where((xs > 0.25) & flags, xs, -np.inf))
    np.testing.assert_array_equal(results[5], np.where(indices != 0, xs, results[4]))
    np.testing.assert_array_equal(results[6], np.clip(xs, -0.5, 0.5))
    np.testing.assert_array_equal(results[8], xs * indices)
    np.testing.assert_allclose(results[10], xs**3)
    np.testing.assert_array_equal(results[11], indices == 2)


def test_what_has_no_vector_code():
    assert scalar_expression(basic_scipy.gammaln, ["x"], ["float64"], "float64", [None]) is None
    assert scalar_expression(ts.add, ["x", "y"], ["int64"] * 2, "int64", [None, None]) is None


@pytest.mark.parametrize(
    "value, dtype, text",
    [
        (0.5, "float64", "(0.5)"),
        (2.0, "float64", "(2.0)"),
        (1e30, "float64", "(1e+30)"),
        (0.1, "float32", "(0.1f)"),
        (-np.inf, "float64", "((npy_float64)-INFINITY)"),
        (np.nan, "float32", "((npy_float32)NAN)"),
        (True, "bool", "1"),
        (-3, "int64", "((npy_int64)-3LL)"),
    ],
)
def test_literals(value, dtype, text):
    assert literal(value, dtype) == text


# ---------------------------------------------------------------- ranges
def products(ndim, inputs, outputs, short=None):
    """A loop that multiplies its inputs; outputs are (axes, reduced)."""
    steps = [Instruction(ts.mul, tuple(range(len(inputs))), "float64")]
    outs = tuple(LoopOutput(len(inputs), axes, "float64", reduced) for axes, reduced in outputs)
    return FusedLoop(ndim, inputs, tuple(steps), outs, short=short)


@pytest.mark.parametrize("short, size", [(None, 19), (4, 19), (2, 2), (3, 3), (5, 5)])
def test_two_dimensions_with_broadcasting_and_sums_over_any_axes(short, size, rng):
    m, row, column, number = tt.dmatrix(), tt.drow(), tt.dcol(), tt.dscalar()
    loop = products(
        2,
        ((0, 1), (None, 1), (0, None), ()),
        [((0, 1), False), ((0,), True), ((1,), True), ((), True), ((0, None), True), ((None, 1), True)],
        short,
    )
    values = [rng.standard_normal((37, size)), rng.standard_normal((1, size)), rng.standard_normal((37, 1)), 1.5]
    results = evaluate([m, row, column, number], loop(m, row, column, number, return_list=True), values)
    full = values[0] * values[1] * values[2] * 1.5
    expected = [full, full.sum(1), full.sum(0), full.sum(), full.sum(1, keepdims=True), full.sum(0, keepdims=True)]
    for mine, reference in zip(results, expected):
        np.testing.assert_allclose(mine, reference, rtol=1e-12)


@pytest.mark.parametrize("short", [None, 4, 5])
def test_three_dimensions(short, rng):
    x, y = tt.dtensor3(), tt.dmatrix()
    loop = products(3, ((0, 1, 2), (1, 2)), [((0, 1, 2), False), ((1,), True), ((0, 2), True), ((), True)], short)
    values = [rng.standard_normal((3, 4, 5)), rng.standard_normal((4, 5))]
    results = evaluate([x, y], loop(x, y, return_list=True), values)
    full = values[0] * values[1]
    for mine, reference in zip(results, [full, full.sum((0, 2)), full.sum(1), full.sum()]):
        np.testing.assert_allclose(mine, reference, rtol=1e-12)


@pytest.mark.parametrize("short", [None, 4, 6])
def test_arrays_with_gaps(short, rng):
    x, y = tt.dmatrix(), tt.dmatrix()
    loop = products(2, ((0, 1), (0, 1)), [((0, 1), False), ((), True)], short)
    values = [rng.standard_normal((8, 6)), rng.standard_normal((6, 4))]
    (full, total) = evaluate([x, y], loop(x[::2, ::-1], y.T, return_list=True), values)
    np.testing.assert_allclose(full, values[0][::2, ::-1] * values[1].T, rtol=1e-15)
    np.testing.assert_allclose(total, full.sum(), rtol=1e-12)
    (rows, _) = evaluate([x, y], loop(x[::2, 1:5], y.T[:, :4][:, ::1], return_list=True), [values[0], values[1][:4]])
    np.testing.assert_allclose(rows, values[0][::2, 1:5] * values[1][:4].T, rtol=1e-15)


@pytest.mark.parametrize("short", [None, 3])
def test_empty_ranges(short):
    x, y = tt.dmatrix(), tt.dmatrix()
    loop = products(2, ((0, 1), (0, 1)), [((0, 1), False), ((), True), ((0,), True)], short)
    for shape in ((0, 3), (3, 0)):
        full, total, rows = evaluate([x, y], loop(x, y, return_list=True), [np.zeros(shape)] * 2)
        assert total == 0.0
        assert (rows == 0).all()


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("size", [2, 3, 7])
def test_a_short_last_axis_is_written_out(size, inplace, rng):
    """Values that differ along one axis, along both or along none; single precision, conditions, results in place."""
    axes = ((0, 1), (0,), (1,), (), (0, 1))
    steps = (
        Instruction(ts.exp, (1,), "float64"),  # 5: by row
        Instruction(ts.mul, (2, 3), "float64"),  # 6: by column
        Instruction(ts.sqr, (3,), "float64"),  # 7: neither
        Instruction(ts.switch, (4, 5, 6), "float64"),  # 8
        Instruction(ts.mul, (0, 8), "float64"),  # 9
        Instruction(ts.convert_to_float32, (9,), "float32"),  # 10
    )
    outputs = (
        LoopOutput(9, (0, 1), "float64", False),
        LoopOutput(10, (0, 1), "float32", False),
        *(LoopOutput(v, kept, "float64", True) for v in (5, 6, 7, 8) for kept in ((), (0,), (1,))),
        LoopOutput(10, (), "float32", True),
    )
    loop = FusedLoop(2, axes, steps, outputs, ((0, 0),) if inplace else (), size)
    variables = [tt.dmatrix(), tt.dvector(), tt.dvector(), tt.dscalar(), tt.TensorType("bool", (False,) * 2)()]
    shape = (45, size)
    values = [rng.standard_normal(n) for n in (shape, 45, size, ())] + [rng.random(shape) > 0.5]
    inputs = [theano.In(variables[0], mutable=inplace, borrow=True), *variables[1:]]
    function = compile_function(inputs, loop(*variables, return_list=True), accept_inplace=True)
    x, row, column, number, flag = values
    five, six = np.broadcast_to(np.exp(row)[:, None], shape), np.broadcast_to(column * number, shape)
    seven, eight = np.full(shape, number**2), np.where(flag, five, six)
    expected = [x * eight, (x * eight).astype("float32")]
    expected += [v.sum(axis) for v in (five, six, seven, eight) for axis in (None, 1, 0)]
    found = function(*[np.array(v) for v in values])
    for mine, reference in zip(found, [*expected, expected[1].sum(dtype="float64")]):
        np.testing.assert_allclose(mine, reference, rtol=1e-6 if mine.dtype == "float32" else 1e-12, atol=1e-6)
    if not inplace:  # of another size, or with gaps: the loop that knows no size
        values[0], values[4] = values[0][::2, ::-1], values[4][::2, ::-1]
        np.testing.assert_allclose(
            function(values[0], values[1][::2], *values[2:])[0],
            values[0] * np.where(values[4], five[::2], six[::2]),
        )


@pytest.mark.parametrize("kept", [(), (0,), (1,)])
def test_sums_over_short_axes_are_wide(kept):
    """Of integers whose sum is no integer of their type, and of single precision."""
    x, f = tt.imatrix(), tt.fmatrix()
    steps = (Instruction(ts.identity, (0,), "int32"), Instruction(ts.identity, (1,), "float32"))
    outputs = (LoopOutput(2, kept, "int64", True), LoopOutput(3, kept, "float64", True))
    loop = FusedLoop(2, ((0, 1), (0, 1)), steps, outputs, short=2)
    values = [np.full((40, 2), 2**31 - 1, dtype="int32"), np.tile(np.array([[2**24, 1]], dtype="float32"), (40, 1))]
    found = compile_function([x, f], loop(x, f, return_list=True))(*values)
    axis = tuple({0, 1} - set(kept))
    np.testing.assert_array_equal(found[0], values[0].sum(axis, dtype="int64"))
    np.testing.assert_array_equal(found[1], values[1].sum(axis, dtype="float64"))


def test_short_axes_of_graphs_are_known(rng):
    """Of components of a mixture: constants and packed variables tell their number."""
    y, mu = rng.standard_normal(50), tt.dvector("mu")
    weights = tt.constant([0.2, 0.3, 0.5])
    total = tt.sum(tt.sqr(tt.constant(y)[:, None] - mu) * weights)
    function = compile_function([mu], [total, tt.grad(total, mu)])
    loops = [
        node.op for node in function.maker.fgraph.toposort() if isinstance(node.op, FusedLoop) and node.op.ndim == 2
    ]
    assert [loop.short for loop in loops] == [3]
    at = np.array([1.0, -1.0, 0.5])
    np.testing.assert_allclose(function(at)[0], ((y[:, None] - at) ** 2 * weights.data).sum())
    np.testing.assert_allclose(function(at)[1], (-2 * (y[:, None] - at) * weights.data).sum(0))


@pytest.mark.parametrize("mode", [None, "FAST_COMPILE"])
def test_shapes_that_differ_raise(mode):
    x, y = tt.dvector(), tt.dvector()
    function = compile_function([x, y], products(1, ((0,), (0,)), [((), True)])(x, y), mode=mode)
    with pytest.raises(ValueError, match="mis-match|has size"):
        function(np.zeros(3), np.zeros(4))
    assert function(np.ones(3), np.ones(3)) == 3.0


def test_results_may_replace_inputs(rng):
    x, y = tt.dvector(), tt.dvector()
    steps = (Instruction(ts.add, (0, 1), "float64"), Instruction(ts.mul, (0, 1), "float64"))
    outputs = (LoopOutput(2, (0,), "float64", False), LoopOutput(3, (0,), "float64", False))
    loop = FusedLoop(1, ((0,), (0,)), steps, outputs, inplace=((0, 1), (1, 0)))
    values = [rng.standard_normal(21), rng.standard_normal(42)]
    copies = [v.copy() for v in values]
    function = compile_function(
        [theano.In(x, mutable=True, borrow=True), theano.In(y, mutable=True, borrow=True)],
        [theano.Out(v, borrow=True) for v in loop(x, y, return_list=True)],
        accept_inplace=True,
    )
    total, product = function(values[0], values[1][:21])
    np.testing.assert_array_equal(total, copies[0] + copies[1][:21])
    np.testing.assert_array_equal(product, copies[0] * copies[1][:21])
    assert np.shares_memory(total, values[1]) and np.shares_memory(product, values[0])
    # an input with gaps cannot be written in one row: its copy is
    total, product = function(copies[0].copy(), copies[1][::2])
    np.testing.assert_array_equal(total, copies[0] + copies[1][::2])


def test_sums_of_single_precision_are_taken_in_double():
    x = tt.fvector()
    loop = FusedLoop(1, ((0,),), (Instruction(ts.identity, (0,), "float32"),), (LoopOutput(1, (), "float32", True),))
    value = np.full(1 << 20, 0.1, dtype="float32")
    result = compile_function([x], loop(x))(value)
    assert result.dtype == "float32"
    np.testing.assert_allclose(result, value.astype("float64").sum(), rtol=1e-7)


def test_shapes_are_inferred(rng):
    m, row = tt.dmatrix(), tt.drow()
    loop = products(2, ((0, 1), (None, 1)), [((0, 1), False), ((0,), True), ((None, 1), True), ((), True)])
    check_shapes([m, row], loop(m, row, return_list=True), [np.ones((3, 4)), np.ones((1, 4))])


def test_sums_are_exact_for_small_integers(rng):
    x = tt.dvector()
    loop = FusedLoop(1, ((0,),), (Instruction(ts.sqr, (0,), "float64"),), (LoopOutput(1, (), "float64", True),))
    function = compile_function([x], loop(x))
    for n in range(70):
        assert function(np.arange(float(n))) == (np.arange(n) ** 2).sum()
