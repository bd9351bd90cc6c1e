"""Long loops on several threads: the same results, in every process."""

import os

from pymc3_vi.compiler import compile_function, show_config
from pymc3_vi.compiler.ops import FusedLoop, Instruction, LogSumExp, LoopOutput, ProductLoop, _threads
from pymc3_vi.compiler.ops._threads import set_thread_count, thread_count

import numpy as np
import pytest
import theano
import theano.tensor as tt
from scipy import special

from tests.processes import forked

N = 400_001  # more than one part of every loop below, and the last one shorter


@pytest.fixture(autouse=True)
def given_back():
    before = thread_count()
    yield
    set_thread_count(before)


def on_threads(function, *values):
    """Results on one thread, after checking that several give the same to the last bit, time after time."""
    set_thread_count(1)
    expected = [np.array(r) for r in function(*values)]
    for count in (2, 5, 2):
        set_thread_count(count)
        for _ in range(5):
            for result, one in zip(function(*values), expected):
                np.testing.assert_array_equal(result, one)
    return expected


def loops_of(function):
    return [node for node in function.maker.fgraph.toposort() if isinstance(node.op, (FusedLoop, ProductLoop))]


@pytest.mark.parametrize("dtype, rtol", [("float64", 1e-12), ("float32", 1e-5)])
def test_arrays_and_sums_over_the_whole_range(dtype, rtol, rng):
    x, y = tt.TensorType(dtype, (False,))("x"), tt.TensorType(dtype, (False,))("y")
    function = compile_function([x, y], [tt.exp(x) * y, tt.sum(tt.exp(x)), tt.sum(tt.sqr(x - y))])
    assert len(loops_of(function)) == 1
    a, b = rng.standard_normal((2, N)).astype(dtype)
    array, total, squares = on_threads(function, a, b)
    wide_a, wide_b = a.astype("float64"), b.astype("float64")
    np.testing.assert_allclose(array, np.exp(wide_a) * wide_b, rtol=rtol, atol=rtol)
    np.testing.assert_allclose([total, squares], [np.exp(wide_a).sum(), ((wide_a - wide_b) ** 2).sum()], rtol=rtol)


@pytest.mark.parametrize("dtype, rtol", [("float64", 1e-12), ("float32", 1e-4)])
@pytest.mark.parametrize("m, n, k", [(5003, 31, 40), (31, 5003, 40), (40, 31, 5003), (1, 300, 20_001), (250, 250, 250)])
@pytest.mark.parametrize("transposed", ["", "a", "b", "ab"])
def test_products_of_matrices(m, n, k, transposed, dtype, rtol, rng):
    """Rows, columns and sums are cut; what the result's memory held before does not matter."""
    a, b, c = (tt.TensorType(dtype, (False, False))() for _ in range(3))
    product = tt.dot(a.T if "a" in transposed else a, b.T if "b" in transposed else b)
    function = compile_function([a, b, c], [product, c - 2 * product])
    values = [rng.standard_normal(size).astype(dtype) for size in [(m, k), (k, n), (m, n)]]
    right = values[0].astype("float64") @ values[1]
    stored = [np.ascontiguousarray(v.T) if name in transposed else v for v, name in zip(values, "ab")] + [values[2]]
    once, twice = on_threads(function, *stored)
    np.testing.assert_allclose(once, right, rtol=rtol, atol=rtol * k**0.5)
    np.testing.assert_allclose(twice, values[2] - 2 * right, rtol=rtol, atol=rtol * k**0.5)
    for result in function(np.full_like(stored[0], np.nan), *stored[1:]):
        assert np.isnan(result).all()
    np.testing.assert_array_equal(function(*stored)[0], once)


@pytest.mark.parametrize("shape", [(N, 3), (3, N), (2, 1000, 301), (1, 700, 601)])
def test_several_dimensions_with_broadcasting(shape, rng):
    x, row = tt.TensorType("float64", (False,) * len(shape))(), tt.dvector()
    value = tt.exp(x) + row
    sums = [tt.sum(value, axis=axis) for axis in range(len(shape))]
    function = compile_function([x, row], [value, tt.sum(value), *sums])
    a, b = rng.standard_normal(shape), rng.standard_normal(shape[-1])
    array, total, *found = on_threads(function, a, b)
    expected = np.exp(a) + b
    np.testing.assert_allclose(array, expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(total, expected.sum(), rtol=1e-12)
    for axis, sums in enumerate(found):
        np.testing.assert_allclose(sums, expected.sum(axis=axis), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kept", [(0, None), (None, 1)])
def test_sums_along_one_axis_alone(kept, rng):
    """Parts along one axis would add to the same numbers; the other one is taken."""
    op = FusedLoop(
        2, ((0, 1),), (Instruction(theano.scalar.exp, (0,), "float64"),), (LoopOutput(1, kept, "float64", True),)
    )
    x = tt.dmatrix()
    function = compile_function([x], [op(x)])
    for shape in ((N, 2), (2, N), (1, N), (900, 800)):
        a = rng.standard_normal(shape)
        (found,) = on_threads(function, a)
        expected = np.exp(a).sum(axis=kept.index(None), keepdims=True)
        np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_results_over_inputs(rng):
    state = theano.shared(np.zeros(N))
    step = compile_function([], [tt.sum(state)], updates=[(state, tt.exp(-state) + 0.3 * state)])
    histories = []
    for count in (1, 3):
        set_thread_count(count)
        state.set_value(np.linspace(-1, 1, N))
        histories.append([float(step()[0]) for _ in range(6)])
    assert histories[0] == histories[1] and len(set(histories[0])) == 6


@pytest.mark.parametrize("order", ["C", "F"])
def test_products_with_matrices(order, rng):
    a, w, y = tt.dmatrix(), tt.dvector(), tt.dvector()
    loss = tt.sum(tt.nnet.softplus(tt.dot(a, w)) - y * tt.dot(a, w))
    function = compile_function([a, w, y], [loss, tt.grad(loss, w)])
    assert any(isinstance(node.op, ProductLoop) for node in loops_of(function))
    values = np.array(rng.standard_normal((30_001, 21)), order=order), rng.standard_normal(21), rng.random(30_001)
    found, gradient = on_threads(function, *values)
    linear = values[0] @ values[1]
    np.testing.assert_allclose(found, np.sum(np.logaddexp(0, linear) - values[2] * linear), rtol=1e-11)
    np.testing.assert_allclose(gradient, values[0].T @ (special.expit(linear) - values[2]), rtol=1e-9)


def test_logarithms_of_sums_of_exponentials(rng):
    x = tt.dmatrix()
    a = rng.standard_normal((N, 3))
    y, w = on_threads(compile_function([x], LogSumExp()(x)), a)
    np.testing.assert_allclose(y, special.logsumexp(a, axis=1), rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(w, special.softmax(a, axis=1), rtol=1e-12)


_PROCESS = """
import os
import numpy as np
from pymc3_vi.compiler import compile_function
from pymc3_vi.compiler.ops._threads import set_thread_count
import theano.tensor as tt

set_thread_count()
x = tt.dvector()
function = compile_function([x], tt.sum(tt.exp(x)))
value = np.linspace(-1, 1, 400_001)


def blocked():
    masks = []
    for task in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{task}/status") as status:
            masks += [int(line.split()[1], 16) for line in status if line.startswith("SigBlk")]
    return [bool(mask & 2) for mask in masks]  # SIGINT


quiet = blocked()
first = function(value)
print(len(quiet), sum(blocked()) - sum(quiet))
child = os.fork()
if not child:
    os._exit(0 if function(value) == first and sum(blocked()) - sum(quiet) == 2 else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) if hasattr(os, "waitstatus_to_exitcode")
      else os.WEXITSTATUS(os.waitpid(child, 0)[1]))
print(function(value) == first, sum(blocked()) - sum(quiet))
"""


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="threads are counted by Linux")
def test_threads_leave_signals_alone_and_are_made_anew_after_a_fork():
    done = forked(_PROCESS, check=False, OMP_NUM_THREADS="3")
    lines = done.stdout.splitlines()
    assert len(lines) == 3, done.stderr
    assert lines[0].endswith(" 2")  # two more threads than before, which block SIGINT
    assert lines[1] == "0" and lines[2] == "True 2"


def test_number_of_threads(monkeypatch):
    for text, expected in [("3", 3), ("5,2", 5), ("0", 1)]:
        monkeypatch.setenv("OMP_NUM_THREADS", text)
        set_thread_count()
        assert thread_count() == expected
    for text in ("", "all"):
        monkeypatch.setenv("OMP_NUM_THREADS", text)
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(20)), raising=False)
        set_thread_count()
        assert thread_count() == _threads._ENOUGH
    set_thread_count(2)
    assert show_config(print_it=False)["threads of long loops"] == 2
