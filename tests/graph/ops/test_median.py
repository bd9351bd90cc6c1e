"""The median Op against NumPy's, in Python and in C."""
import numpy as np
import pytest
import theano
import theano.tensor as tt

from pymc3_vi.graph.ops import median

LINKERS = ["py", pytest.param("c", marks=pytest.mark.slow)]
linkers = pytest.mark.parametrize("linker", LINKERS)


def compiled(x, linker):
    flags = {} if linker == "c" else {"cxx": ""}
    if linker == "c" and not theano.config.cxx:
        pytest.skip("no C compiler")
    with theano.config.change_flags(**flags):
        return theano.function([x], median(x), mode=theano.compile.Mode(linker=linker, optimizer="fast_compile"))


@linkers
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_is_numpys_median(linker, dtype, rng):
    x = tt.matrix(dtype=dtype)
    function = compiled(x, linker)
    for shape in [(1, 1), (1, 2), (3, 3), (4, 5), (30, 30), (31, 31)]:
        value = rng.normal(size=shape).astype(dtype)
        before = value.copy()
        result = function(value)
        assert result.dtype == dtype and result.shape == ()
        np.testing.assert_allclose(result, np.median(value), rtol=1e-6 if dtype == "float32" else 1e-15)
        np.testing.assert_array_equal(value, before)


@linkers
def test_layout_of_the_input_does_not_matter(linker, rng):
    function = compiled(tt.matrix(dtype="float64"), linker)
    value = rng.normal(size=(9, 14))
    for view in (value.T, value[::2, ::-3], np.asfortranarray(value)):
        np.testing.assert_allclose(function(view), np.median(view), rtol=1e-15)


@linkers
def test_ties_infinities_and_nan(linker):
    function = compiled(tt.matrix(dtype="float64"), linker)
    assert function(np.zeros((3, 4))) == 0
    assert function(np.array([[0.0, 0.0, 0.0, 1.0, 2.0]])) == 0
    assert function(np.array([[1.0, np.inf, np.inf]])) == np.inf
    assert np.isnan(function(np.array([[1.0, np.nan, 2.0]])))
    with pytest.raises(ValueError, match="median: no elements"):
        function(np.zeros((0, 3)))


@pytest.mark.parametrize("x", [tt.scalar(dtype="float64"), tt.vector(dtype="float64"), tt.tensor3(dtype="float64")])
def test_any_number_of_axes(x, rng):
    value = rng.normal(size=(5,) * x.ndim)
    np.testing.assert_allclose(compiled(x, "py")(value), np.median(value), rtol=1e-15)


def test_integers_are_refused():
    with pytest.raises(TypeError, match="float tensor"):
        median(tt.imatrix())


def test_it_has_no_gradient():
    x = tt.vector()
    with pytest.raises(theano.gradient.NullTypeGradError):
        tt.grad(median(x), x)
    fixed = theano.gradient.disconnected_grad(median(x))
    slope = tt.grad(tt.sum(x * fixed), x)
    value = np.array([1.0, 5.0, 2.0], dtype=x.dtype)
    with theano.config.change_flags(cxx=""):
        np.testing.assert_allclose(slope.eval({x: value}), 2.0)
