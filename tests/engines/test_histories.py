"""The engines run the same optimization: to the last bit without fused loops, up to rounding with them."""
import os

import numpy as np
import pytest
import theano

import pymc3_vi
from pymc3_vi.engines import ENGINES
from tests.zoo import ZOO

pytestmark = pytest.mark.skipif(not theano.config.cxx, reason="there is no C++ compiler")

#: Models whose every node Theano's linker compiles by itself; AGAINST_STOCK=all takes the whole zoo, and half an hour.
AGAINST_STOCK = list(ZOO) if os.environ.get("AGAINST_STOCK") == "all" else ["schools_noncentred", "logistic"]

FAST = ["normal", "schools_noncentred"]


def history(name, engine, steps=100):
    """Losses of a fit of a fresh model, whose minibatches start anew as well."""
    optimizer = pymc3_vi.adam(learning_rate=0.01)
    with ZOO[name]():
        inference = pymc3_vi.ADVI(random_seed=5)
        inference.fit(steps, progressbar=False, obj_optimizer=optimizer, fn_kwargs={"engine": engine})
    return inference.hist


def assert_equal_up_to_rounding(name):
    np.testing.assert_allclose(history(name, "island"), history(name, "exact"), rtol=1e-12)


@pytest.mark.parametrize("name", FAST)
def test_fused_loops_change_histories_by_rounding_only(name):
    assert_equal_up_to_rounding(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in ZOO if name not in FAST])
def test_fused_loops_change_histories_of_the_zoo_by_rounding_only(name):
    assert_equal_up_to_rounding(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", AGAINST_STOCK)
def test_exact_histories_are_those_of_the_stock_linker(name, stock_linked, monkeypatch):
    monkeypatch.setitem(ENGINES._entries, "linked", stock_linked)
    monkeypatch.setitem(ENGINES._aliases, "linked", "linked")
    np.testing.assert_array_equal(history(name, "exact"), history(name, "linked"))


def test_the_engine_of_a_fit_can_be_chosen():
    with pytest.raises(pymc3_vi.errors.UnknownNameError, match="(?s)exakt.*exact"):
        history("normal", "exakt", steps=1)
