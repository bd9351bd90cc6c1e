"""Examples in docstrings give what they say."""

import doctest
import importlib
import pkgutil

import pymc3_vi

import pytest

MODULES = [module.name for module in pkgutil.walk_packages(pymc3_vi.__path__, "pymc3_vi.")]


def examples(module):
    return [test for test in doctest.DocTestFinder().find(importlib.import_module(module)) if test.examples]


def run(test):
    """Numbers of examples that ran and that failed, and what they printed."""
    said = []
    with pymc3_vi.fast_build():
        found = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=said.append)
    return found.attempted, found.failed, "".join(said)


@pytest.mark.parametrize("module", [name for name in MODULES if examples(name)])
def test_examples_of_docstrings(module):
    for test in examples(module):
        _, failed, said = run(test)
        assert not failed, said


def test_a_wrong_example_is_found():
    wrong = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    assert run(wrong)[:2] == (1, 1)
