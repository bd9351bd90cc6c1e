"""Test values of sampled nodes are those of what was put in."""

import pymc3_vi

import numpy as np
import pymc3 as pm
import pytest
import theano
import theano.tensor as tt


@pytest.fixture(scope="module")
def parts():
    data = theano.shared(np.arange(6.0))
    with pymc3_vi.fast_build(), pm.Model() as model:
        b = pm.Normal("b", 0.5, 1.0)
        mu = data * b
        pm.Normal("y", mu, 1.0, observed=np.zeros(6))
    return model, data, mu, pymc3_vi.MeanField(model=model, random_seed=1)


NEW = np.arange(4.0) + 1
HOW = {
    "drawn": lambda approx, mu, new: approx.sample_node(mu, size=3, more_replacements=new),
    "one draw": lambda approx, mu, new: approx.sample_node(mu, more_replacements=new),
    "central": lambda approx, mu, new: approx.sample_node(mu, deterministic=True, more_replacements=new),
    "applied": lambda approx, mu, new: approx.apply_replacements(mu, more_replacements=new),
    "symbolic size": lambda approx, mu, new: approx.sample_node(
        mu, size=tt.as_tensor_variable(3), more_replacements=new
    ),
    "of a group": lambda approx, mu, new: approx.groups[0].set_size_and_deterministic(
        approx.groups[0].symbolic_single_sample(mu), 1, True, new
    ),
}


@pytest.mark.parametrize("how", HOW)
def test_replacements_of_another_length(parts, how):
    model, data, mu, approx = parts
    with theano.config.change_flags(cxx=""), model:
        node = HOW[how](approx, mu, {data: NEW})
        value = getattr(node.tag, "test_value", None)
        if how != "of a group":
            difference = node - NEW  # fails on a stale test value, or without one
            assert difference.tag.test_value.shape == value.shape
        if value is not None:
            assert value.shape[-1] == 4
            np.testing.assert_allclose(np.atleast_2d(value)[0], 0.5 * NEW)
    assert node.eval().shape[-1] == 4


def test_without_replacements_they_are_the_originals(parts):
    model, _, mu, approx = parts
    with theano.config.change_flags(cxx=""), model:
        node = approx.sample_node(mu, size=2)
        np.testing.assert_array_equal(node.tag.test_value, np.broadcast_to(mu.tag.test_value, (2, 6)))


def test_what_cannot_be_computed_has_none(parts):
    """A symbol without a test value, and one whose value does not fit."""
    model, data, mu, approx = parts
    symbol = tt.dvector("symbol")
    assert not hasattr(approx.sample_node(mu, size=2, more_replacements={data: symbol}).tag, "test_value")
    symbol.tag.test_value = np.ones(3)
    node = approx.sample_node(mu + np.zeros(6), more_replacements={data: symbol})
    assert not hasattr(node.tag, "test_value")
