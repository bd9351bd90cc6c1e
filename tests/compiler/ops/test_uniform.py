"""Random streams side by side: the numbers and the states of Theano's own code, to the last bit."""

from pymc3_vi.compiler import compile_function
from pymc3_vi.compiler.ops import UniformStreams

import numpy as np
import pytest
import theano
import theano.tensor as tt
from theano.sandbox.rng_mrg import MRG_RandomStream, mrg_uniform

from .checks import PYTHON


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("streams", [1, 3, 8, 21, 83])
def test_numbers_and_states_are_theanos(dtype, streams):
    states = MRG_RandomStream(7).get_substream_rstates(streams, "float64")
    states = np.asarray(states.get_value() if hasattr(states, "get_value") else states)
    state, size = tt.imatrix(), tt.lvector()
    ours = UniformStreams(tt.TensorType(dtype, (False,)))(state, size)
    theirs = mrg_uniform(tt.TensorType(dtype, (False,)))(state, size)
    function = compile_function([state, size], ours)
    expected = theano.function([state, size], theirs, mode=PYTHON)
    for n in (0, 1, 2, 7, 8, 9, 20, 83, 500):
        before = states.copy()
        for a, b in zip(function(states, [n]), expected(states, [n])):
            assert a.dtype == b.dtype
            # Theano's Python code rounds single precision otherwise than its C code, whose numbers ours are.
            np.testing.assert_array_max_ulp(a, b, 1) if a.dtype == "float32" else np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(states, before)


def test_states_of_extreme_values():
    """The states that reduce to zero, and those where sums pass the moduli."""
    m1, m2 = 2**31 - 1, 2**31 - 21069
    values = [
        [0, 0, 1, 0, 0, 1],
        [m1 - 1] * 3 + [m2 - 1] * 3,
        [1, m1 - 1, 0, m2 - 1, 0, m2 - 1],
        [0, 1, m1 - 1, 1, 1, 0],
    ]
    states = np.array(values * 3, "int32")
    state, size = tt.imatrix(), tt.lvector()
    kind = tt.TensorType("float64", (False,))
    found = compile_function([state, size], UniformStreams(kind)(state, size))(states, [100])
    expected = theano.function([state, size], mrg_uniform(kind)(state, size), mode=PYTHON)(states, [100])
    for a, b in zip(found, expected):
        np.testing.assert_array_equal(a, b)
