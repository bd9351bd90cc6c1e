"""Norm constraints against NumPy."""

from pymc3_vi.updates import norm_constraint, total_norm_constraint

import numpy as np
import pytest
import theano
import theano.tensor as tt


@pytest.mark.parametrize(
    "shape, axes",
    [
        ((4, 3), (0,)),
        ((4, 3, 2), (1, 2)),
        ((2, 3, 4, 2), (1, 2, 3)),
        ((2, 1, 2, 3, 2), (1, 2, 3, 4)),
    ],
)
def test_default_axes(shape, axes):
    value = np.random.RandomState(0).normal(size=shape)
    norms = np.sqrt((value**2).sum(axis=axes, keepdims=True))
    limit = float(np.median(norms))
    result = norm_constraint(theano.shared(value), limit).eval()
    np.testing.assert_allclose(result, value * np.minimum(norms, limit) / (norms + 1e-7), rtol=1e-12)
    new = np.sqrt((result**2).sum(axis=axes))
    assert (new <= limit).all() and np.isclose(new.max(), limit)
    kept = norms.squeeze() <= limit
    np.testing.assert_allclose(new[kept], norms.squeeze()[kept], rtol=1e-6)


@pytest.mark.parametrize("axes, same", [((0,), 0), (0, 0), ([-1], 1), ((0, 1), (0, 1)), (np.int64(1), 1)])
def test_given_axes(axes, same):
    value = np.array([[3.0, 0.0], [4.0, 1.0]])
    norms = np.sqrt((value**2).sum(axis=same, keepdims=True))
    result = norm_constraint(value, 2.0, norm_axes=axes, epsilon=0.5).eval()
    np.testing.assert_allclose(result, value * np.minimum(norms, 2) / (norms + 0.5))


def test_vector_with_axes_and_zero_norm():
    np.testing.assert_allclose(norm_constraint(np.array([3.0, 4.0]), 1, norm_axes=(0,)).eval(), [0.6, 0.8], rtol=1e-6)
    assert (norm_constraint(np.zeros((2, 2)), 1.0).eval() == 0).all()


def test_limit_can_change_after_compilation():
    limit = theano.shared(1.0)
    f = theano.function([], norm_constraint(np.array([[3.0], [4.0]]), limit), mode="FAST_COMPILE")
    np.testing.assert_allclose(f(), [[0.6], [0.8]], rtol=1e-6)
    limit.set_value(2.0)
    np.testing.assert_allclose(f(), [[1.2], [1.6]], rtol=1e-6)


@pytest.mark.parametrize("floatX", ["float32", "float64"])
def test_types_are_kept(floatX):
    with theano.config.change_flags(floatX=floatX):
        row = theano.shared(np.ones((1, 3), "float32"), broadcastable=(True, False))
        wide = theano.shared(np.ones(2, "float64"))
        assert norm_constraint(row, 1.0).type == row.type.clone()
        assert [t.type for t in total_norm_constraint([row, wide], 1.0)] == [row.type, wide.type]


@pytest.mark.parametrize("tensor", [tt.scalar("s"), tt.vector("v"), tt.TensorType("float64", (False,) * 6)("t")])
def test_no_default_axes(tensor):
    with pytest.raises(ValueError, match="'norm_axes' parameter of norm_constraint must be given for a tensor of"):
        norm_constraint(tensor, 1.0)


@pytest.mark.parametrize("axes", [(2,), (-3,), (0, 0), (), (0.5,)])
def test_impossible_axes(axes):
    with pytest.raises(ValueError, match="'norm_axes' parameter of norm_constraint must be axes of a tensor of 2"):
        norm_constraint(tt.matrix(), 1.0, norm_axes=axes)


def test_total_norm():
    rng = np.random.RandomState(1)
    values = [rng.normal(size=s) for s in [(), (3,), (2, 4)]]
    norm = np.sqrt(sum((v**2).sum() for v in values))
    for limit in (norm / 3, norm * 3):
        results, measured = total_norm_constraint([theano.shared(v) for v in values], limit, return_norm=True)
        np.testing.assert_allclose(measured.eval(), norm)
        for result, value in zip(results, values):
            np.testing.assert_allclose(result.eval(), value * min(norm, limit) / (norm + 1e-7))
    assert isinstance(total_norm_constraint([theano.shared(v) for v in values], 1.0), list)
    (small,) = total_norm_constraint([theano.shared(np.array([3.0, 4.0]))], 5.0, epsilon=5.0)
    np.testing.assert_allclose(small.eval(), [1.5, 2.0])


@pytest.mark.parametrize(
    "call",
    [
        lambda **kw: norm_constraint(tt.matrix(), **kw),
        lambda **kw: total_norm_constraint([tt.matrix()], **kw),
    ],
)
def test_bad_limits(call):
    with pytest.raises(ValueError, match="'max_norm' parameter of .*norm_constraint must be a finite number greater"):
        call(max_norm=0.0)
    with pytest.raises(TypeError, match="'max_norm' parameter"):
        call(max_norm="1")
    with pytest.raises(ValueError, match="'epsilon' parameter"):
        call(max_norm=1.0, epsilon=-1.0)


@pytest.mark.parametrize("tensor_vars", [[], tt.vector(), None])
def test_total_norm_needs_a_list(tensor_vars):
    with pytest.raises(TypeError, match="'tensor_vars' parameter of total_norm_constraint must be a list of at least"):
        total_norm_constraint(tensor_vars, 1.0)
