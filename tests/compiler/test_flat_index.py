"""Elements of matrices at known places are read and written by C code, with NumPy's results."""

from pymc3_vi.compiler import compile_function

import numpy as np
import pytest
import theano
import theano.tensor as tt
from theano.tensor.subtensor import AdvancedIncSubtensor, AdvancedSubtensor

ROWS, COLUMNS = np.array([0, 2, 1, 2]), np.array([1, 0, 2, 3])
REPEATED = np.array([0, 2, 0, 2]), np.array([1, 0, 1, 0])


def known(v):
    """A matrix (3, 4) whose shape does not depend on the shape of `v`."""
    return tt.alloc(np.float64(1), 3, 4) * v[0]


def in_python(function):
    nodes = function.maker.fgraph.toposort()
    return any(isinstance(node.op, (AdvancedSubtensor, AdvancedIncSubtensor)) for node in nodes)


@pytest.mark.parametrize("places", [(ROWS, COLUMNS), REPEATED], ids=["distinct", "repeated"])
@pytest.mark.parametrize("write", [tt.set_subtensor, tt.inc_subtensor])
def test_writes(places, write):
    v = tt.dvector()
    function = compile_function([v], write(known(v)[places], v))
    value = np.array([3.0, 5.0, 7.0, 11.0])
    wanted = np.full((3, 4), 3.0)
    if write is tt.set_subtensor:
        wanted[places] = value
    else:
        np.add.at(wanted, places, value)
    np.testing.assert_array_equal(function(value), wanted)
    assert not in_python(function)


def test_one_number_for_all_places():
    v = tt.dvector()
    function = compile_function([v], tt.set_subtensor(known(v)[ROWS, COLUMNS], v[1:2]))
    wanted = np.full((3, 4), 3.0)
    wanted[ROWS, COLUMNS] = 5
    np.testing.assert_array_equal(function([3.0, 5.0]), wanted)


def test_reads():
    v, m = tt.dvector(), np.arange(12.0).reshape(3, 4)
    function = compile_function([v], (known(v) * m)[ROWS, COLUMNS])
    np.testing.assert_array_equal(function([2.0]), 2 * m[ROWS, COLUMNS])
    transposed = compile_function([v], (known(v) * m).T[COLUMNS, ROWS])
    np.testing.assert_array_equal(transposed([2.0]), 2 * m[ROWS, COLUMNS])
    assert not in_python(function) and not in_python(transposed)


def test_short_integers_do_not_overflow():
    v, m = tt.dvector(), np.arange(2000.0).reshape(20, 100)
    places = tt.constant(np.array([3, 19], dtype="int8")), tt.constant(np.array([99, 7], dtype="int8"))
    function = compile_function([v], (tt.alloc(np.float64(1), 20, 100) * v[0] * m)[places])
    np.testing.assert_array_equal(function([1.0]), [399, 1907])
    assert not in_python(function)


def test_gradients_of_both():
    v, m = tt.dvector(), np.arange(12.0).reshape(3, 4)
    filled = tt.set_subtensor(tt.zeros((3, 4))[ROWS, COLUMNS], v)
    function = compile_function([v], theano.grad((filled**2 * m).sum(), v))
    value = np.array([3.0, 5.0, 7.0, 11.0])
    np.testing.assert_allclose(function(value), 2 * value * m[ROWS, COLUMNS], rtol=1e-14)
    assert not in_python(function)


def test_what_is_not_known_stays_as_it_is():
    v, x, i = tt.dvector(), tt.dmatrix(), tt.lvector()
    m = np.arange(12.0).reshape(3, 4)
    unknown_shape = compile_function([x], x[ROWS, COLUMNS])
    np.testing.assert_array_equal(unknown_shape(m), m[ROWS, COLUMNS])
    unknown_places = compile_function([v, i], (known(v) * m)[i, COLUMNS])
    np.testing.assert_array_equal(unknown_places([1.0], ROWS), m[ROWS, COLUMNS])
    from_the_end = compile_function([v], (known(v) * m)[-1 - ROWS, COLUMNS])
    np.testing.assert_array_equal(from_the_end([1.0]), m[-1 - ROWS, COLUMNS])
    with pytest.raises(IndexError):
        compile_function([v], (known(v) * m)[ROWS + 1, COLUMNS])([1.0])
