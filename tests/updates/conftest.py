import pytest
import theano


@pytest.fixture(autouse=True)
def without_compiler():
    """``eval()`` in Python too: g++ takes seconds for each of these small graphs."""
    with theano.config.change_flags(cxx=""):
        yield
