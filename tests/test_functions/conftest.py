import pytest
import theano


@pytest.fixture(autouse=True)
def without_compiler():
    """The graphs here are tiny: running them in Python is faster than compiling them."""
    with theano.config.change_flags(cxx="", floatX="float64"):
        yield
