"""Recursions over time as loops in C: what they hold is what Theano's own loop holds, and recursions by hand."""

import pymc3_vi
from pymc3_vi.compiler import compile_function
from pymc3_vi.compiler.ops import ScanLoop
from pymc3_vi.compiler.vectorize import vectorize_graph

import numpy as np
import pymc3 as pm
import pytest
import theano
import theano.tensor as tt
from theano.sandbox.rng_mrg import MRG_RandomStream
from theano.scan.op import Scan
from theano.scan.utils import until

N = 9
#: Theano's own loops, of graphs as they are: rewriting them takes longer than all else here.
MODE = theano.Mode("py", None)


def nodes(function, op):
    return [node for node in function.maker.fgraph.toposort() if isinstance(node.op, op)]


def agree(inputs, outputs, values, loops, rtol=1e-11):
    """The engine's function, after comparing it with Theano's, and the Op's Python code with both."""
    function = compile_function(inputs, outputs, on_unused_input="ignore")
    with theano.config.change_flags(cxx=""):
        expected = theano.function(inputs, outputs, on_unused_input="ignore", mode=MODE)(*values)
    assert len(nodes(function, ScanLoop)) == loops and not nodes(function, Scan)
    for _ in range(2):  # the memory of the first call is used again
        for found, right in zip(function(*values), expected):
            np.testing.assert_allclose(found, right, rtol=rtol, atol=rtol)
    for node in nodes(function, ScanLoop):
        _python_is_c(node)
    return function


def _python_is_c(node):
    given = [x.type() for x in node.inputs]
    function = compile_function(given, node.op(*given, return_list=True))
    rng, op = np.random.default_rng(1), node.op
    with_time = [entry is not None and entry[1] for entry in op.input_axes()]
    shapes = [[1 if t and x.broadcastable[0] else 8] * t + [1] * (x.ndim - t) for x, t in zip(node.inputs, with_time)]
    for number, k, dimension in op.where_sizes_are(node):
        shapes[k][dimension] = op.sizes[number] or 3 + number
    values = [(1 + rng.random(shape)).astype(x.dtype) for x, shape in zip(node.inputs, shapes)]
    for k, (x, entry) in enumerate(zip(node.inputs, op.input_axes())):
        if entry is None:
            values[k] = np.asarray(6 if k else 4, dtype=x.dtype)
    cells = [[None] for _ in node.outputs]
    op.perform(node, values, cells)
    for found, (right,) in zip(function(*values), cells):
        limit = 1e-6 if right.dtype == "float32" else 1e-12
        np.testing.assert_allclose(found, right, rtol=limit, atol=limit)


def two_states(x, a, b):
    """x_t, its square root's running sum, and what comes of both."""

    def step(now, before, one, two, total, a, b):
        new = a * one + tt.tanh(b * two) + now - 0.3 * before
        return new, total + tt.sqrt(tt.abs_(new)), new * total

    (values, totals, products), _ = theano.scan(
        step,
        sequences=dict(input=x, taps=[0, -1]),
        outputs_info=[dict(initial=x[:2], taps=[-1, -2]), tt.zeros(()), None],
        non_sequences=[a, b],
    )
    return values, totals, products


@pytest.fixture
def given(rng):
    x, a, b = tt.dvector("x"), tt.dscalar("a"), tt.dscalar("b")
    return (x, a, b), (rng.standard_normal(N), 0.4, 0.7)


def test_values_and_gradients(given):
    inputs, values = given
    outputs = list(two_states(*inputs))
    cost = sum((weight * out**2).sum() for weight, out in zip((1.0, 0.1, 0.2), outputs))
    agree(inputs, [*outputs, *tt.grad(cost, list(inputs))], values, 2)


def test_the_end_alone(given):
    """Buffers are then as short as the taps, and read in a circle."""
    inputs, values = given
    values_, totals, products = two_states(*inputs)
    agree(inputs, [values_[-1], totals[-1], products[-1]], values, 1)
    agree(inputs, [values_[-2:], products[-3:]], values, 1)


@pytest.mark.slow(optimized=False)
def test_second_derivatives(given):
    """Of a recursion whose length is known: what Theano writes about lengths that are not has 2,500 nodes."""
    (_, a, b), (x, *values) = given
    cost = (two_states(tt.constant(x), a, b)[0] ** 2).sum()
    (slope,) = tt.grad(cost, [a])
    agree([a, b], tt.grad(slope, [a, b]), values, 4)


@pytest.mark.parametrize("options", [dict(go_backwards=True), dict(truncate_gradient=3), dict(n_steps=5)])
def test_options_of_scan(given, options):
    (x, a, b), values = given
    out, _ = theano.scan(lambda now, last, a: a * last + now, [x], [b], [a], **options)
    cost = (out**2).sum()
    agree((x, a, b), [out, *tt.grad(cost, [x, a, b])], values, 2)


@pytest.mark.slow(optimized=False)
def test_a_batch_has_lanes(given, rng):
    """As draws have: every one is what it is alone, forwards and backwards."""
    (x, a, b), (row, _, _) = given
    values, totals, _ = two_states(x, a, b)
    cost = (values**2).sum() + totals[-1]
    many_a, many_b = tt.dvector("many_a"), tt.dvector("many_b")
    (batch,) = vectorize_graph([cost], {a: many_a, b: many_b})
    slopes = tt.grad(batch.sum(), [many_a, many_b])
    several = rng.uniform(-0.5, 0.5, (2, 7))
    function = agree((x, many_a, many_b), [batch, *slopes], (row, *several), 2)
    alone = compile_function([x, a, b], [cost, *tt.grad(cost, [a, b])])
    found = np.array(function(row, *several))
    for lane, (one, two) in enumerate(several.T):
        np.testing.assert_allclose(found[:, lane], alone(row, one, two), rtol=1e-11)


def test_single_precision_integers_and_booleans(rng):
    x, k, flag = tt.fvector(), tt.lvector(), tt.TensorType("bool", (False,))()
    out, _ = theano.scan(
        lambda x, k, flag, last: tt.cast(tt.switch(flag, last + x * k, x), "float32"),
        [x, k, flag],
        [tt.constant(np.float32(0.5))],
    )
    values = rng.standard_normal(N).astype("float32"), rng.integers(0, 5, N), rng.random(N) < 0.7
    agree([x, k, flag], [out], values, 1, rtol=1e-6)


def test_what_is_no_expression_is_left_to_theano(given):
    (x, a, b), values = given
    stopped, _ = theano.scan(lambda now, last: (last + now, until(last > 1e9)), [x], [a])
    matrices, _ = theano.scan(lambda now, last: tt.nlinalg.matrix_inverse(last) * now, [x], [tt.eye(2)])
    random = MRG_RandomStream(1)
    noisy, updates = theano.scan(lambda now: now + random.normal(()), [x])
    for out, changes in [(stopped, None), (matrices, None), (noisy, updates)]:
        function = compile_function([x, a, b], out, updates=changes, on_unused_input="ignore")
        assert not nodes(function, ScanLoop) and len(nodes(function, Scan)) == 1
        function(*values)


def test_wrong_sizes(given):
    (x, a, _), (row, _, _) = given
    n, y = tt.lscalar(), tt.dvector()
    out, _ = theano.scan(lambda one, two, last: last * one + two, [x, y], [a], n_steps=n)
    function = compile_function([x, y, a, n], [out])
    assert nodes(function, ScanLoop)
    with pytest.raises(ValueError, match="A sequence of 4 is shorter than the 9 steps"):
        function(row, row[:4], 0.5, N)
    with pytest.raises(NotImplementedError, match="0 iteration"):  # Theano's errors
        function(row, row, 0.5, 0)
    with pytest.raises(IndexError, match="negative number of step"):
        function(row, row, 0.5, -1)


def forward(terms, moves, first):
    """Forward recursion of a hidden Markov model."""
    out, _ = theano.scan(
        lambda term, last, moves: pm.math.logsumexp(last[:, None] + moves, axis=0).flatten() + term,
        sequences=[terms],
        outputs_info=[first],
        non_sequences=[moves],
    )
    return out


@pytest.mark.parametrize("k", [pytest.param(2, marks=pytest.mark.slow(optimized=False)), 5])
def test_hidden_markov_model(k, rng):
    """The sum over all paths, and its slopes, against products of matrices."""
    terms, moves, first = tt.dmatrix(), tt.dmatrix(), tt.dvector()
    out = forward(terms, moves, first)
    total = pm.math.logsumexp(out[-1]).sum()
    inputs = [terms, moves, first]
    values = rng.standard_normal((N, k)), rng.standard_normal((k, k)), rng.standard_normal(k)
    function = agree(inputs, [total, out[-2:], *tt.grad(total, inputs)], values, 2)
    alpha = np.exp(values[2])
    for term in values[0]:
        alpha = (alpha @ np.exp(values[1])) * np.exp(term)
    np.testing.assert_allclose(function(*values)[0], np.log(alpha.sum()), rtol=1e-12)


def test_a_batch_of_hidden_markov_models(rng):
    terms, moves, first = tt.dmatrix(), tt.dmatrix(), tt.dvector()
    total = pm.math.logsumexp(forward(terms, moves, first)[-1]).sum()
    many = tt.dtensor3()
    (batch,) = vectorize_graph([total], {moves: many})
    values = rng.standard_normal((N, 3)), rng.standard_normal((6, 3, 3)), rng.standard_normal(3)
    found = agree([terms, many, first], [batch, tt.grad(batch.sum(), many)], values, 2)
    alone = compile_function([terms, moves, first], [total, tt.grad(total, moves)])
    for lane, matrix in enumerate(values[1]):
        total_, slope = alone(values[0], matrix, values[2])
        one, two = found(*values)
        assert one[lane] == pytest.approx(total_, rel=1e-11)
        np.testing.assert_allclose(two[lane], slope, rtol=1e-10)


def _kalman(y, a, c):
    """Means of a filter whose gain is fixed: products of matrices and vectors."""
    return lambda now, last, a, c: tt.dot(a, last) + c * (now - tt.dot(c, tt.dot(a, last)))


def _window(y, a, c):
    """The latest value first, the others moved on: parts of a vector put together anew."""
    return lambda now, last, a, c: tt.stack([tt.tanh(tt.dot(a[0], last) + now), last[0], last[1] * c[-1]])


def _slopes(y, a, c):
    """One step of a system of equations, of parts of its state."""

    def step(now, last, a, c):
        slope = tt.stack([last[1], -last[0] + c[1] * last[2], tt.dot(a, last)[-1] - last[0] * last[1]])
        return last + 0.1 * slope + tt.set_subtensor(tt.zeros_like(last)[1], 0.01 * now)

    return step


def _normalised(y, a, c):
    """Weights that sum to one."""

    def step(now, last, a, c):
        weight = tt.dot(last, tt.exp(a)) * tt.exp(-0.5 * (now - c) ** 2)
        return weight / weight.sum()

    return step


def _matrix(y, a, c):
    """A covariance that is predicted and made smaller."""

    def step(now, last, a, c):
        moved = tt.dot(tt.dot(a, last), a.T) + tt.eye(3)
        gain = tt.dot(moved, c) / (1 + tt.dot(c, tt.dot(moved, c)) + now**2)
        return moved - gain[:, None] * tt.dot(c, moved)[None, :]

    return step


def _centred(y, a, c):
    """Means and extremes, and their slopes."""
    return lambda now, last, a, c: tt.tanh(last - tt.mean(last * c) + now * tt.max(a, axis=0) ** c[0])


DEAR = pytest.mark.slow(optimized=False)


@pytest.mark.parametrize(
    "make", [_slopes, _matrix, *(pytest.param(f, marks=DEAR) for f in (_centred, _kalman, _window, _normalised))]
)
def test_small_arrays(make, rng):
    y, a, c, first = tt.dvector(), tt.dmatrix(), tt.dvector(), (tt.dmatrix if make is _matrix else tt.dvector)()
    out, _ = theano.scan(make(y, a, c), [y], [first], [a, c])
    inputs = [y, a, c, first]
    values = rng.standard_normal(N), 0.5 * rng.standard_normal((3, 3)), rng.random(3)
    values += (np.eye(3) if make is _matrix else rng.random(3),)
    cost = (out**2).sum()
    agree(inputs, [out, *tt.grad(cost, inputs)], values, 2)


#: (n, k, m) from loops over single numbers to calls of BLAS
PRODUCT_SIZES = [(2, 2, 1), (3, 5, 4), (9, 12, 17), (40, 3, 64), (70, 65, 90)]


def products(a, x, c, dot):
    """Products of rows, columns, transposes and parts of arrays (3, n, n), (n, k) and (k, m)."""
    of_matrices = [dot(x, c), dot(x.T, a[0].T), dot(a[2].T, x), dot(c.T, x.T), dot(2 * a[1], x)]
    return [*of_matrices, dot(x[:, 0], a[0]), dot(a[0], x[:, 1]), dot(a[1].T, x[:, -1]), dot(x, x[0]), dot(x[1], c)]


def recursion_of_products(dtype):
    """Inputs (a, x, c) and outputs of two steps: the states, then all products."""
    x, c = (tt.TensorType(dtype, (False, False))() for _ in range(2))
    a = tt.TensorType(dtype, (False, False, False))()

    def step(x, a, c):
        made = products(a, x, c, tt.dot)
        return [tt.tanh(x + made[-1].sum()), *made]

    return [a, x, c], theano.scan(step, outputs_info=[x, *[None] * 10], non_sequences=[a, c], n_steps=2)[0]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_products_of_every_layout_and_size(dtype, rng):
    function = compile_function(*recursion_of_products(dtype))
    (node,) = nodes(function, ScanLoop)
    _python_is_c(node)
    for n, k, m in PRODUCT_SIZES:
        a, x, c = (rng.standard_normal(shape).astype(dtype) for shape in ((3, n, n), (n, k), (k, m)))
        states, *found = function(a, x, c)
        expected = zip(*(products(a, z, c, np.dot) for z in (x, states[0])))
        for made, right in zip(found, expected):
            np.testing.assert_allclose(made, right, rtol=0, atol=1e3 * np.finfo(dtype).eps)


@DEAR
@pytest.mark.parametrize("which", [0, 1, 2])
def test_products_of_a_batch(which, rng):
    """Where one of the factors has a batch and others are shared."""
    inputs, outputs = recursion_of_products("float64")
    cost = sum((output**2).sum() for output in outputs)
    given = list(inputs)
    given[which] = tt.TensorType("float64", (False,) * (1 + inputs[which].ndim))()
    (batch,) = vectorize_graph([cost], {inputs[which]: given[which]})
    function = compile_function(given, [batch, *tt.grad(batch.sum(), given)])
    single = compile_function(inputs, [cost, *tt.grad(cost, inputs)])
    for compiled in (function, single):
        assert nodes(compiled, ScanLoop) and not nodes(compiled, Scan)
    for n, k, m in [(2, 3, 1), (9, 5, 17)]:
        values = [0.3 * rng.standard_normal(shape) for shape in ((3, n, n), (n, k), (k, m))]
        lanes = rng.standard_normal((4, *values[which].shape))
        found, *slopes = function(*values[:which], lanes, *values[which + 1 :])
        one_by_one = [single(*values[:which], lane, *values[which + 1 :]) for lane in lanes]
        np.testing.assert_allclose(found, [one[0] for one in one_by_one], rtol=1e-12)
        for position, slope in enumerate(slopes):
            right = np.array([one[1 + position] for one in one_by_one])
            right = right if position == which else right.sum(axis=0)
            np.testing.assert_allclose(slope, right, rtol=1e-10, atol=1e-10 * np.abs(right).max())


def _over_places(y, m, first):
    """The idiom of a loop over numbers of rows, and rows and columns of a matrix by number."""

    def step(t, last, y, m):
        new = tt.tanh(tt.dot(m, last) * y[t] + m[t] - m[:, t - 1] * last[-1])
        return tt.set_subtensor(new[t - 2], y[t + 3] * last[t])

    return theano.scan(step, [tt.arange(3)], [first], [y, tt.exp(m)])[0]


def test_indices_that_a_step_makes(rng):
    inputs = y, m, first = tt.dvector(), tt.dmatrix(), tt.dvector()
    out = _over_places(*inputs)
    function = agree(
        inputs, [out, *tt.grad((out**2).sum(), inputs)], [rng.random(6), rng.random((3, 3)), rng.random(3)], 2
    )
    for size in (5, 0):
        with pytest.raises(IndexError, match="out of"):
            function(rng.random(size), rng.random((3, 3)), rng.random(3))


def test_indices_that_are_looked_up(rng):
    """Among integers that stay the same, by a number that a step is given, and by one that was looked up."""
    places, start, m, first = tt.lvector(), tt.lscalar(), tt.dmatrix(), tt.dvector()

    def step(t, last, places, start, m):
        place = places[t]
        return tt.tanh(m[place] * last[places[start]] + m[places[place], 0])

    out, _ = theano.scan(step, [tt.arange(3)], [first], [places, start, m])
    inputs = [places, start, m, first]
    values = [np.array([2, 0, -1]), 1, rng.random((3, 3)), rng.random(3)]
    function = agree(inputs, [out, *tt.grad((out**2).sum(), [m, first])], values, 2)
    with pytest.raises(IndexError, match="out of"):
        function(np.array([2, 3, 1]), *values[1:])


@DEAR
def test_indices_of_a_batch(rng):
    inputs = y, m, first = tt.dvector(), tt.dmatrix(), tt.dvector()
    cost = (_over_places(*inputs) ** 2).sum()
    many = tt.dmatrix()
    (batch,) = vectorize_graph([cost], {y: many})
    function = compile_function([many, m, first], [batch, tt.grad(batch.sum(), many)])
    assert len(nodes(function, ScanLoop)) == 2 and not nodes(function, Scan)
    single = compile_function(inputs, [cost, tt.grad(cost, y)])
    values = rng.random((4, 6)), rng.random((3, 3)), rng.random(3)
    found = function(*values)
    for lane, y in enumerate(values[0]):
        for made, right in zip(found, single(y, *values[1:])):
            np.testing.assert_allclose(made[lane], right, rtol=1e-12)


def test_sizes_that_do_not_fit(rng):
    terms, moves, first = tt.dmatrix(), tt.dmatrix(), tt.dvector()
    function = compile_function([terms, moves, first], forward(terms, moves, first))
    assert nodes(function, ScanLoop)
    with pytest.raises(ValueError, match="sizes 3 and 2 do not fit"):
        function(rng.random((N, 3)), rng.random((2, 2)), rng.random(3))
    column, row, x = tt.col(dtype="float64"), tt.row(dtype="float64"), tt.dvector()
    for step in (lambda m, c, r: tt.dot(c, m), lambda m, c, r: tt.dot(m, r), lambda m, c, r: tt.dot(m[0], r)):
        out, _ = theano.scan(
            lambda u, m, c, r, step=step: step(u * m, c, u + r).sum(), [], [x[0]], [moves, column, row], n_steps=2
        )
        function = compile_function([x, moves, column, row], out)
        assert nodes(function, ScanLoop)
        assert np.isfinite(function(np.ones(1), np.ones((1, 1)), np.ones((2, 1)), np.ones((1, 2)))).all()
        with pytest.raises(ValueError, match="sizes 1 and 3 do not fit|sizes 3 and 1 do not fit"):
            function(np.ones(1), np.ones((3, 3)), np.ones((2, 1)), np.ones((1, 2)))
    steps = [lambda now, last: last[2] * now + last, lambda now, last: tt.set_subtensor(last[2], now)]
    for step in steps:
        out, _ = theano.scan(step, [terms[:, 0]], [x])
        function = compile_function([terms, x], out)
        assert nodes(function, ScanLoop)
        with pytest.raises(IndexError, match="index 2 is out of 2"):
            function(rng.random((N, 3)), rng.random(2))


def test_garch_of_pymc3():
    """The density of returns under volatilities that follow a recursion, by hand; and its slopes by differences."""
    returns = np.random.default_rng(1).standard_normal(50)
    with pymc3_vi.fast_build(), pm.Model() as model:
        omega = pm.HalfNormal("omega", 1.0)
        weight = pm.Beta("weight", 1.0, 1.0)
        pm.GARCH11(
            "returns", omega=omega, alpha_1=0.5 * weight, beta_1=0.4, initial_vol=np.float64(1.0), observed=returns
        )
    free = model.free_RVs
    logp = model.observed_RVs[0].logpt
    function = compile_function(free, [logp, *tt.grad(logp, free)])
    assert len(nodes(function, ScanLoop)) == 2

    def by_hand(log_omega, logit_weight):
        omega, weight = np.exp(log_omega), 1 / (1 + np.exp(-logit_weight))
        volatility = [1.0]
        for value in returns[:-1]:
            volatility.append(np.sqrt(omega + 0.5 * weight * value**2 + 0.4 * volatility[-1] ** 2))
        sd = np.array(volatility)
        return np.sum(-0.5 * (returns / sd) ** 2 - np.log(sd) - 0.5 * np.log(2 * np.pi))

    point = np.array([0.2, -0.3])
    value, *slopes = function(*point)
    assert value == pytest.approx(by_hand(*point), rel=1e-10)
    for k, h in enumerate(np.eye(2) * 1e-5):
        assert slopes[k] == pytest.approx((by_hand(*point + h) - by_hand(*point - h)) / 2e-5, rel=1e-6)
