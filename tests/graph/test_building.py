"""The state in which graphs are built leaves nothing behind."""
import gc
import inspect

import numpy as np
import pytest
import theano
import theano.tensor as tt
from theano.tensor.elemwise import DimShuffle

from pymc3_vi.engines import compile_function
from pymc3_vi.graph import building


@pytest.fixture(autouse=True)
def collecting():
    gc.enable()
    yield
    gc.enable()


def test_flags_and_collection_come_back():
    with theano.config.change_flags(compute_test_value="raise"):
        with pytest.raises(KeyError):
            with building(cxx=""):
                with building():
                    assert not gc.isenabled() and theano.config.compute_test_value == "off"
                assert not gc.isenabled() and theano.config.cxx == ""
                raise KeyError
        assert gc.isenabled() and theano.config.compute_test_value == "raise"


def test_collection_that_is_off_stays_off():
    gc.disable()
    with building():
        pass
    assert not gc.isenabled()


def test_variables_note_no_source_only_inside():
    with building():
        inside = tt.exp(tt.dscalar())
    assert not inside.tag.trace
    assert tt.exp(tt.dscalar()).tag.trace


def test_refused_rewrites_read_no_source(monkeypatch):
    """`y` is needed after the loop that would overwrite it, so Theano has to refuse."""
    monkeypatch.setattr(inspect, "findsource", None)
    x = theano.shared(np.arange(3.0))
    y = x + 1
    function = compile_function([], [y, tt.sum(y) * tt.exp(y)], updates=[(x, y * x)])
    np.testing.assert_allclose(function()[1], 6 * np.exp([1.0, 2.0, 3.0]))


def test_copies_of_c_code_are_the_same():
    ops = [DimShuffle((False,), ("x", 0)), DimShuffle((False, False), (1, 0))]
    assert ops[0].code_sections is ops[1].code_sections and "support_code_apply" in "".join(ops[0].code_sections)
    x = np.arange(6.0).reshape(2, 3)
    m = tt.dmatrix()
    np.testing.assert_array_equal(theano.function([m], m.T)(x), x.T)
