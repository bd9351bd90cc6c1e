"""Options of a fit survive a trip through JSON."""

import json

import pymc3_vi
from pymc3_vi import updates
from pymc3_vi.results._options import describe, is_opaque, opaque_names, rebuild

import numpy as np
import pytest
import theano

EXACT = [
    None, True, 3, 0.1, 1e-300, "map", float("inf"), np.float32(0.1), np.int64(4), [],
    updates.adam,
    updates.sgd(learning_rate=0.1),
    updates.adam(learning_rate=updates.cosine(0.01, 1000, final=1e-4, warmup=10), beta1=0.95),
    updates.momentum(learning_rate=updates.reduce_on_plateau(0.01, factor=0.3, every=50)),
    updates.exponential(0.01, 0.5, 100, staircase=True),
    updates.constant(0.3),
]  # fmt: skip


def _equal(a, b):
    if isinstance(a, updates.PartialOptimizer):
        return a.func is b.func and a.keywords == b.keywords
    return a == b or a is b


@pytest.mark.parametrize("value", EXACT, ids=lambda value: getattr(value, "__name__", None) or repr(value))
def test_round_trip(value):
    description = json.loads(json.dumps(describe(value), allow_nan=False))
    assert not is_opaque(description)
    assert _equal(value, rebuild(description))


@pytest.mark.parametrize("value, words", [
    (lambda loss, params: {}, "<lambda>"),
    (updates.adam(learning_rate=theano.shared(0.1)), "adam with a shared or symbolic hyperparameter"),
    ([theano.shared(1.0, "weights")], "list of weights"),
    ({theano.shared(1.0, "x"): 2}, "dict of x"),
])  # fmt: skip
def test_what_cannot_be_stored_is_named(value, words):
    assert describe(value) == {"opaque": words}
    assert opaque_names({"a": 1, "b": describe(value)}) == ["b"]
    with pytest.raises(ValueError, match="cannot be rebuilt"):
        rebuild(describe(value))


def test_an_impostor_is_opaque():
    def adam(loss_or_grads=None, params=None):
        return {}

    assert is_opaque(describe(adam)) and not is_opaque(describe(pymc3_vi.adam))


@pytest.mark.parametrize(
    "description", [{"schedule": "Updates"}, {"schedule": "adam"}, {"optimizer": "eval"}, {"x": 1}]
)
def test_foreign_descriptions_make_nothing(description):
    with pytest.raises((ValueError, KeyError)):
        rebuild(description)
