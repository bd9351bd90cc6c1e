"""Test functions made of names, callables, classes and instances."""

from pymc3_vi.errors import ParametrizationError, UnknownNameError
from pymc3_vi.test_functions import IMQ, RBF, Kernel, TestFunction, as_kernel, imq, rbf

import numpy as np
import pytest
import theano
import theano.tensor as tt


def linear(X):
    """A plain function that is a kernel: k(x, y) = x.y, whose summed gradients are n x_i."""
    return tt.dot(X, X.T), X * X.shape[0]


def test_a_plain_callable_is_called(rng):
    # In PyMC3 this raises NotImplementedError when it is called.
    X = rng.normal(size=(3, 2))
    for kernel in (TestFunction.from_function(linear), as_kernel(linear), as_kernel(lambda X: linear(X))):
        assert isinstance(kernel, Kernel)
        K, dK = (value.eval() for value in kernel(tt.as_tensor_variable(X)))
        np.testing.assert_allclose(K, X @ X.T)
        np.testing.assert_allclose(dK, 3 * X)
        assert kernel.params == []
        kernel.setup(None)


def test_a_test_function_is_itself():
    assert as_kernel(rbf) is rbf and as_kernel(imq) is imq
    kernel = RBF(bandwidth=2.0)
    assert TestFunction.from_function(kernel) is kernel


def test_a_class_is_instantiated():
    assert type(as_kernel(RBF)) is RBF and type(as_kernel(IMQ)) is IMQ


def test_a_name_is_looked_up():
    assert as_kernel("rbf") is rbf and TestFunction.from_function("imq") is imq


def test_an_unknown_name_gets_the_closest_match():
    with pytest.raises(UnknownNameError, match="Unknown kernel 'rfb'. Did you mean 'rbf'?"):
        as_kernel("rfb")


@pytest.mark.parametrize("wrong", [3, None, [rbf]])
def test_what_is_no_function_is_refused(wrong):
    with pytest.raises(ParametrizationError, match="kernel name .*rbf.*a callable X -> .* or a TestFunction. Got"):
        as_kernel(wrong)


def test_trainable_parameters_are_shared_variables():
    width = theano.shared(1.0, "width")

    class Trainable(TestFunction):
        def __init__(self):
            super().__init__()
            self.shared_params = {"width": width, "constant": tt.constant(2.0)}

        def __call__(self, z):
            return z * self.shared_params["width"]

    assert Trainable().params == [width]
    assert TestFunction().params == []


def test_an_unfinished_test_function_says_what_it_lacks():
    class Unfinished(TestFunction):
        pass

    with pytest.raises(NotImplementedError, match=r"Unfinished must define __call__\(z\)"):
        Unfinished()(tt.matrix())


def test_a_foreign_test_function_keeps_its_parameters_and_setup():
    # What was written for PyMC3 derives from PyMC3's class, which to us is a callable with attributes.
    class Foreign:
        def __init__(self):
            self.shared_params = {"width": theano.shared(1.0, "width")}
            self.approx = None

        def setup(self, approx):
            self.approx = approx

        def __call__(self, z):
            return linear(z)

    foreign = Foreign()
    kernel = as_kernel(foreign)
    kernel.setup("approx")
    assert foreign.approx == "approx" and kernel.params == list(foreign.shared_params.values())
