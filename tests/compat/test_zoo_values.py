"""Log p and gradients are those of Python 3.10 and NumPy 1.22, on every Python and NumPy.

As they are built, they are compared in ``tests/compiler/vectorize/test_zoo.py``, which compiles them for its own ends.
"""

import json
import os
import sys

import pytest

from tests.zoo import ZOO

from .zoo_values import FILE, check, evaluate

#: Where the values come from: nothing is adapted there, so that Theano's code would be held against itself.
ADAPTED = sys.version_info >= (3, 11) or os.environ.get("AGAINST_STOCK") == "all"

#: What Theano's own code does not do after rewriting, on any Python.
NOT_IN_PYTHON = {
    "continuous": "a gradient of more than 32 terms",
    "discrete_likelihoods": "logarithms of int8 are taken in float32",
}


def test_every_model_is_stored():
    assert set(json.loads(FILE.read_text())) == set(ZOO)


@pytest.mark.slow
@pytest.mark.skipif(not ADAPTED, reason="the stored values are those of Theano's code on this Python")
@pytest.mark.parametrize("name", sorted(set(ZOO) - set(NOT_IN_PYTHON)))
def test_python_code_after_rewriting(name):
    check(name, *evaluate(name, "python"))


#: Theano compiles every node of a model by itself, most of a minute for each: these have the most kinds of nodes.
IN_C = ["continuous", "gp_sparse", "lkj", "minibatch"]


@pytest.mark.slow
@pytest.mark.skipif(not ADAPTED, reason="the stored values are those of Theano's code on this Python")
@pytest.mark.parametrize(
    "name", sorted(set(ZOO) - {"discrete_likelihoods"}) if os.environ.get("AGAINST_STOCK") == "all" else IN_C
)
def test_c_code(name):
    check(name, *evaluate(name, "c"))
