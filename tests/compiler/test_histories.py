"""The engines run the same optimization: to the last bit without fused loops, up to rounding with them or in Python."""

import os

import pymc3_vi
from pymc3_vi.compiler import ENGINES
from pymc3_vi.compiler._function import _with_islands
from pymc3_vi.compiler._rewrites import EXACT_REWRITES

import numpy as np
import pytest
import theano

from tests.zoo import EVERY_KIND_OF_NODE, ZOO

pytestmark = pytest.mark.skipif(not theano.config.cxx, reason="there is no C++ compiler")

WHOLE_ZOO = os.environ.get("AGAINST_STOCK") == "all"
#: Models whose every node Theano's linker compiles by itself; AGAINST_STOCK=all takes the whole zoo, and half an hour.
AGAINST_STOCK = list(ZOO) if WHOLE_ZOO else ["schools_noncentred", "logistic"]

FAST = ["normal", "schools_noncentred"]

#: Relative difference of losses from those in Python, where SciPy's special functions are others than in C.
BY_SCIPY = {"binomial": 1e-10, "discrete_likelihoods": 1e-9}


def register(monkeypatch, compile_it):
    """Make `compile_it` the engine "other"."""
    monkeypatch.setitem(ENGINES._entries, "other", compile_it)
    monkeypatch.setitem(ENGINES._aliases, "other", "other")


def history(name, engine, steps=100):
    """Losses of a fit of a fresh model, whose minibatches start anew as well."""
    optimizer = pymc3_vi.adam(learning_rate=0.01)
    with ZOO[name]():
        inference = pymc3_vi.ADVI(random_seed=5)
        inference.fit(steps, progressbar=False, obj_optimizer=optimizer, fn_kwargs={"engine": engine})
    return inference.hist


def _islands_without_loops(inputs, outputs, **kwargs):
    return _with_islands(inputs, outputs, [EXACT_REWRITES], kwargs)


def plainly(name, engine):
    """Losses by code whose results depend on nothing around it.

    Which products are contracted to fused multiply-adds depends on the code around them and on the level of
    optimization; without contractions nothing does, and a low level saves time.
    """
    with theano.config.change_flags(gcc__cxxflags=f"{theano.config.gcc__cxxflags} -ffp-contract=off -O0"):
        return history(name, engine)


@pytest.mark.parametrize("name", list(ZOO) if WHOLE_ZOO else FAST)
def test_islands_do_what_single_nodes_do_and_fused_loops_change_it_by_rounding_only(name, monkeypatch):
    exact = plainly(name, "exact")
    np.testing.assert_allclose(history(name, "island"), exact, rtol=1e-12)
    register(monkeypatch, _islands_without_loops)
    np.testing.assert_array_equal(plainly(name, "other"), exact)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in (ZOO if WHOLE_ZOO else EVERY_KIND_OF_NODE) if name not in FAST])
def test_histories_are_those_of_theano_in_python(name):
    with theano.config.change_flags(cxx=""):
        in_python = history(name, "theano")
    np.testing.assert_allclose(history(name, "island"), in_python, rtol=BY_SCIPY.get(name, 1e-12))


@pytest.mark.slow
@pytest.mark.parametrize("name", AGAINST_STOCK)
def test_exact_histories_are_those_of_the_stock_linker(name, stock_linked, monkeypatch):
    register(monkeypatch, stock_linked)
    np.testing.assert_array_equal(plainly(name, "exact"), plainly(name, "other"))


def test_the_engine_of_a_fit_can_be_chosen():
    with pytest.raises(pymc3_vi.errors.UnknownNameError, match="(?s)exakt.*exact"):
        history("normal", "exakt", steps=1)
