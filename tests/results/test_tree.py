import json

from pymc3_vi.results._tree import pack, unpack

import numpy as np
import pytest


def _round_trip(tree):
    arrays = {}
    packed = json.loads(json.dumps(pack(tree, arrays, "x"), allow_nan=False))
    return unpack(packed, arrays), arrays


def test_round_trip():
    tree = {
        "a": [1, 2.5, None, True, "text", float("inf"), -(2**127)],
        "b": {"c": (np.arange(3), [np.float32(0.1), np.int64(3), np.bool_(True)]), "empty": {}, "none": []},
    }
    found, arrays = _round_trip(tree)
    assert found["a"] == tree["a"] and found["b"]["c"][1] == [float(np.float32(0.1)), 3, True]
    np.testing.assert_array_equal(found["b"]["c"][0], np.arange(3))
    assert list(arrays) == ["x/b/c/0"] and found["b"]["empty"] == {} and found["b"]["none"] == []
    assert np.isnan(_round_trip([float("nan")])[0][0])


@pytest.mark.parametrize("bits", [np.random.SFC64, np.random.PCG64, np.random.MT19937, np.random.Philox])
def test_states_of_generators(bits):
    generator = np.random.Generator(bits(3))
    generator.standard_normal(5)
    state, _ = _round_trip(generator.bit_generator.state)
    expected = generator.standard_normal(4)
    generator.bit_generator.state = state
    np.testing.assert_array_equal(generator.standard_normal(4), expected)


@pytest.mark.parametrize("tree, words", [
    ({"a": [object()]}, "x/a/0 is object, which cannot be stored"),
    ({1: 2}, "only strings"),
    ({"__array__": "group0"}, "only strings"),
    ([np.array([object()])], "x/0 is an array of object"),
    (lambda: 0, "x is function"),
])  # fmt: skip
def test_what_cannot_be_stored(tree, words):
    with pytest.raises(TypeError, match=words):
        pack(tree, {}, "x")
