"""Log p and gradients are those of Python 3.10 and NumPy 1.22, on every Python and NumPy."""

import json
import os
import sys

import numpy as np
import pytest

from tests.zoo import ZOO

from .zoo_values import FILE, evaluate

STORED = json.loads(FILE.read_text())

#: Where the values come from: nothing is adapted there, so that Theano's code would be held against itself.
ADAPTED = sys.version_info >= (3, 11) or os.environ.get("AGAINST_STOCK") == "all"

#: What Theano's own code does not do after rewriting, on any Python.
NOT_IN_PYTHON = {
    "continuous": "a gradient of more than 32 terms",
    "discrete_likelihoods": "logarithms of int8 are taken in float32",
}


def check(name, linker):
    stored, found = STORED[name], evaluate(name, linker)
    np.testing.assert_allclose(found["logp"], stored["logp"], rtol=1e-12)
    np.testing.assert_allclose(found["norm"], stored["norm"], rtol=1e-11)
    np.testing.assert_allclose(found["gradient"], stored["gradient"], rtol=1e-9, atol=1e-11 * stored["norm"])


def test_every_model_is_stored():
    assert set(STORED) == set(ZOO)


@pytest.mark.parametrize("name", sorted(ZOO))
def test_python_code_as_built(name):
    check(name, "as built")


@pytest.mark.slow
@pytest.mark.skipif(not ADAPTED, reason="the stored values are those of Theano's code on this Python")
@pytest.mark.parametrize("name", sorted(set(ZOO) - set(NOT_IN_PYTHON)))
def test_python_code_after_rewriting(name):
    check(name, "python")


#: Theano compiles every node of a model by itself, most of a minute for each: these have the most kinds of nodes.
IN_C = ["continuous", "gp_sparse", "lkj", "minibatch"]


@pytest.mark.slow
@pytest.mark.skipif(not ADAPTED, reason="the stored values are those of Theano's code on this Python")
@pytest.mark.parametrize(
    "name", sorted(set(ZOO) - {"discrete_likelihoods"}) if os.environ.get("AGAINST_STOCK") == "all" else IN_C
)
def test_c_code(name):
    check(name, "c")
