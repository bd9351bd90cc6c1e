"""What NumPy 2 would lose without an error: precision of constants, of Python code and of casts."""

import json
import os
import subprocess
import sys
import textwrap

import pymc3_vi  # noqa: F401
from pymc3_vi.compat._numbers import as_array, typed
from pymc3_vi.compat._patch import VARIABLE

import numpy as np
import pytest
import theano
import theano.scalar as ts
import theano.tensor as tt
from theano.compile.mode import Mode
from theano.sandbox.rng_mrg import MRG_RandomStream

NUMPY_2 = int(np.__version__.split(".")[0]) >= 2


def in_python(inputs, outputs, optimizer="fast_run"):
    with theano.config.change_flags(cxx=""):
        return theano.function(inputs, outputs, mode=Mode("py", optimizer))


@pytest.mark.parametrize("value", [np.pi, 0.1, 1 / 3, -1e-7, 16777217.0])
def test_floats_keep_their_digits(value):
    for constant in (tt.constant(value), ts.constant(value)):
        assert constant.dtype == "float64" and float(constant.data) == value


@pytest.mark.parametrize("value, dtype", [(0.5, "float32"), (3.0, "float32"), (2.0**30, "float32")])
def test_floats_that_fit_are_small_as_before(value, dtype):
    assert tt.constant(value).dtype == dtype and float(tt.constant(value).data) == value


@pytest.mark.parametrize(
    "value, dtype",
    [(127, "int8"), (-128, "int8"), (128, "int16"), (-129, "int16"), (40000, "int32"), (2**31, "int64"),
     (-(2**63), "int64"), (2**63, "uint64")],
)  # fmt: skip
def test_ints_are_of_the_smallest_signed_type(value, dtype):
    for constant in (tt.constant(value), ts.constant(value)):
        assert constant.dtype == dtype and int(constant.data) == value


@pytest.mark.skipif(not NUMPY_2, reason="used with NumPy 2 alone")
def test_ints_out_of_range_wrap_around():
    assert as_array(300, "int8") == 44 and as_array(300, "int8").dtype == "int8"
    np.testing.assert_array_equal(as_array([255, 256, -1], "uint8"), [255, 0, 255])
    with pytest.raises(OverflowError):
        as_array(2**63, "int64")
    np.testing.assert_array_equal(as_array(np.array([10000, -10000], dtype=object), "int8"), [16, -16])
    np.testing.assert_array_equal(as_array([1.5, 2.5], "float32"), np.array([1.5, 2.5], dtype="float32"))


def test_python_numbers_become_those_of_64_bits():
    values = typed([0.1, 3, True, np.float32(0.1), 2**70])
    assert [type(v) for v in values] == [np.float64, np.int64, bool, np.float32, int]


@pytest.mark.parametrize(
    "constant, op", [(0.5, tt.mul), (3.0, tt.true_div), (2.0, tt.pow), (-7.0, tt.sub)], ids=lambda v: str(v)
)
def test_composites_do_not_take_the_precision_of_small_constants(constant, op):
    """Such a constant is a float32 in a graph of float64."""
    x, values = tt.dvector(), np.array([0.1, 1 / 3, np.pi])
    z = op(x, np.float32(constant))
    scalars = [ts.float64(), ts.constant(np.float32(constant))]
    composite = ts.Composite([scalars[0]], [ts.mul(op.scalar_op(*scalars), scalars[0])])
    numpy_op = {tt.mul: np.multiply, tt.true_div: np.true_divide, tt.pow: np.power, tt.sub: np.subtract}[op]
    wanted = numpy_op(values, constant) * values
    elementwise = tt.Elemwise(composite)(x)
    for output in (z * x, elementwise):
        np.testing.assert_allclose(in_python([x], output)(values), wanted, rtol=1e-15)


def test_composites_do_not_take_the_precision_of_casts():
    x, n = tt.dvector(), tt.bvector()
    values, counts = np.array([0.1, 1 / 3, np.pi]), np.array([100, -100, 3], dtype="int8")
    output = tt.exp(x) * tt.cast(n, "float32") + tt.cast(n, "int16") * 5
    scalar_x, scalar_n = ts.float64(), ts.int8()
    composite = ts.Composite(
        [scalar_x, scalar_n],
        [
            ts.add(
                ts.mul(ts.exp(scalar_x), ts.cast(scalar_n, "float32")),
                ts.mul(ts.cast(scalar_n, "int16"), ts.constant(5)),
            )
        ],
    )
    wanted = np.exp(values) * counts.astype(float) + counts.astype(int) * 5
    for result in (output, tt.Elemwise(composite)(x, n)):
        np.testing.assert_allclose(in_python([x, n], result)(values, counts), wanted, rtol=1e-15)


UNARY = ["inv", "neg", "sqr", "sqrt", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan",
         "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "arcsinh", "arctanh", "erf", "erfc", "erfcx", "gammaln",
         "psi", "tri_gamma", "abs_", "deg2rad", "rad2deg"]  # fmt: skip


@pytest.mark.parametrize("name", [name for name in UNARY if hasattr(ts, name) or hasattr(ts.basic_scipy, name)])
def test_python_code_of_scalar_ops_is_of_double_precision(name):
    """A Python float, as `frompyfunc` gives it, and a NumPy number have the same result to the last digits."""
    op = getattr(ts, name, None) or getattr(ts.basic_scipy, name)
    value = 0.3
    wanted = np.asarray(op.impl(np.float64(value)))
    found = op.impl(value)
    assert wanted.dtype == "float64" and np.asarray(found).dtype == "float64"
    assert abs(found - wanted) <= 1e-15 * abs(wanted)


def test_random_streams_are_those_of_numpy_1():
    """Uniform numbers in [0, 1) from the recurrence in plain Python ints."""
    state = [12345] * 6
    m1, m2, wanted = 2147483647, 2147462579, []
    for _ in range(200):
        x11, x12, x13, x21, x22, x23 = state
        first = (4194304 * x12 + 129 * x13) % m1
        second = (32768 * x21 + 32769 * x23) % m2
        state = [first, x11, x12, second, x21, x22]
        wanted.append((first - second + (m1 if first <= second else 0)) * 4.656612873077392578125e-10)
    stream = MRG_RandomStream(12345).uniform((200,), nstreams=1)
    found = in_python([], stream, None)()
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


SCRIPT = """
    import json, warnings
    warnings.simplefilter("ignore")
    import pymc3_vi, numpy as np, theano, theano.tensor as tt, theano.scalar as ts
    from theano.compile.mode import Mode
    found = {"pi": tt.constant(np.pi).dtype, "ints": str(tt.constant(300).dtype)}
    a = ts.float64()
    composite = tt.Elemwise(ts.Composite([a], [ts.mul(ts.sub(a, ts.constant(np.float32(3.0))), a)]))
    x = tt.dvector()
    with theano.config.change_flags(cxx=""):
        found["composite"] = float(theano.function([x], composite(x), mode=Mode("py", None))([0.1])[0])
    print(json.dumps(found))
"""


@pytest.mark.skipif(not NUMPY_2, reason="nothing is lost before NumPy 2")
@pytest.mark.parametrize("name", ["precision_of_constants", "precision_of_python_code"])
def test_without_the_patch_precision_is_lost(name):
    """The tests above can fail."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT)],
        env={**os.environ, VARIABLE: name},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.strip().splitlines()[-1])
    if name == "precision_of_constants":
        assert found["pi"] == "float32" and found["ints"] == "uint64"
    else:
        assert found["pi"] == "float64" and abs(found["composite"] / -0.29 - 1) > 1e-9
