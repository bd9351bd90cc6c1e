"""What the start point alone tells is said before a compiler runs."""

import pymc3_vi
from pymc3_vi.compiler import compile_count
from pymc3_vi.errors import ParametrizationError, StartError

import numpy as np
import pymc3 as pm
import pytest
from theano.link.c.cmodule import GCC_compiler


def counts():
    pm.Poisson("y", pm.HalfNormal("l", 5), observed=[-1, 2])


def more_than_all():
    pm.Binomial("y", n=5, p=pm.Beta("p", 1, 1), observed=[3, 7])


def outside():
    pm.Beta("y", pm.HalfNormal("a", 1.0), 2.0, observed=[0.5, 1.5])


def never_finite():
    pm.Potential("y", pm.Normal("a", 0.0, 1.0) * 0 - np.inf)


def discrete():
    pm.Normal("y", pm.Poisson("k", 3.0), 1.0, observed=np.zeros(3))


@pytest.mark.parametrize("method", ["advi", "fullrank_advi", "svgd", "nfvi", "dadvi"])
@pytest.mark.parametrize(
    "build, error, words",
    [
        (counts, StartError, "the data term of variable 'y' is -inf"),
        (more_than_all, StartError, "the data term of variable 'y' is -inf"),
        (outside, StartError, "the data term of variable 'y' is -inf"),
        (never_finite, StartError, "the potential term of variable 'y' is -inf"),
        (discrete, ParametrizationError, "Discrete variables are not supported.*: k"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_nothing_is_compiled_for_an_error(build, error, words, method, monkeypatch):
    def compiled(*args, **kwargs):
        raise AssertionError("a compiler was run")

    monkeypatch.setattr(GCC_compiler, "compile_str", staticmethod(compiled))
    with pymc3_vi.fast_build(), pm.Model() as model:
        build()
    before = compile_count()
    with pytest.raises(error, match=words):
        pymc3_vi.fit(100, method, model, progressbar=False)
    assert compile_count() == before
